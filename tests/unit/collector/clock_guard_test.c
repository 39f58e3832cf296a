#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/clock_guard.h"

#define HOUR_US (3600 * INT64_C(1000000))
#define DAY_US  (24 * HOUR_US)
#define NOW_US  (INT64_C(1771754700) * 1000000)

static struct clock_guard guard_of(struct clock_fake *clock, int64_t trusted_us)
{
    struct clock_guard guard;
    clock_fake_init(clock, NOW_US, 5000 * INT64_C(1000000));
    clock_guard_init(&guard, &clock->clock, 30 * DAY_US);
    clock_guard_inform(&guard, trusted_us, 0);
    return guard;
}

/* Runs on for so long, a tick a minute. */
static void run_on(struct clock_guard *guard, struct clock_fake *clock, int64_t us)
{
    for (int64_t passed = 0; passed < us; passed += 60 * INT64_C(1000000)) {
        clock_fake_advance(clock, 60 * INT64_C(1000000));
        clock_guard_tick(guard, &clock->clock);
    }
}

static void jump(struct clock_fake *clock, int64_t us)
{
    clock->utc_us += us;
}

static void a_steady_clock_is_sure_and_has_no_jumps(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US - 60 * INT64_C(1000000));
    run_on(&guard, &clock, 3 * DAY_US);
    assert_true(clock_guard_is_sure(&guard));
    assert_int_equal(guard.jumps, 0);
    assert_false(clock_guard_has_jumped(&guard));
}

static void slewing_is_no_jump_and_a_step_either_way_is(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US);
    jump(&clock, 1500000);
    assert_int_equal(clock_guard_tick(&guard, &clock.clock), 0);
    jump(&clock, -5000000);
    assert_int_equal(clock_guard_tick(&guard, &clock.clock), -5000000);
    clock_fake_advance(&clock, 1000000);
    jump(&clock, 90000000);
    assert_int_equal(clock_guard_tick(&guard, &clock.clock), 90000000);
    assert_int_equal(guard.jumps, 2);
    assert_int_equal(guard.last_jump_us, 90000000);
    assert_true(clock_guard_has_jumped(&guard));
    assert_true(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 2 * HOUR_US);
    assert_false(clock_guard_has_jumped(&guard));
}

static void a_clock_gone_mad_is_on_trial_for_a_day(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US);
    run_on(&guard, &clock, HOUR_US);
    jump(&clock, 3650 * DAY_US);
    clock_guard_tick(&guard, &clock.clock);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 23 * HOUR_US);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 2 * HOUR_US);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_mad_clock_that_comes_back_is_sure_at_once(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US);
    jump(&clock, 3650 * DAY_US);
    clock_guard_tick(&guard, &clock.clock);
    assert_false(clock_guard_is_sure(&guard));
    jump(&clock, -3650 * DAY_US);
    clock_guard_tick(&guard, &clock.clock);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_trial_begins_again_with_every_new_jump_ahead(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US);
    jump(&clock, 100 * DAY_US);
    clock_guard_tick(&guard, &clock.clock);
    run_on(&guard, &clock, 23 * HOUR_US);
    jump(&clock, 100 * DAY_US);
    run_on(&guard, &clock, 2 * HOUR_US);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 23 * HOUR_US);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_trial_outlives_restarts_and_adds_up(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US - 400 * DAY_US);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 20 * HOUR_US);
    int64_t trusted_us = guard.trusted_us;
    int64_t left_us = guard.trial_left_us;
    clock_guard_init(&guard, &clock.clock, 30 * DAY_US);
    clock_guard_inform(&guard, trusted_us, left_us);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 3 * HOUR_US);
    assert_false(clock_guard_is_sure(&guard));
    run_on(&guard, &clock, 2 * HOUR_US);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_night_off_is_no_madness_but_only_once_a_run(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US - 12 * HOUR_US);
    assert_true(clock_guard_is_sure(&guard));
    jump(&clock, 20 * HOUR_US);
    clock_guard_tick(&guard, &clock.clock);
    assert_false(clock_guard_is_sure(&guard));
}

/* A board without a battery clock starts where it stopped, or in 1970, and is set by NTP a minute later. */
static void a_clock_that_is_set_after_the_start_is_believed(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, NOW_US - 10 * HOUR_US);
    jump(&clock, -56 * 365 * DAY_US);
    run_on(&guard, &clock, HOUR_US / 60);
    assert_true(clock_guard_is_sure(&guard));
    jump(&clock, 56 * 365 * DAY_US);
    run_on(&guard, &clock, HOUR_US / 60);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_first_run_trusts_its_clock(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard = guard_of(&clock, INT64_MIN);
    assert_true(clock_guard_is_sure(&guard));
}

static void a_short_retention_allows_less(void **state)
{
    (void)state;
    struct clock_fake clock;
    struct clock_guard guard;
    clock_fake_init(&clock, NOW_US, 0);
    clock_guard_init(&guard, &clock.clock, DAY_US);
    clock_guard_inform(&guard, NOW_US - 12 * HOUR_US, 0);
    assert_false(clock_guard_is_sure(&guard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_clock_is_sure_and_has_no_jumps),
        cmocka_unit_test(slewing_is_no_jump_and_a_step_either_way_is),
        cmocka_unit_test(a_clock_gone_mad_is_on_trial_for_a_day),
        cmocka_unit_test(a_mad_clock_that_comes_back_is_sure_at_once),
        cmocka_unit_test(a_trial_begins_again_with_every_new_jump_ahead),
        cmocka_unit_test(a_trial_outlives_restarts_and_adds_up),
        cmocka_unit_test(a_night_off_is_no_madness_but_only_once_a_run),
        cmocka_unit_test(a_clock_that_is_set_after_the_start_is_believed),
        cmocka_unit_test(a_first_run_trusts_its_clock),
        cmocka_unit_test(a_short_retention_allows_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
