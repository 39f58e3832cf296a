#include "watchdog/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/attr.h"

enum { SECOND_MS = 1000, HOUR_MS = 3600 * 1000, NIGHT_MS = 8 * HOUR_MS };

struct case_state {
    struct clock_fake clock;
    struct service_machine machine;
};

static int set_up(void **state)
{
    static struct case_state one;
    clock_fake_init(&one.clock, 1000 * (int64_t)US_PER_S, 50 * (int64_t)US_PER_S);
    supervisor_init(&one.machine, &one.clock.clock);
    *state = &one;
    return 0;
}

static enum service_action step(struct case_state *one, enum service_event event)
{
    return supervisor_step(&one->machine, event, &one->clock.clock);
}

static void pass_ms(struct case_state *one, int64_t ms)
{
    clock_fake_advance(&one->clock, ms * US_PER_MS);
}

static void to_running(struct case_state *one)
{
    assert_int_equal(step(one, SERVICE_START), SERVICE_DO_SPAWN);
    assert_int_equal(step(one, SERVICE_READY), SERVICE_DO_NOTHING);
    assert_int_equal(one->machine.state, SERVICE_RUNNING);
}

static void starts_and_stops(void **state)
{
    struct case_state *one = *state;
    assert_int_equal(one->machine.state, SERVICE_STOPPED);
    to_running(one);
    pass_ms(one, 5000);
    assert_int_equal(step(one, SERVICE_STOP), SERVICE_DO_ASK);
    assert_int_equal(one->machine.since_utc_us, 1005 * (int64_t)US_PER_S);
    assert_int_equal(step(one, SERVICE_STOP), SERVICE_DO_NOTHING);
    assert_int_equal(step(one, SERVICE_ENDED), SERVICE_DO_NOTHING);
    assert_int_equal(one->machine.state, SERVICE_STOPPED);
    assert_int_equal(one->machine.deadline_us, SERVICE_NEVER);
    assert_int_equal(one->machine.restarts, 0);
}

/* Ends right after each start: 1, 2, 4 ... 60, 60 s between. */
static void backs_off_up_to_a_minute(void **state)
{
    struct case_state *one = *state;
    static const int expected_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    assert_int_equal(step(one, SERVICE_START), SERVICE_DO_SPAWN);
    for (size_t i = 0; i < COUNT_OF(expected_s); i++) {
        assert_int_equal(step(one, SERVICE_ENDED), SERVICE_DO_NOTHING);
        assert_int_equal(one->machine.state, SERVICE_WAITING);
        pass_ms(one, expected_s[i] * 1000 - 1);
        assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
        pass_ms(one, 1);
        assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_SPAWN);
        assert_int_equal(one->machine.restarts, i + 1);
    }
}

static void a_minute_of_health_resets_the_back_off(void **state)
{
    struct case_state *one = *state;
    to_running(one);
    for (int i = 0; i < 4; i++) {
        (void)!step(one, SERVICE_ENDED);
        pass_ms(one, 60000);
        assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_SPAWN);
        (void)!step(one, SERVICE_READY);
    }
    pass_ms(one, (int64_t)SERVICE_HEALTHY_S * SECOND_MS);
    (void)!step(one, SERVICE_ENDED);
    pass_ms(one, 1000);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_SPAWN);
}

static void two_missed_beats_are_a_hang(void **state)
{
    struct case_state *one = *state;
    to_running(one);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step(one, SERVICE_BEAT), SERVICE_DO_NOTHING);
        pass_ms(one, 5000);
        assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
    }
    pass_ms(one, 4999);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
    pass_ms(one, 1);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
    assert_int_equal(one->machine.state, SERVICE_HUNG);
    /* it does not go at once (D state): killed again later */
    assert_int_equal(step(one, SERVICE_BEAT), SERVICE_DO_NOTHING);
    pass_ms(one, 10000);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
    assert_int_equal(step(one, SERVICE_ENDED), SERVICE_DO_NOTHING);
    assert_int_equal(one->machine.state, SERVICE_WAITING);
}

static void who_never_beat_is_not_hung(void **state)
{
    struct case_state *one = *state;
    to_running(one);
    pass_ms(one, HOUR_MS);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
    assert_int_equal(one->machine.state, SERVICE_RUNNING);
}

static void a_beat_before_ready_counts(void **state)
{
    struct case_state *one = *state;
    (void)!step(one, SERVICE_START);
    (void)!step(one, SERVICE_BEAT);
    (void)!step(one, SERVICE_READY);
    pass_ms(one, 10000);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
}

/* After a suspend the first thing that happens is our timer. */
static void a_machine_that_slept_hangs_nobody(void **state)
{
    struct case_state *one = *state;
    to_running(one);
    (void)!step(one, SERVICE_BEAT);
    pass_ms(one, NIGHT_MS);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
    pass_ms(one, 10000);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
}

static void never_ready_is_a_hang(void **state)
{
    struct case_state *one = *state;
    (void)!step(one, SERVICE_START);
    pass_ms(one, (int64_t)SERVICE_START_TIMEOUT_S * SECOND_MS);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
    assert_int_equal(one->machine.state, SERVICE_HUNG);
}

static void who_does_not_stop_is_killed(void **state)
{
    struct case_state *one = *state;
    to_running(one);
    (void)!step(one, SERVICE_STOP);
    pass_ms(one, (int64_t)SERVICE_STOP_GRACE_S * SECOND_MS);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_KILL);
    assert_int_equal(one->machine.state, SERVICE_STOPPING);
    (void)!step(one, SERVICE_ENDED);
    assert_int_equal(one->machine.state, SERVICE_STOPPED);
}

static void a_stop_ends_the_waiting(void **state)
{
    struct case_state *one = *state;
    (void)!step(one, SERVICE_START);
    (void)!step(one, SERVICE_ENDED);
    assert_int_equal(step(one, SERVICE_STOP), SERVICE_DO_NOTHING);
    assert_int_equal(one->machine.state, SERVICE_STOPPED);
    pass_ms(one, 60000);
    assert_int_equal(step(one, SERVICE_EXPIRE), SERVICE_DO_NOTHING);
}

/* No state is left by an event that means nothing in it, and none has a deadline and no way out. */
static void every_pair_of_state_and_event_is_safe(void **state)
{
    struct case_state *one = *state;
    for (int from = SERVICE_STOPPED; from <= SERVICE_HUNG; from++) {
        for (int event = SERVICE_START; event <= SERVICE_EXPIRE; event++) {
            one->machine.state = (enum service_state)from;
            one->machine.deadline_us = SERVICE_NEVER;
            (void)!step(one, (enum service_event)event);
            assert_in_range(one->machine.state, SERVICE_STOPPED, SERVICE_HUNG);
            assert_non_null(supervisor_state_name(one->machine.state));
            if (event == SERVICE_EXPIRE)
                assert_int_equal(one->machine.state, from);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(starts_and_stops, set_up),
        cmocka_unit_test_setup(backs_off_up_to_a_minute, set_up),
        cmocka_unit_test_setup(a_minute_of_health_resets_the_back_off, set_up),
        cmocka_unit_test_setup(two_missed_beats_are_a_hang, set_up),
        cmocka_unit_test_setup(who_never_beat_is_not_hung, set_up),
        cmocka_unit_test_setup(a_beat_before_ready_counts, set_up),
        cmocka_unit_test_setup(a_machine_that_slept_hangs_nobody, set_up),
        cmocka_unit_test_setup(never_ready_is_a_hang, set_up),
        cmocka_unit_test_setup(who_does_not_stop_is_killed, set_up),
        cmocka_unit_test_setup(a_stop_ends_the_waiting, set_up),
        cmocka_unit_test_setup(every_pair_of_state_and_event_is_safe, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
