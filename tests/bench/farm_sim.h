/* The made-up readings of a simulated vehicle: each is a function of (vehicle, channel, tick), so that
 * whoever wants to know what must have come home computes it again. Knows nothing of HTTP. Threads: safe.
 *
 * Ticks lie on a grid: tick K of vehicle v is at K * period_us + sim_phase_us(v), in the vehicle's own clock.
 */
#ifndef TESTS_BENCH_FARM_SIM_H
#define TESTS_BENCH_FARM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_CHANNELS_MAX = 1000,
    SIM_VEHICLES_MAX = 62500,
    SIM_ALARM_PERIOD_S = 300, /* one alarm every so often */
    SIM_ALARM_LASTS_S = 100,
};

struct sim {
    int32_t channels;  /* numbered from 1 */
    int64_t period_us; /* divides a second */
    int64_t start_us;  /* there are no readings from before it */
};

/* 127.64.0.1 is vehicle 0, 127.64.0.250 vehicle 249, 127.64.1.1 vehicle 250 ... out: host byte order. */
uint32_t sim_address(int32_t vehicle);
/* -1: no vehicle has this address. */
int32_t sim_vehicle(uint32_t address);

int64_t sim_phase_us(int32_t vehicle);
int64_t sim_time_us(const struct sim *sim, int32_t vehicle, int64_t tick);
/* The first tick at or after a time. */
int64_t sim_tick_from(const struct sim *sim, int32_t vehicle, int64_t time_us);
/* Hundredths; false: the vehicle has no value there (null). */
bool sim_value(int32_t vehicle, int32_t channel, int64_t tick, int64_t *hundredths);

/* What must have come of [from_us, to_us): how many rows, and the sum over them of the row's hash, which SQL
 * computes as quickly (tests/harness/farm.py): with M = 2^31 - 1, a = time_us mod M, b = (channel * 1000003 +
 * hundredths + 50001) mod M (null: hundredths 123456), c = (a + b) mod M, the hash is ((c * c mod M) * (b +
 * 1)) mod M. */
struct sim_sum {
    int64_t rows;
    uint64_t hash;
};
struct sim_sum sim_expected(const struct sim *sim, int32_t vehicle, int64_t from_us, int64_t to_us);

#endif
