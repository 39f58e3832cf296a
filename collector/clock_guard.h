/* Watches the wall clock against the monotonic one: tells jumps, and whether the wall clock is sure enough to
 * delete by age. A clock gone mad must not empty the store. Knows no store. Threads: one at a time.
 *
 * "Trusted" is the latest time that is believed: it runs on with the monotonic clock, and follows the wall
 * clock as long as that is not far ahead of it. A wall clock that is far ahead is on trial: deleting waits
 * until the collector has run steadily for CLOCK_TRIAL_US with it, over restarts too, or until it comes back.
 * The time that the machine was off is not known: at a start the clock may be ahead by the allowance. */
#ifndef COLLECTOR_CLOCK_GUARD_H
#define COLLECTOR_CLOCK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

#define CLOCK_JUMP_US  (2 * INT64_C(1000000))    /* a step above it is a jump; slewing stays below */
#define CLOCK_AHEAD_US (3600 * INT64_C(1000000)) /* so far ahead it is on trial */
#define CLOCK_OFF_ALLOWANCE_US                                                                               \
    (24 * 3600 * INT64_C(1000000)) /* once a run; a quarter of the retention if less */
#define CLOCK_TRIAL_US (24 * 3600 * INT64_C(1000000))

struct clock_guard {
    int64_t utc_us, monotonic_us; /* at the last call */
    int64_t trusted_us;
    int64_t allowance_us;
    int64_t trial_left_us; /* 0: none */
    uint64_t jumps;
    int64_t last_jump_us; /* its size, negative for back; 0: none */
    int64_t jumped_at_monotonic_us;
};

/* Trusts the clock as it is now. retention_us: 0 when nothing is deleted by age. */
void clock_guard_init(struct clock_guard *guard, const struct clock *clock, int64_t retention_us);

/* What the last run knew, once it can be read: the time that it trusted at its end (INT64_MIN: it left none)
 * and what was left of a trial. */
void clock_guard_inform(struct clock_guard *guard, int64_t trusted_us, int64_t trial_left_us);

/* Each tick. Returns the size of a jump since the last call, in microseconds; 0: none. */
int64_t clock_guard_tick(struct clock_guard *guard, const struct clock *clock);

/* Whether age may be judged by the wall clock. */
bool clock_guard_is_sure(const struct clock_guard *guard);

/* For people: a jump within the last hour, or a trial. */
bool clock_guard_has_jumped(const struct clock_guard *guard);

#endif
