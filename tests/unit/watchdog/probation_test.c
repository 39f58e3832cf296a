#include "watchdog/probation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/clock.h"

enum { NEED_S = 30 };

static const struct probation_sight well = {.running = true, .answering = true};
static const struct probation_sight ill = {.running = true, .what_is_wrong = "portal does not answer"};

static enum probation_verdict look(struct probation *probation, const struct probation_sight *sight,
                                   int64_t s)
{
    return probation_look(probation, sight, s * US_PER_S);
}

static void health_in_one_piece_passes(void **state)
{
    (void)state;
    struct probation probation;
    probation_begin(&probation, NEED_S, 0);
    assert_int_equal(look(&probation, &ill, 5), PROBATION_GOES_ON);
    for (int64_t s = 6; s < 6 + NEED_S; s++)
        assert_int_equal(look(&probation, &well, s), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &well, 6 + NEED_S), PROBATION_PASSED);
    assert_int_equal(look(&probation, &ill, 100), PROBATION_PASSED);
}

static void a_break_begins_the_count_anew(void **state)
{
    (void)state;
    struct probation probation;
    probation_begin(&probation, NEED_S, 0);
    assert_int_equal(look(&probation, &well, 1), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &ill, 20), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &well, 21), PROBATION_GOES_ON);
    probation_fall(&probation, "portal", "exit 1");
    assert_int_equal(look(&probation, &well, 31), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &well, 60), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &well, 61), PROBATION_PASSED);
}

static void what_is_never_well_fails_at_the_deadline(void **state)
{
    (void)state;
    struct probation probation;
    probation_begin(&probation, NEED_S, 0);
    assert_int_equal(look(&probation, &ill, 2 * NEED_S + PROBATION_GRACE_S - 1), PROBATION_GOES_ON);
    assert_int_equal(look(&probation, &ill, 2 * NEED_S + PROBATION_GRACE_S), PROBATION_FAILED);
    assert_string_equal(probation.reason, "not_healthy");
    assert_string_equal(probation.text, "it was never well for 30 s in one piece: portal does not answer");
}

static void three_falls_fail_at_once(void **state)
{
    (void)state;
    struct probation probation;
    probation_begin(&probation, NEED_S, 0);
    probation_fall(&probation, "portal", "exit 1");
    probation_fall(&probation, "agent", "exit 1");
    assert_int_equal(look(&probation, &well, 2), PROBATION_GOES_ON);
    probation_fall(&probation, "portal", "signal 11");
    assert_int_equal(look(&probation, &well, 3), PROBATION_FAILED);
    assert_string_equal(probation.reason, "service_ended");
    assert_int_equal(look(&probation, &well, 300), PROBATION_FAILED);
}

static void another_version_fails_at_once(void **state)
{
    (void)state;
    struct probation probation;
    probation_begin(&probation, NEED_S, 0);
    probation_wrong_version(&probation, "agent", "1.1.9", "1.2.0");
    assert_int_equal(look(&probation, &well, 1), PROBATION_FAILED);
    assert_string_equal(probation.reason, "wrong_version");
    assert_string_equal(probation.text, "agent says that it is version 1.1.9, not 1.2.0");
}

static void off_probation_nothing_counts(void **state)
{
    (void)state;
    struct probation probation = {.on = false};
    probation_fall(&probation, "portal", "exit 1");
    probation_wrong_version(&probation, "agent", "1", "2");
    assert_int_equal(look(&probation, &ill, 1000), PROBATION_GOES_ON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_in_one_piece_passes),
        cmocka_unit_test(a_break_begins_the_count_anew),
        cmocka_unit_test(what_is_never_well_fails_at_the_deadline),
        cmocka_unit_test(three_falls_fail_at_once),
        cmocka_unit_test(another_version_fails_at_once),
        cmocka_unit_test(off_probation_nothing_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
