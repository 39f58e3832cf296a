#include "common/crypto/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void uuids_are_version_4_and_differ(void **state)
{
    (void)state;
    char previous[UUID_TEXT_BYTES] = "";
    for (int i = 0; i < 1000; i++) {
        char uuid[UUID_TEXT_BYTES];
        random_uuid(uuid);
        assert_int_equal(strlen(uuid), UUID_TEXT_BYTES - 1);
        assert_int_equal(strspn(uuid, "0123456789abcdef-"), UUID_TEXT_BYTES - 1);
        assert_true(uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-');
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
        assert_string_not_equal(uuid, previous);
        memcpy(previous, uuid, sizeof(previous));
    }
}

static void digits_are_evenly_spread(void **state)
{
    (void)state;
    enum { DIGITS = 20000, EXPECTED = DIGITS / 10, SLACK = 300 }; /* seven standard deviations */
    static char digits[DIGITS + 1];
    random_digits(digits, DIGITS);
    assert_int_equal(strlen(digits), DIGITS);
    int seen[10] = {0};
    for (int i = 0; i < DIGITS; i++) {
        assert_in_range(digits[i], '0', '9');
        seen[digits[i] - '0']++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], EXPECTED - SLACK, EXPECTED + SLACK);
}

static void every_byte_is_filled(void **state)
{
    (void)state;
    unsigned char ored[300] = {0};
    for (int i = 0; i < 32; i++) {
        unsigned char piece[sizeof(ored)];
        memset(piece, 0, sizeof(piece));
        random_bytes(piece, sizeof(piece));
        for (size_t at = 0; at < sizeof(ored); at++)
            ored[at] |= piece[at];
    }
    for (size_t at = 0; at < sizeof(ored); at++)
        assert_int_not_equal(ored[at], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_are_version_4_and_differ),
        cmocka_unit_test(digits_are_evenly_spread),
        cmocka_unit_test(every_byte_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
