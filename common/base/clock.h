/* The time, passed in so that a test can control it.
 * Threads: clock_system is thread-safe; a fake clock may be read from several threads and set from one. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>

enum {
    US_PER_MS = 1000,
    US_PER_S = 1000000,
};

struct clock {
    int64_t (*utc_us)(void *context);       /* wall clock, microseconds since 1970, may jump */
    int64_t (*monotonic_us)(void *context); /* CLOCK_BOOTTIME: never jumps, counts suspend */
    void *context;
};

/* The machine's own clocks. Never freed. */
const struct clock *clock_system(void);

int64_t clock_utc_us(const struct clock *clock);
int64_t clock_monotonic_us(const struct clock *clock);

/* A clock that stands still until it is set. */
struct clock_fake {
    struct clock clock; /* pass &fake.clock on */
    _Atomic int64_t utc_us;
    _Atomic int64_t monotonic_us;
};

void clock_fake_init(struct clock_fake *fake, int64_t utc_us, int64_t monotonic_us);
/* Moves both clocks. */
void clock_fake_advance(struct clock_fake *fake, int64_t us);

#endif
