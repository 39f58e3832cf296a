#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/decimal.h"

enum { RANDOM_DOUBLES = 1000000 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Writes, reads with strtod and with our own reader, and compares the length with printf's shortest. */
static void assert_round_trip(double value)
{
    char text[DECIMAL_MAX_BYTES + 1];
    size_t size = decimal_write(text, value);
    assert_true(size <= DECIMAL_MAX_BYTES);
    text[size] = '\0';
    double again = 0;
    if (!same_double(strtod(text, NULL), value) || !decimal_parse((struct view){text, size}, &again) ||
        !same_double(again, value))
        fail_msg("%a was written as %s", value, text);
}

static size_t significant_digits(const char *text)
{
    size_t digits = 0;
    size_t zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0' && digits > 0)
            zeros++;
        if (*text >= '1' && *text <= '9') {
            digits += zeros + 1;
            zeros = 0;
        }
    }
    return digits;
}

static void assert_shortest(double value)
{
    char text[DECIMAL_MAX_BYTES + 1];
    text[decimal_write(text, value)] = '\0';
    char shortest[64];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(shortest, sizeof(shortest), "%.*e", digits - 1, value);
        if (strtod(shortest, NULL) == value)
            break;
    }
    if (significant_digits(text) > significant_digits(shortest))
        fail_msg("%s could be %s", text, shortest);
}

static void assert_writes(double value, const char *expected)
{
    char text[DECIMAL_MAX_BYTES + 1];
    text[decimal_write(text, value)] = '\0';
    assert_string_equal(text, expected);
}

static void writes_what_people_expect(void **state)
{
    (void)state;
    assert_writes(0, "0");
    assert_writes(-0.0, "-0.0");
    assert_writes(1523.25, "1523.25");
    assert_writes(-40, "-40");
    assert_writes(0.1, "0.1");
    assert_writes(-0.001, "-0.001");
    assert_writes(0.000001, "0.000001");
    assert_writes(49.842158, "49.842158");
    assert_writes(9007199254740991.0, "9007199254740991");
    assert_writes(0.1 + 0.2, "0.30000000000000004");
    assert_writes(1.0 / 3, "0.3333333333333333");
    assert_writes(0.00001, "0.00001");
    assert_writes(123456789.12345678, "123456789.12345678");
    assert_writes(DBL_MAX, "1.7976931348623157e+308");
    assert_writes(DBL_TRUE_MIN, "5e-324");
    assert_writes(NAN, "null");
    assert_writes(INFINITY, "null");
    assert_writes(-INFINITY, "null");
}

static void corner_cases_round_trip(void **state)
{
    (void)state;
    static const double values[] = {0.0,
                                    1e308,
                                    DBL_MAX,
                                    DBL_MIN,
                                    DBL_TRUE_MIN,
                                    1e-5,
                                    9.999999e-6,
                                    9007199254740992.0,
                                    9007199254740993.0,
                                    4503599627370496.5,
                                    4503599627370495.5,
                                    0.9999999999999999,
                                    1e15,
                                    1e16,
                                    1e17,
                                    1e22,
                                    1e23,
                                    5e-324,
                                    2.2250738585072011e-308};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        for (int step = 0; step < 3; step++) {
            double value = step == 0 ? values[i] : nextafter(values[i], step == 1 ? 0 : DBL_MAX);
            assert_round_trip(value);
            assert_round_trip(-value);
        }
    }
    for (int exponent = -1074; exponent < 1024; exponent++) {
        assert_round_trip(ldexp(1, exponent));
        assert_round_trip(nextafter(ldexp(1, exponent), 0));
        assert_shortest(nextafter(ldexp(1, exponent), DBL_MAX));
    }
}

static void random_doubles_round_trip(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < RANDOM_DOUBLES; i++) {
        double any = double_of(next_random(&random));
        if (isfinite(any))
            assert_round_trip(any);
        /* the range of real readings: 2^-20 to 2^60 */
        uint64_t exponent = 1003 + next_random(&random) % 80;
        assert_round_trip(double_of(exponent << 52 | next_random(&random) >> 12));
        assert_round_trip((double)(int64_t)(next_random(&random) >> 30) / 1000);
        assert_round_trip((double)(int64_t)(next_random(&random) >> 20) / 1e6);
    }
}

static void random_doubles_are_shortest(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < RANDOM_DOUBLES / 10; i++) {
        uint64_t exponent = 1003 + next_random(&random) % 72;
        assert_shortest(double_of(exponent << 52 | next_random(&random) >> 12));
        assert_shortest((double)(next_random(&random) >> 44) / 1e5);
        assert_shortest((float)(next_random(&random) >> 44) / 1e7F);
    }
}

/* As many digits as a text likes to have, close to the middle between two doubles too. */
static void reads_as_strtod_does(void **state)
{
    (void)state;
    uint64_t random = 42;
    for (int i = 0; i < RANDOM_DOUBLES; i++) {
        char text[64];
        uint64_t digits = next_random(&random) >> next_random(&random) % 12;
        int decimals = (int)(next_random(&random) % 20);
        int size = snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(digits >> 40),
                            decimals + 1, (unsigned long long)(digits & 0xffffffffffU));
        double value = 0;
        assert_true(decimal_parse((struct view){text, (size_t)size}, &value));
        if (!same_double(value, strtod(text, NULL)))
            fail_msg("%s was read as %a", text, value);
    }
    static const char *const halves[] = {
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740995",
        "9007199254740993.00001",
        "4503599627370496.25",
        "4503599627370496.75",
        "4503599627370497.25",
        "18014398509481985.9",
        "9999999999999999999",
        "1.0000000000000002",
        "1.00000000000000011",
        "0.00000000000000000000000000000",
        "2.5e-324",
        "2.4e-324",
        "1e-400",
        "1.7976931348623158e308",
        "1E5",
        "1e+5",
        "1.5e-7",
        "-0",
        "-0.0",
        "0e9",
        "123456789012345678901234567890",
    };
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        double value = 1;
        assert_true(decimal_parse(view_of(halves[i]), &value));
        if (!same_double(value, strtod(halves[i], NULL)))
            fail_msg("%s was read as %a", halves[i], value);
    }
}

static void refuses_what_is_no_json_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "-",    "+1",    "01",       "-01", ".5",    "1.",   "1.e5",
                                        "1e",  "1e+",  "0x1",   "nan",      "inf", "1 ",    " 1",   "1,5",
                                        "--1", "1e5.", "1e999", "Infinity", "1_0", "1e1e1", "1.2.3"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        double value = 77;
        if (decimal_parse(view_of(texts[i]), &value))
            fail_msg("\"%s\" was taken for a number", texts[i]);
        assert_true(value == 77);
    }
    char long_text[DECIMAL_PARSE_MAX_BYTES + 1];
    memset(long_text, '1', sizeof(long_text));
    double value;
    assert_false(decimal_parse((struct view){long_text, sizeof(long_text)}, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_people_expect), cmocka_unit_test(corner_cases_round_trip),
        cmocka_unit_test(random_doubles_round_trip), cmocka_unit_test(random_doubles_are_shortest),
        cmocka_unit_test(reads_as_strtod_does),      cmocka_unit_test(refuses_what_is_no_json_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
