#include "watchdog/approval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *at(const char *setting, int hour, int minute)
{
    struct tm local = {.tm_hour = hour, .tm_min = minute};
    const char *who = approval_now(setting, &local);
    return who == NULL ? "nobody" : who;
}

static void the_operator_alone_unless_it_is_said(void **state)
{
    (void)state;
    static const char *const settings[] = {"operator",
                                           "",
                                           "Auto",
                                           "window",
                                           "window 1:00-02:00",
                                           "window 01:00",
                                           "window 22:00-24:00",
                                           "window 01:60-02:00",
                                           "window 02:00-02:00"};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        assert_string_equal(at(settings[i], 1, 30), "nobody");
        assert_false(approval_waits_for_time(settings[i]));
    }
    assert_string_equal(at("auto", 1, 30), "auto");
}

static void a_window_is_open_from_its_first_minute_to_before_its_last(void **state)
{
    (void)state;
    static const char setting[] = "window 02:30-04:00";
    assert_true(approval_waits_for_time(setting));
    assert_string_equal(at(setting, 2, 29), "nobody");
    assert_string_equal(at(setting, 2, 30), "window");
    assert_string_equal(at(setting, 3, 59), "window");
    assert_string_equal(at(setting, 4, 0), "nobody");
}

static void a_window_may_go_over_midnight(void **state)
{
    (void)state;
    static const char setting[] = "window 23:00-01:00";
    assert_string_equal(at(setting, 22, 59), "nobody");
    assert_string_equal(at(setting, 23, 0), "window");
    assert_string_equal(at(setting, 0, 59), "window");
    assert_string_equal(at(setting, 1, 0), "nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operator_alone_unless_it_is_said),
        cmocka_unit_test(a_window_is_open_from_its_first_minute_to_before_its_last),
        cmocka_unit_test(a_window_may_go_over_midnight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
