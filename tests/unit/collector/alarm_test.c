#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collector/alarm.h"
#include "common/base/text.h"

static void limits_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    const struct {
        double low, high, hysteresis;
        const char *expected; /* NULL: fine */
    } table[] = {
        {NAN, NAN, 0, NULL},
        {NAN, 100, 0, NULL},
        {NAN, 100, 1000, NULL},
        {10, NAN, 5, NULL},
        {-10, 10, 19.9, NULL},
        {-10, 10, 20, "less behind hysteresis="},
        {-10, 10, 21, "less behind hysteresis="},
        {10, 10, 0, "alarm_low= below alarm_high="},
        {11, 10, 0, "alarm_low= below alarm_high="},
        {10, 20, -0.5, "0 or more behind hysteresis="},
        {NAN, NAN, -1, "0 or more behind hysteresis="},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct alarm_limits limits = {{table[i].low, table[i].high}, table[i].hysteresis, ALARM_INFO};
        struct error err = {0};
        assert_int_equal(alarm_limits_check(&limits, &err), table[i].expected == NULL);
        assert_int_equal(err.code, table[i].expected == NULL ? ERR_NONE : ERR_USAGE);
        if (table[i].expected != NULL)
            assert_non_null(strstr(err.text, table[i].expected));
    }
}

static void a_value_raises_at_its_limit_and_ends_behind_the_hysteresis(void **state)
{
    (void)state;
    const struct alarm_limits limits = {{-5, 100}, 2, ALARM_WARNING};
    const struct {
        double value;
        bool raises_high, ends_high, raises_low, ends_low;
    } table[] = {
        {101, true, false, false, true},     {100, true, false, false, true},
        {99.999, false, false, false, true}, {98, false, false, false, true},
        {97.999, false, true, false, true},  {-2.999, false, true, false, true},
        {-3, false, true, false, false},     {-4.999, false, true, false, false},
        {-5, false, true, true, false},      {-6, false, true, true, false},
        {NAN, false, false, false, false},
    };
    const struct alarm_limits none = alarm_limits_none();
    assert_false(alarm_limits_any(&none));
    assert_true(alarm_limits_any(&limits));
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(alarm_raises(&limits, ALARM_HIGH, table[i].value), table[i].raises_high);
        assert_int_equal(alarm_ends(&limits, ALARM_HIGH, table[i].value), table[i].ends_high);
        assert_int_equal(alarm_raises(&limits, ALARM_LOW, table[i].value), table[i].raises_low);
        assert_int_equal(alarm_ends(&limits, ALARM_LOW, table[i].value), table[i].ends_low);
        assert_false(alarm_raises(&none, ALARM_HIGH, table[i].value));
        assert_false(alarm_raises(&none, ALARM_LOW, table[i].value));
    }
}

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    enum alarm_severity severity = ALARM_CRITICAL;
    enum alarm_side side = ALARM_HIGH;
    for (int i = 0; i < ALARM_SEVERITIES; i++) {
        assert_true(alarm_severity_parse(view_of(alarm_severity_name((enum alarm_severity)i)), &severity));
        assert_int_equal(severity, i);
    }
    assert_string_equal(alarm_severity_name(ALARM_WARNING), "warning");
    assert_false(alarm_severity_parse(view_of("Warning"), &severity));
    assert_false(alarm_severity_parse(view_of(""), &severity));
    for (int i = 0; i < ALARM_SIDES; i++) {
        assert_true(alarm_side_parse(view_of(alarm_side_name((enum alarm_side)i)), &side));
        assert_int_equal(side, i);
    }
    assert_false(alarm_side_parse(view_of("middle"), &side));
}

static void a_message_says_the_value_and_the_limit(void **state)
{
    (void)state;
    const struct {
        const char *name, *unit;
        double low, high, value;
        enum alarm_side side;
        const char *message;
    } table[] = {
        {"engine_temp", "°C", NAN, 100, 104.2, ALARM_HIGH,
         "engine_temp is 104.2 °C, above its limit of 100 °C"},
        {"engine_temp", "°C", NAN, 100, 104.19999999999999, ALARM_HIGH,
         "engine_temp is 104.2 °C, above its limit of 100 °C"},
        {"engine_temp", "°C", NAN, 100, 100, ALARM_HIGH, "engine_temp is 100 °C, at its limit of 100 °C"},
        {"fuel", "", 0.1, NAN, -0.05, ALARM_LOW, "fuel is -0.05, below its limit of 0.1"},
        {"gas", "ppm", NAN, 1e6, 123456789012, ALARM_HIGH,
         "gas is 123456789000 ppm, above its limit of 1000000 ppm"},
        {"level", "m", 2, NAN, NAN, ALARM_LOW, "level is below its limit of 2 m"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct store_channel channel = {0};
        char message[STORE_MESSAGE_BYTES];
        const struct alarm_limits limits = {{table[i].low, table[i].high}, 0, ALARM_INFO};
        assert_true(text_copy(channel.name, sizeof(channel.name), view_of(table[i].name)));
        assert_true(text_copy(channel.unit, sizeof(channel.unit), view_of(table[i].unit)));
        alarm_message(message, &channel, &limits, table[i].side, table[i].value);
        assert_string_equal(message, table[i].message);
    }
}

static void the_longest_message_is_whole_without_its_unit(void **state)
{
    (void)state;
    struct store_channel channel = {0};
    char message[STORE_MESSAGE_BYTES];
    const struct alarm_limits limits = {{NAN, -1.234567891e-300}, 0, ALARM_INFO};
    memset(channel.name, 'n', sizeof(channel.name) - 1);
    for (size_t i = 0; i + 2 < sizeof(channel.unit); i += 2)
        memcpy(channel.unit + i, "°", 2);
    alarm_message(message, &channel, &limits, ALARM_HIGH, -1.234567890e-300);
    assert_true(text_is_utf8(view_of(message)));
    assert_non_null(strstr(message, "above its limit of -1.234567891e-300"));
    assert_null(strstr(message, "°"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_that_make_no_sense_are_refused),
        cmocka_unit_test(a_value_raises_at_its_limit_and_ends_behind_the_hysteresis),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(a_message_says_the_value_and_the_limit),
        cmocka_unit_test(the_longest_message_is_whole_without_its_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
