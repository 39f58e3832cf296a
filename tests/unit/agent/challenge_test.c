#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/challenge.h"

static void fresh_one_is_known(void **state)
{
    (void)state;
    struct clock_fake fake;
    clock_fake_init(&fake, 0, 5 * INT64_C(1000000));
    struct challenger challenger;
    challenger_init(&challenger, &fake.clock);
    char first[CHALLENGE_TEXT_BYTES], second[CHALLENGE_TEXT_BYTES];
    challenge_issue(&challenger, first);
    challenge_issue(&challenger, second);
    assert_string_not_equal(first, second);

    unsigned char bytes[64];
    size_t size;
    assert_true(text_base64_decode(view_of(first), bytes, sizeof(bytes), &size));
    assert_int_equal(size, 32);

    struct challenge_name a, b;
    assert_true(challenge_check(&challenger, view_of(first), &a));
    assert_true(challenge_check(&challenger, view_of(second), &b));
    assert_int_equal(a.issued_us, 5000000);
    assert_true(a.random != b.random);
}

static void lives_a_minute(void **state)
{
    (void)state;
    struct clock_fake fake;
    clock_fake_init(&fake, 0, 100);
    struct challenger challenger;
    challenger_init(&challenger, &fake.clock);
    char text[CHALLENGE_TEXT_BYTES];
    struct challenge_name name;
    challenge_issue(&challenger, text);
    clock_fake_advance(&fake, INT64_C(60000000));
    assert_true(challenge_check(&challenger, view_of(text), &name));
    clock_fake_advance(&fake, 1);
    assert_false(challenge_check(&challenger, view_of(text), &name));
}

static void any_changed_bit_is_refused(void **state)
{
    (void)state;
    struct challenger challenger;
    challenger_init(&challenger, clock_system());
    char text[CHALLENGE_TEXT_BYTES];
    unsigned char bytes[CHALLENGE_BYTES];
    size_t size;
    struct challenge_name name;
    challenge_issue(&challenger, text);
    assert_true(text_base64_decode(view_of(text), bytes, sizeof(bytes), &size));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        text_base64_encode(text, bytes, sizeof(bytes));
        assert_false(challenge_check(&challenger, view_of(text), &name));
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    text_base64_encode(text, bytes, sizeof(bytes));
    assert_true(challenge_check(&challenger, view_of(text), &name));
}

static void another_process_knows_nothing_of_it(void **state)
{
    (void)state;
    struct challenger ours, theirs;
    challenger_init(&ours, clock_system());
    challenger_init(&theirs, clock_system());
    char text[CHALLENGE_TEXT_BYTES];
    struct challenge_name name;
    challenge_issue(&theirs, text);
    assert_false(challenge_check(&ours, view_of(text), &name));
}

static void other_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "AAAA",
        "not base64",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", /* 31 bytes */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 33 bytes */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* 32 bytes that nobody issued */
    };
    struct challenger challenger;
    challenger_init(&challenger, clock_system());
    struct challenge_name name;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(challenge_check(&challenger, view_of(texts[i]), &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_one_is_known),         cmocka_unit_test(lives_a_minute),
        cmocka_unit_test(any_changed_bit_is_refused), cmocka_unit_test(another_process_knows_nothing_of_it),
        cmocka_unit_test(other_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
