#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

#define VIEW(literal) VIEW_LITERAL(literal)

/* ---- copies -------------------------------------------------------------------------------------------- */

static void copy_is_whole_or_nothing(void **state)
{
    (void)state;
    char out[4] = "old";
    assert_false(text_copy(out, sizeof(out), VIEW("four")));
    assert_string_equal(out, "old");
    assert_false(text_copy(out, sizeof(out), VIEW("a\0b")));
    assert_string_equal(out, "old");
    assert_false(text_copy(out, 0, VIEW("")));
    assert_true(text_copy(out, sizeof(out), VIEW("new")));
    assert_string_equal(out, "new");
    assert_true(text_copy(out, sizeof(out), (struct view){NULL, 0}));
    assert_string_equal(out, "");
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static void u64_takes_digits_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max, value;
    } good[] = {
        {"0", UINT64_MAX, 0},
        {"0", 0, 0},
        {"7", 7, 7},
        {"65535", 65535, 65535},
        {"00012", 12, 12},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX},
        {"9223372036854775808", UINT64_MAX, 9223372036854775808U},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint64_t value = 1;
        assert_true(text_parse_u64(view_of(good[i].text), good[i].max, &value));
        assert_int_equal(value, good[i].value);
    }
}

static void u64_refuses_everything_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
    } bad[] = {
        {"", UINT64_MAX},
        {" 1", UINT64_MAX},
        {"1 ", UINT64_MAX},
        {"+1", UINT64_MAX},
        {"-1", UINT64_MAX},
        {"-0", UINT64_MAX},
        {"0x1", UINT64_MAX},
        {"1e3", UINT64_MAX},
        {"1.0", UINT64_MAX},
        {"1,000", UINT64_MAX},
        {"8", 7},
        {"10", 9},
        {"65536", 65535},
        {"1", 0},
        {"\xd9\xa1", UINT64_MAX},
        {"100", 99},
        {"18446744073709551616", UINT64_MAX},
        {"99999999999999999999999", UINT64_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint64_t value = 42;
        assert_false(text_parse_u64(view_of(bad[i].text), bad[i].max, &value));
        assert_int_equal(value, 42);
    }
    uint64_t value = 42;
    assert_false(text_parse_u64(VIEW("1\0"), UINT64_MAX, &value));
}

static void i64_takes_a_minus(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min, max, value;
        bool ok;
    } table[] = {
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, true},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, true},
        {"-1", -1, 1, -1, true},
        {"-0", -1, 1, 0, true},
        {"1", 1, 65535, 1, true},
        {"0", 1, 65535, 0, false},
        {"65536", 1, 65535, 0, false},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 0, false},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, 0, false},
        {"-", INT64_MIN, INT64_MAX, 0, false},
        {"--1", INT64_MIN, INT64_MAX, 0, false},
        {"+1", INT64_MIN, INT64_MAX, 0, false},
        {"", INT64_MIN, INT64_MAX, 0, false},
        {"1-", INT64_MIN, INT64_MAX, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t value = 42;
        assert_int_equal(text_parse_i64(view_of(table[i].text), table[i].min, table[i].max, &value),
                         table[i].ok);
        assert_int_equal(value, table[i].ok ? table[i].value : 42);
    }
}

static void double_is_decimal_and_finite(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},  {"-1.5", -1.5}, {"1e3", 1000}, {"1E-2", 0.01},  {".5", 0.5},
                {"5.", 5}, {"+2", 2},      {"0.1", 0.1},  {"1e308", 1e308}};
    static const char *const bad[] = {"",   " 1", "1 ",  "inf",   "nan", "-inf", "0x10", "1e999", "1,5",
                                      "1e", "e5", "--1", "1.2.3", ".",   "-",    "1f",   "1_0",   "infinity"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        double value = 42;
        assert_true(text_parse_double(view_of(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        double value = 42;
        assert_false(text_parse_double(view_of(bad[i]), &value));
        assert_true(value == 42);
    }
}

/* A view ends where it ends, whatever stands behind it. */
static void numbers_do_not_read_on(void **state)
{
    (void)state;
    uint64_t whole;
    double real;
    assert_true(text_parse_u64((struct view){"1234", 2}, 99, &whole));
    assert_int_equal(whole, 12);
    assert_true(text_parse_double((struct view){"1.57", 3}, &real));
    assert_true(real == 1.5);
}

/* ---- cutting ------------------------------------------------------------------------------------------- */

static void trim_takes_blanks_and_tabs(void **state)
{
    (void)state;
    assert_true(view_is(text_trim(VIEW(" \t a b\t ")), "a b"));
    assert_true(view_is(text_trim(VIEW("a")), "a"));
    assert_true(view_is(text_trim(VIEW("\n")), "\n"));
    assert_int_equal(text_trim(VIEW(" \t ")).size, 0);
    assert_int_equal(text_trim((struct view){NULL, 0}).size, 0);
}

static void cut_walks_the_pieces(void **state)
{
    (void)state;
    struct view rest = VIEW("a,,bc,");
    assert_true(view_is(text_cut(&rest, ','), "a"));
    assert_true(view_is(text_cut(&rest, ','), ""));
    assert_true(view_is(text_cut(&rest, ','), "bc"));
    assert_int_equal(rest.size, 0);
    rest = VIEW("whole");
    assert_true(view_is(text_cut(&rest, ','), "whole"));
    assert_int_equal(rest.size, 0);
    assert_int_equal(text_cut(&rest, ',').size, 0);
}

/* ---- hex ----------------------------------------------------------------------------------------------- */

static void hex_both_ways(void **state)
{
    (void)state;
    unsigned char bytes[256];
    unsigned char back[256];
    char text[513];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    text_hex_encode(text, bytes, sizeof(bytes));
    assert_int_equal(strlen(text), 512);
    assert_int_equal(strncmp(text, "000102030405060708090a0b0c0d0e0f10", 34), 0);
    assert_true(text_hex_decode(view_of(text), back, sizeof(back)));
    assert_memory_equal(bytes, back, sizeof(bytes));
    assert_true(text_hex_decode(VIEW("aBcD"), back, 2));
    assert_int_equal(back[0], 0xab);
    assert_int_equal(back[1], 0xcd);
    text_hex_encode(text, bytes, 0);
    assert_string_equal(text, "");
}

static void hex_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a", "abc", "abcde", "abg0", "0x12", " abc", "ab c", "ab\xc3\xa4"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char out[3] = "zz";
        assert_false(text_hex_decode(view_of(bad[i]), out, 2));
        assert_string_equal(out, "zz");
    }
}

/* ---- base64 -------------------------------------------------------------------------------------------- */

static void base64_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char text[TEXT_BASE64_BYTES(6)];
        char back[6];
        size_t size = 99;
        text_base64_encode(text, table[i][0], strlen(table[i][0]));
        assert_string_equal(text, table[i][1]);
        assert_true(text_base64_decode(view_of(text), back, strlen(table[i][0]), &size));
        assert_int_equal(size, strlen(table[i][0]));
        assert_memory_equal(back, table[i][0], size);
    }
}

static void base64_of_every_byte_and_size(void **state)
{
    (void)state;
    unsigned char bytes[260];
    unsigned char back[260];
    char text[TEXT_BASE64_BYTES(260)];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(255 - i * 7);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        size_t decoded = 999;
        text_base64_encode(text, bytes, size);
        assert_int_equal(strlen(text) + 1, TEXT_BASE64_BYTES(size));
        assert_true(text_base64_decode(view_of(text), back, sizeof(back), &decoded));
        assert_int_equal(decoded, size);
        assert_memory_equal(back, bytes, size);
        if (size > 0)
            assert_false(text_base64_decode(view_of(text), back, size - 1, &decoded));
    }
}

static void base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",     "Zg",   "Zg=",    "Zm8",      "Zg==Zg==", /* padding in the middle */
        "Zh==",  "Zm9=",                                   /* unused bits that are not zero */
        "====",  "Z===", "=Zg=",   "Zg=a",     "Zm9v====", /* padding where none may be */
        "Zm 9v", " Zm9", "Zm9v\n", "Zm9v\r\n", "Zm9\n",    /* blanks */
        "Zm9-",  "Zm9_", "Zm9,",   "Zm9\x80",              /* another alphabet */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char out[16];
        size_t size = 42;
        assert_false(text_base64_decode(view_of(bad[i]), out, sizeof(out), &size));
        assert_int_equal(size, 42);
    }
    char out[16];
    size_t size;
    assert_false(text_base64_decode(VIEW("Zm\0v"), out, sizeof(out), &size));
}

/* ---- UTF-8 --------------------------------------------------------------------------------------------- */

static void utf8_takes_what_rfc_3629_takes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd1\x96\xd1\x82 \xe2\x82\xac \xf0\x9f\x9a\x9c",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(text_is_utf8(view_of(good[i])));
    assert_true(text_is_utf8(VIEW("a\0b")));
}

static void utf8_refuses_hostile_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf", /* continuation alone */
        "\xc0\x80",
        "\xc1\xbf", /* overlong, 2 bytes */
        "\xe0\x80\x80",
        "\xe0\x9f\xbf", /* overlong, 3 bytes */
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", /* overlong, 4 bytes */
        "\xed\xa0\x80",
        "\xed\xbf\xbf", /* surrogates */
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", /* above U+10FFFF */
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xff\xfe",
        "\xc2",
        "\xe2\x82",
        "\xf0\x9f\x9a", /* cut off at the end */
        "\xc2 ",
        "\xe2\x82 ",
        "\xf0\x9f\x9a ", /* cut off in the middle */
        "\xe2(\xa1",
        "\xc2\xc2\x80",
        "ok\xfa",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(text_is_utf8(view_of(bad[i])));
    assert_false(text_is_utf8((struct view){"\xe2\x82\xac", 2}));
}

static void printable_keeps_text_and_masks_the_rest(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"plain text", "plain text"},
        {"a\nb\tc\x1b[0m\x7f", "a?b?c?[0m?"},
        {"\xd0\x9f\xe2\x82\xac\xf0\x9f\x9a\x9c", "\xd0\x9f\xe2\x82\xac\xf0\x9f\x9a\x9c"},
        {"\xff\xc0\x80z", "???z"},
        {"cut \xe2\x82", "cut ??"},
        {"c1 \xc2\x9b", "c1 ??"}, /* a control character of two bytes */
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s", table[i][0]);
        text_make_printable(text);
        assert_string_equal(text, table[i][1]);
    }
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static void constant_time_compare(void **state)
{
    (void)state;
    assert_true(text_equal_constant_time(VIEW("secret"), VIEW("secret")));
    assert_true(text_equal_constant_time(VIEW(""), (struct view){NULL, 0}));
    assert_false(text_equal_constant_time(VIEW("secret"), VIEW("secreT")));
    assert_false(text_equal_constant_time(VIEW("Secret"), VIEW("secret")));
    assert_false(text_equal_constant_time(VIEW("secret"), VIEW("secre")));
    assert_false(text_equal_constant_time(VIEW("a"), VIEW("")));
    assert_false(text_equal_constant_time(VIEW("a\0b"), VIEW("a\0c")));
}

static void sizes_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1024 * 1024, "1.0 MiB"},
        {2147483648U, "2.0 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char out[TEXT_SIZE_BYTES];
        assert_string_equal(text_bytes_for_people(out, table[i].bytes), table[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_is_whole_or_nothing),
        cmocka_unit_test(u64_takes_digits_in_range),
        cmocka_unit_test(u64_refuses_everything_else),
        cmocka_unit_test(i64_takes_a_minus),
        cmocka_unit_test(double_is_decimal_and_finite),
        cmocka_unit_test(numbers_do_not_read_on),
        cmocka_unit_test(trim_takes_blanks_and_tabs),
        cmocka_unit_test(cut_walks_the_pieces),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(hex_refuses),
        cmocka_unit_test(base64_vectors_of_rfc_4648),
        cmocka_unit_test(base64_of_every_byte_and_size),
        cmocka_unit_test(base64_refuses),
        cmocka_unit_test(utf8_takes_what_rfc_3629_takes),
        cmocka_unit_test(utf8_refuses_hostile_bytes),
        cmocka_unit_test(printable_keeps_text_and_masks_the_rest),
        cmocka_unit_test(constant_time_compare),
        cmocka_unit_test(sizes_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
