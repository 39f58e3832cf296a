#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/rfc3339.h"

#define YEAR_0000_S     (-62167219200LL)
#define YEAR_9999_END_S 253402300799LL

static void assert_parses(const char *text, int64_t expected)
{
    int64_t value = 42;
    if (!rfc3339_parse_us(view_of(text), &value) || value != expected)
        fail_msg("%s: %lld, expected %lld", text, (long long)value, (long long)expected);
}

static void known_times(void **state)
{
    (void)state;
    assert_parses("1970-01-01T00:00:00Z", 0);
    assert_parses("1970-01-01T00:00:00.000001Z", 1);
    assert_parses("1969-12-31T23:59:59.999999Z", -1);
    assert_parses("2026-02-22T10:00:00Z", 1771754400 * (int64_t)US_PER_S);
    assert_parses("2038-01-19T03:14:08Z", 2147483648 * (int64_t)US_PER_S);
    assert_parses("2000-02-29T12:00:00Z", 951825600 * (int64_t)US_PER_S);
    assert_parses("0000-01-01T00:00:00Z", YEAR_0000_S * US_PER_S);
    assert_parses("9999-12-31T23:59:59.999999Z", YEAR_9999_END_S * US_PER_S + 999999);
}

static void examples_of_rfc_3339(void **state)
{
    (void)state;
    assert_parses("1985-04-12T23:20:50.52Z", 482196050520000);
    assert_parses("1996-12-19T16:39:57-08:00", 851042397000000);
    assert_parses("1996-12-20T00:39:57Z", 851042397000000);
    assert_parses("1937-01-01T12:00:27.87+00:20", -1041337172130000);
    assert_parses("1990-12-31T23:59:60Z", 662688000000000); /* a leap second */
    assert_parses("1990-12-31T15:59:60-08:00", 662688000000000);
}

static void fractions_and_offsets(void **state)
{
    (void)state;
    assert_parses("1970-01-01T00:00:00.1Z", 100000);
    assert_parses("1970-01-01T00:00:00.123456789Z", 123456);
    assert_parses("1970-01-01T00:00:00.000000999Z", 0);
    assert_parses("1970-01-01t00:00:01z", US_PER_S);
    assert_parses("1970-01-01T00:00:00-00:00", 0);
    assert_parses("1970-01-01T23:59:00+23:59", 0);
    assert_parses("1969-12-31T00:01:00-23:59", 0);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-02-22",
        "2026-02-22T10:00Z",
        "2026-02-22T10:00:00",
        "2026-02-22 10:00:00Z",
        "2026-02-22T10:00:00.Z",
        "2026-02-22T10:00:00,5Z",
        "2026-02-22T10:00:00.1234567890Z",
        "2026-02-22T10:00:00ZZ",
        "2026-02-22T10:00:00Z ",
        " 2026-02-22T10:00:00Z",
        "2026-2-22T10:00:00Z",
        "26-02-22T10:00:00Z",
        "+2026-02-22T10:00:00Z",
        "-026-02-22T10:00:00Z",
        "12026-02-22T10:00:00Z",
        "2026-00-22T10:00:00Z",
        "2026-13-22T10:00:00Z",
        "2026-02-00T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2024-02-30T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2026-04-31T10:00:00Z",
        "2026-01-32T10:00:00Z",
        "2026-02-22T24:00:00Z",
        "2026-02-22T10:60:00Z",
        "2026-02-22T10:00:61Z",
        "2026-02-22T10:00:00+1:00",
        "2026-02-22T10:00:00+0100",
        "2026-02-22T10:00:00+24:00",
        "2026-02-22T10:00:00+01:60",
        "2026-02-22T10:00:00+01",
        "2026-02-22T1a:00:00Z",
        "2026/02/22T10:00:00Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t value = 42;
        if (rfc3339_parse_us(view_of(bad[i]), &value))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(value, 42);
    }
    int64_t value;
    assert_false(rfc3339_parse_us(VIEW_LITERAL("2026-02-22T10:00:00\0"), &value));
    assert_false(rfc3339_parse_us(VIEW_LITERAL("2026\0002-22T10:00:00Z"), &value));
}

/* One character wrong at any place, and the fast reader refuses or agrees with the thorough one. */
static void the_fast_reader_is_as_strict(void **state)
{
    (void)state;
    static const char wrong[] = "0123456789-:.TtZz +\x80/;A";
    static const char right[] = "2024-02-29T23:59:59.000001Z";
    for (size_t i = 0; i + 1 < sizeof(right); i++) {
        for (size_t j = 0; j < sizeof(wrong); j++) {
            char text[sizeof(right)];
            memcpy(text, right, sizeof(right));
            text[i] = wrong[j]; /* the last one is NUL */
            int64_t fast = 42;
            int64_t thorough = 42;
            bool taken = rfc3339_parse_us((struct view){text, sizeof(text) - 1}, &thorough);
            if (!rfc3339_parse_own_us(text, &fast)) {
                assert_int_equal(fast, 42);
                continue;
            }
            assert_true(taken);
            assert_int_equal(fast, thorough);
        }
    }
    int64_t value = 42;
    assert_false(rfc3339_parse_own_us("2023-02-29T23:59:59.000001Z", &value));
    assert_false(rfc3339_parse_own_us("2023-00-01T23:59:59.000001Z", &value));
    assert_false(rfc3339_parse_own_us("2023-13-01T23:59:59.000001Z", &value));
    assert_int_equal(value, 42);
}

/* The C library is the second opinion. */
static void check_against_gmtime(int64_t second)
{
    time_t time = (time_t)second;
    struct tm tm;
    assert_non_null(gmtime_r(&time, &tm));
    char expected[64];
    char shown[RFC3339_US_BYTES];
    snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.123456Z", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    rfc3339_format_us(shown, second * US_PER_S + 123456);
    assert_string_equal(shown, expected);

    int64_t back;
    assert_true(rfc3339_parse_us(view_of(shown), &back));
    assert_int_equal(back, second * US_PER_S + 123456);

    back = 42;
    assert_true(rfc3339_parse_own_us(shown, &back));
    assert_int_equal(back, second * US_PER_S + 123456);

    char whole[RFC3339_S_BYTES];
    char name[RFC3339_NAME_BYTES];
    rfc3339_format_s(whole, second * US_PER_S + 999999);
    snprintf(expected + 19, sizeof(expected) - 19, "Z");
    assert_string_equal(whole, expected);
    rfc3339_format_name(name, second * US_PER_S);
    snprintf(expected, sizeof(expected), "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert_string_equal(name, expected);
}

static void round_trips_with_gmtime(void **state)
{
    (void)state;
    /* every day of 0000 to 9999, at a second that wanders through the day */
    for (int64_t day = 0; day * 86400 + YEAR_0000_S + 86399 <= YEAR_9999_END_S; day++)
        check_against_gmtime(YEAR_0000_S + day * 86400 + day * 7919 % 86400);
    /* every second around the turns of years, leap days and 1970 */
    static const int64_t turns[] = {0, 68169600, 951782400, 951868800, 4107542400, -2203891200, 1767225600};
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        for (int64_t second = -100; second < 100; second++)
            check_against_gmtime(turns[i] + second);
    }
    check_against_gmtime(YEAR_0000_S);
    check_against_gmtime(YEAR_9999_END_S);
}

static void times_out_of_range_are_the_nearest(void **state)
{
    (void)state;
    char shown[RFC3339_US_BYTES];
    rfc3339_format_us(shown, INT64_MAX);
    assert_string_equal(shown, "9999-12-31T23:59:59.999999Z");
    rfc3339_format_us(shown, INT64_MIN);
    assert_string_equal(shown, "0000-01-01T00:00:00.000000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times),
        cmocka_unit_test(examples_of_rfc_3339),
        cmocka_unit_test(fractions_and_offsets),
        cmocka_unit_test(refuses),
        cmocka_unit_test(the_fast_reader_is_as_strict),
        cmocka_unit_test(round_trips_with_gmtime),
        cmocka_unit_test(times_out_of_range_are_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
