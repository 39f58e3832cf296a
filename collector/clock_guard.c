#include "collector/clock_guard.h"

/* A wall clock ahead of what is trusted: believed when near, tried when far. */
static void judge(struct clock_guard *guard)
{
    int64_t ahead_us = guard->utc_us - guard->trusted_us;
    if (ahead_us <= CLOCK_AHEAD_US + guard->allowance_us) {
        guard->trial_left_us = 0;
        if (ahead_us > CLOCK_AHEAD_US)
            guard->allowance_us -= ahead_us - CLOCK_AHEAD_US;
        if (ahead_us > 0)
            guard->trusted_us = guard->utc_us;
    } else if (guard->trial_left_us == 0) {
        guard->trial_left_us = CLOCK_TRIAL_US;
    }
}

void clock_guard_init(struct clock_guard *guard, const struct clock *clock, int64_t retention_us)
{
    *guard = (struct clock_guard){
        .utc_us = clock_utc_us(clock),
        .monotonic_us = clock_monotonic_us(clock),
        .allowance_us = CLOCK_OFF_ALLOWANCE_US,
    };
    guard->trusted_us = guard->utc_us;
    if (retention_us > 0 && retention_us / 4 < guard->allowance_us)
        guard->allowance_us = retention_us / 4;
}

void clock_guard_inform(struct clock_guard *guard, int64_t trusted_us, int64_t trial_left_us)
{
    if (trusted_us == INT64_MIN)
        return;
    guard->trusted_us = trusted_us;
    guard->trial_left_us = trial_left_us;
    judge(guard);
}

int64_t clock_guard_tick(struct clock_guard *guard, const struct clock *clock)
{
    int64_t utc_us = clock_utc_us(clock);
    int64_t monotonic_us = clock_monotonic_us(clock);
    int64_t passed_us = monotonic_us - guard->monotonic_us;
    int64_t jump_us = utc_us - guard->utc_us - passed_us;
    guard->utc_us = utc_us;
    guard->monotonic_us = monotonic_us;
    guard->trusted_us += passed_us;
    if (jump_us > -CLOCK_JUMP_US && jump_us < CLOCK_JUMP_US)
        jump_us = 0;
    if (jump_us != 0) {
        guard->jumps++;
        guard->last_jump_us = jump_us;
        guard->jumped_at_monotonic_us = monotonic_us;
    }
    if (guard->trial_left_us > 0) {
        guard->trial_left_us -= passed_us;
        if (jump_us > CLOCK_AHEAD_US) /* not steady: it begins again */
            guard->trial_left_us = CLOCK_TRIAL_US;
        else if (guard->trial_left_us <= 0)
            guard->trusted_us = utc_us; /* it has proved itself */
    }
    if (guard->trial_left_us < 0)
        guard->trial_left_us = 0;
    judge(guard);
    return jump_us;
}

bool clock_guard_is_sure(const struct clock_guard *guard)
{
    return guard->trial_left_us == 0;
}

bool clock_guard_has_jumped(const struct clock_guard *guard)
{
    return guard->trial_left_us > 0 ||
           (guard->jumps > 0 && guard->monotonic_us - guard->jumped_at_monotonic_us < CLOCK_AHEAD_US);
}
