#include "collector/exec_machine.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

enum { EXIT_3 = 3 << 8, KILLED = 9 };
#define S(seconds) ((seconds) * (int64_t)US_PER_S)

static struct exec_machine once(void)
{
    return (struct exec_machine){.mode = EXEC_ONCE, .interval_us = S(10), .timeout_us = S(5)};
}

static struct exec_machine stream(void)
{
    return (struct exec_machine){.mode = EXEC_STREAM, .interval_us = S(10), .timeout_us = S(5)};
}

static void a_command_runs_each_interval(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = once();
    int starts = 0;
    for (int second = 0; second < 35; second++) {
        if (exec_machine_tick(&machine, S(second), second == 0 ? 0 : S(1), false) != EXEC_DO_START)
            continue;
        assert_int_equal(second, starts++ * 10);
        exec_machine_begun(&machine, S(second));
        assert_true(exec_machine_ended(&machine, 0, "", &err));
    }
    assert_int_equal(starts, 4);
}

static void a_run_longer_than_its_interval_is_not_overtaken(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = once();
    machine.timeout_us = S(100);
    assert_int_equal(exec_machine_tick(&machine, 0, 0, false), EXEC_DO_START);
    exec_machine_begun(&machine, 0);
    for (int second = 1; second < 25; second++)
        assert_int_equal(exec_machine_tick(&machine, S(second), S(1), false), EXEC_DO_NOTHING);
    assert_true(exec_machine_ended(&machine, 0, "", &err));
    assert_int_equal(exec_machine_tick(&machine, S(25), S(1), false), EXEC_DO_START);
}

static void a_slow_run_is_ended_once_and_is_a_failure(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = once();
    exec_machine_begun(&machine, S(100));
    exec_machine_heard(&machine, S(104)); /* words do not help a run that should end */
    assert_int_equal(exec_machine_tick(&machine, S(104), S(1), false), EXEC_DO_NOTHING);
    assert_int_equal(exec_machine_tick(&machine, S(105), S(1), false), EXEC_DO_END);
    assert_int_equal(exec_machine_tick(&machine, S(106), S(1), false), EXEC_DO_NOTHING);
    assert_false(exec_machine_ended(&machine, 0, "patience", &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_string_equal(err.text, "it took longer than 5000 ms and was ended: patience");
}

static void time_stands_still_while_it_is_not_read(void **state)
{
    (void)state;
    struct exec_machine machine = once();
    exec_machine_begun(&machine, S(100));
    exec_machine_held(&machine, S(104));
    assert_int_equal(exec_machine_tick(&machine, S(108), S(1), false), EXEC_DO_NOTHING);
    assert_int_equal(exec_machine_tick(&machine, S(109), S(1), false), EXEC_DO_END);
}

static void a_failure_says_how_and_is_tried_again_when_asked(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = once();
    exec_machine_begun(&machine, 0);
    assert_false(exec_machine_ended(&machine, EXIT_3, "no such sensor", &err));
    assert_string_equal(err.text, "it ended with exit 3: no such sensor");
    assert_int_equal(exec_machine_tick(&machine, S(1), S(1), false), EXEC_DO_NOTHING);
    assert_int_equal(exec_machine_tick(&machine, S(2), S(1), true), EXEC_DO_START);
    exec_machine_begun(&machine, S(2));
    assert_false(exec_machine_ended(&machine, KILLED, "", &err));
    assert_string_equal(err.text, "it ended with signal 9 (Killed)");
}

static void what_is_not_known_yet_is_not_settled(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = once();
    assert_true(exec_machine_is_settled(&machine));
    exec_machine_begun(&machine, 0);
    assert_false(exec_machine_is_settled(&machine));
    assert_true(exec_machine_ended(&machine, 0, "", &err));
    exec_machine_begun(&machine, S(10)); /* the last one was good: this one is believed in */
    assert_true(exec_machine_is_settled(&machine));
    assert_false(exec_machine_ended(&machine, EXIT_3, "", &err));
    assert_true(exec_machine_is_settled(&machine));
    exec_machine_begun(&machine, S(20));
    assert_false(exec_machine_is_settled(&machine));
    exec_machine_not_begun(&machine);
    assert_true(exec_machine_is_settled(&machine));
}

static void a_stream_is_good_while_it_speaks_and_its_end_is_a_failure(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = stream();
    assert_int_equal(exec_machine_tick(&machine, 0, 0, false), EXEC_DO_START);
    exec_machine_begun(&machine, 0);
    assert_false(exec_machine_is_settled(&machine));
    for (int second = 0; second < 60; second += 4) {
        assert_int_equal(exec_machine_tick(&machine, S(second), S(4), false), EXEC_DO_NOTHING);
        exec_machine_heard(&machine, S(second));
        assert_true(exec_machine_is_settled(&machine));
    }
    assert_false(exec_machine_ended(&machine, 0, "", &err));
    assert_string_equal(err.text, "it ended with exit 0");
}

static void a_stream_that_falls_silent_is_ended(void **state)
{
    (void)state;
    struct error err;
    struct exec_machine machine = stream();
    exec_machine_begun(&machine, 0);
    exec_machine_heard(&machine, S(8));
    assert_int_equal(exec_machine_tick(&machine, S(12), S(4), false), EXEC_DO_NOTHING);
    assert_int_equal(exec_machine_tick(&machine, S(13), S(1), false), EXEC_DO_END);
    exec_machine_heard(&machine, S(14)); /* too late */
    assert_false(exec_machine_ended(&machine, KILLED, "", &err));
    assert_string_equal(err.text, "it said nothing for 5000 ms and was ended");
    machine.timeout_us = 0; /* none */
    exec_machine_begun(&machine, S(20));
    assert_int_equal(exec_machine_tick(&machine, S(20000), S(1), false), EXEC_DO_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_runs_each_interval),
        cmocka_unit_test(a_run_longer_than_its_interval_is_not_overtaken),
        cmocka_unit_test(a_slow_run_is_ended_once_and_is_a_failure),
        cmocka_unit_test(time_stands_still_while_it_is_not_read),
        cmocka_unit_test(a_failure_says_how_and_is_tried_again_when_asked),
        cmocka_unit_test(what_is_not_known_yet_is_not_settled),
        cmocka_unit_test(a_stream_is_good_while_it_speaks_and_its_end_is_a_failure),
        cmocka_unit_test(a_stream_that_falls_silent_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
