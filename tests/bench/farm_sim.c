#include "tests/bench/farm_sim.h"

#include "common/base/clock.h"

enum { A_BLOCK = 250, HASH_NULL = 123456 };
static const int64_t hash_modulus = 2147483647;
static const uint32_t first_network = 127u << 24 | 64u << 16;

uint32_t sim_address(int32_t vehicle)
{
    uint32_t block = (uint32_t)vehicle / A_BLOCK;
    return first_network + (block / A_BLOCK << 16) + (block % A_BLOCK << 8) + (uint32_t)vehicle % A_BLOCK + 1;
}

int32_t sim_vehicle(uint32_t address)
{
    uint32_t low = address & 255;
    uint32_t middle = address >> 8 & 255;
    if (address < first_network || low == 0 || low > A_BLOCK || middle >= A_BLOCK)
        return -1;
    uint32_t high = (address - first_network) >> 16;
    uint32_t vehicle = (high * A_BLOCK + middle) * A_BLOCK + low - 1;
    return vehicle < SIM_VEHICLES_MAX ? (int32_t)vehicle : -1;
}

int64_t sim_phase_us(int32_t vehicle)
{
    return (int64_t)vehicle * 7919 % 9973; /* below the shortest period */
}

int64_t sim_time_us(const struct sim *sim, int32_t vehicle, int64_t tick)
{
    return tick * sim->period_us + sim_phase_us(vehicle);
}

int64_t sim_tick_from(const struct sim *sim, int32_t vehicle, int64_t time_us)
{
    int64_t at = time_us - sim_phase_us(vehicle);
    int64_t tick = at / sim->period_us;
    return tick * sim->period_us < at ? tick + 1 : tick;
}

bool sim_value(int32_t vehicle, int32_t channel, int64_t tick, int64_t *hundredths)
{
    *hundredths =
        ((int64_t)vehicle * 7919 + (int64_t)channel * 104729 + tick % 1000003 * (31 + channel)) % 200001 -
        50000;
    return (tick + channel) % 101 != 0;
}

static int64_t row_hash(int64_t time_us, int32_t channel, int64_t hundredths)
{
    int64_t b = (channel * 1000003LL + hundredths + 50001) % hash_modulus;
    int64_t c = (time_us % hash_modulus + b) % hash_modulus;
    return c * c % hash_modulus * (b + 1) % hash_modulus;
}

struct sim_sum sim_expected(const struct sim *sim, int32_t vehicle, int64_t from_us, int64_t to_us)
{
    struct sim_sum sum = {0};
    int64_t first = sim_tick_from(sim, vehicle, from_us > sim->start_us ? from_us : sim->start_us);
    int64_t end = sim_tick_from(sim, vehicle, to_us);
    for (int64_t tick = first; tick < end; tick++) {
        int64_t time_us = sim_time_us(sim, vehicle, tick);
        for (int32_t channel = 1; channel <= sim->channels; channel++) {
            int64_t hundredths;
            bool some = sim_value(vehicle, channel, tick, &hundredths);
            sum.hash += (uint64_t)row_hash(time_us, channel, some ? hundredths : HASH_NULL);
            sum.rows++;
        }
    }
    return sum;
}
