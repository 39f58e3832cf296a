#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/net/json.h"

enum { MAX_BYTES = 64 * 1024 * 1024 };

#define S(text) VIEW_LITERAL(text)

/* ---- the grammar: RFC 8259, and what is stricter here (keys, surrogates, byte-order mark) ---- */

static const struct view accepted[] = {
    S("null"),
    S("true"),
    S("false"),
    S("0"),
    S("\"\""),
    S("[]"),
    S("{}"),
    S(" \t\r\n1 \t\r\n"),
    /* numbers */
    S("-0"),
    S("-1"),
    S("[123]"),
    S("123.456"),
    S("0.1"),
    S("-0.0"),
    S("1e1"),
    S("1E+22"),
    S("1e-22"),
    S("20e1"),
    S("0e1"),
    S("123.456e78"),
    S("-123123123123123123123123123123"),
    S("1e9999"),
    S("100000000000000000000000000000000000000000000000000000000000000000000000000000000000000"),
    /* strings */
    S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    S("\"\\u0061\\u30af\\u30EA\""),
    S("\"\\u0000\""),
    S("\"\\uD801\\udc37\""),
    S("\"\\ud83d\\ude39\\ud83d\\udc8d\""),
    S("\"\\uFFFF\\uDBFF\\uDFFF\""),
    S("\"\\\\u0000\""),
    S("\"\\\\a\""),
    S("\"\x7f\""),
    S("\"\xc2\x80\""),
    S("\"\xe2\x82\xac\""),
    S("\"\xf0\x9f\x98\xb9\""),
    S("\"\xf4\x8f\xbf\xbf\""),
    S("\"\xef\xbf\xbf\""),
    S("\"\xe2\x80\xa8\""),
    S("\"\xef\xbb\xbf\""),
    S("\"a/*b*/c\""),
    S("\" \""),
    /* arrays and objects */
    S("[null, 1, \"1\", {}]"),
    S("[[]   ]"),
    S("[1,null,null,null,2]"),
    S("[ 1]"),
    S("[1\n]"),
    S("[1 , 2]"),
    S("{\"a\":[]}"),
    S("{\"\":0}"),
    S("{\"a\":\"b\",\"b\":\"b\"}"),
    S("{\"a\":{\"a\":{\"a\":1}}}"),
    S("{\"foo\\u0000bar\": 42}"),
    S("{\"a\":1,\"A\":2,\"aa\":3}"),
    S("[{\"a\":1},{\"a\":1}]"),
    S("{ \"a\" : 1 }"),
    S("{\"a\\u0062\":1,\"a\\u0063\":2}"),
};

static const struct view refused[] = {
    S(""),
    S(" "),
    S("\xef\xbb\xbf"),
    S("\xef\xbb\xbf{}"),
    S("\xff\xfe[\0]\0"),
    S("\0"),
    S("[]\0"),
    S("[1]x"),
    S("1]"),
    S("{}}"),
    S("[][]"),
    S("1 2"),
    S("[]#"),
    S("//\n[]"),
    S("/**/[]"),
    S("\x0c[]"),
    S("[\x0b]"),
    S("\xc2\xa0[]"),
    S("\xe2\x81\xa0[]"),
    /* words */
    S("nul"),
    S("nulll"),
    S("True"),
    S("TRUE"),
    S("truefalse"),
    S("fals"),
    S("undefined"),
    S("NaN"),
    S("-NaN"),
    S("Infinity"),
    S("-Infinity"),
    S("nan"),
    S("inf"),
    S("*"),
    S("'a'"),
    S("a"),
    S("abc"),
    S("\xc3\xa5"),
    /* numbers */
    S("+1"),
    S("-"),
    S("--1"),
    S("-a"),
    S("01"),
    S("-01"),
    S("00"),
    S("0x1"),
    S("0x"),
    S("1."),
    S("1.e1"),
    S(".1"),
    S("-.1"),
    S("-2."),
    S("0.e1"),
    S("0.3e"),
    S("0.3e+"),
    S("1e"),
    S("1e+"),
    S("1e-"),
    S("1eE2"),
    S("0e"),
    S("1.2.3"),
    S("1 000.0"),
    S("1_000"),
    S("1,5"),
    S("1+2"),
    S("1a"),
    S("0.1.2"),
    S("- 1"),
    S("\xef\xbc\x91"),
    S("1e1.5"),
    S("0b1"),
    S("1L"),
    S("++1"),
    /* strings */
    S("\""),
    S("\"a"),
    S("\"\\"),
    S("\"\\\""),
    S("\"\\\\\\\""),
    S("\"\\a\""),
    S("\"\\x41\""),
    S("\"\\'\""),
    S("\"\\0\""),
    S("\"\\\0\""),
    S("\"\\u\""),
    S("\"\\u00A\""),
    S("\"\\u00G0\""),
    S("\"\\uqqqq\""),
    S("\"\\U0041\""),
    S("\"\\u 041\""),
    S("\"\\u+041\""),
    S("\"\\u004"),
    S("\"\n\""),
    S("\"\t\""),
    S("\"\0\""),
    S("\"\x1f\""),
    S("\"\\\n\""),
    S("\"\\\xe5\""),
    S("\"\"x"),
    /* surrogates */
    S("\"\\uD800\""),
    S("\"\\uDC00\""),
    S("\"\\uD800\\uD800\""),
    S("\"\\uD800\\u0041\""),
    S("\"\\uD800\\n\""),
    S("\"\\uD834\\\""),
    S("\"\\uD800\\u\""),
    S("\"\\uD800\\u1\""),
    S("\"\\uDd1e\\uD834\""),
    S("\"\\uDADAx\""),
    /* UTF-8 */
    S("\"\x80\""),
    S("\"\xff\""),
    S("\"\xc0\x80\""),
    S("\"\xc1\xbf\""),
    S("\"\xe0\x80\x80\""),
    S("\"\xe0\xff\""),
    S("\"\xed\xa0\x80\""),
    S("\"\xf4\x90\x80\x80\""),
    S("\"\xf0\x80\x80\x80\""),
    S("\"\xf8\x88\x80\x80\x80\""),
    S("\"\xe2\x82\""),
    S("\"\xc3\""),
    S("[\"\xe9\"]"),
    S("{\"\xb9\":0}"),
    S("[\xff]"),
    /* arrays */
    S("["),
    S("]"),
    S("[,]"),
    S("[,1]"),
    S("[1,]"),
    S("[1,,2]"),
    S("[1,,]"),
    S("[1 2]"),
    S("[1;2]"),
    S("[\"a\":1]"),
    S("[1}"),
    S("[1"),
    S("[1,"),
    S("[["),
    S("[\"\""),
    S("[1,\n1\n,1"),
    S("[1:2]"),
    S("[\"x\""),
    S("[tru]"),
    S("<null>"),
    S("[<null>]"),
    S("[3[4]]"),
    S("(1)"),
    S("[a"),
    S("[-2.]"),
    S("[0e+-1]"),
    /* objects */
    S("{"),
    S("}"),
    S("{]"),
    S("{,}"),
    S("{\"a\"}"),
    S("{\"a\":}"),
    S("{\"a\":1,}"),
    S("{\"a\":1,,\"b\":2}"),
    S("{\"a\" 1}"),
    S("{\"a\"::1}"),
    S("{:1}"),
    S("{a:1}"),
    S("{'a':1}"),
    S("{1:1}"),
    S("{null:1}"),
    S("{\"a\""),
    S("{\"a\":"),
    S("{\"a\":\"b"),
    S("{\"a\":1 \"b\":2}"),
    S("{\"a\",\"b\"}"),
    S("{[]:1}"),
    S("{\"a\":1]"),
    S("{\"a\":\"b\"}/**/"),
    S("{\"a\":\"b\"}#"),
    S("{\"a\":1;}"),
    S("{\"a\":true} \"x\""),
    S("{\"a\"b\":1}"),
    S("{\"a\":\"a\" 123}"),
    S("{\"a\"=1}"),
    /* the same key twice */
    S("{\"a\":1,\"a\":1}"),
    S("{\"a\":1,\"b\":2,\"a\":3}"),
    S("{\"\":1,\"\":2}"),
    S("{\"a\":1,\"\\u0061\":2}"),
    S("{\"\\u0061b\":1,\"a\\u0062\":2}"),
    S("{\"\\/\":1,\"/\":2}"),
    S("{\"\\n\":1,\"\\u000a\":2}"),
    S("{\"\\ud83d\\ude39\":1,\"\xf0\x9f\x98\xb9\":2}"),
    S("{\"x\":{\"k\":1,\"k\":2}}"),
    S("[{\"k\":1,\"k\":2}]"),
    S("{\"a\":{\"c\":1},\"b\":[{\"c\":1}],\"a\":0}"),
    S("{\"\\u0000\":1,\"\\u0000\":2}"),
};

static void shows(const char *verdict, struct view text)
{
    print_error("%s: %.*s\n", verdict, VIEW_ARG(text));
}

static void accepts_what_the_rfc_allows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        struct error err = {0};
        if (!json_validate(accepted[i], MAX_BYTES, &err))
            shows(err.text, accepted[i]);
        assert_int_equal(err.code, ERR_NONE);
        SCOPE_JSON struct json *json = json_parse(accepted[i], MAX_BYTES, &err);
        assert_non_null(json);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct error err = {0};
        if (json_validate(refused[i], MAX_BYTES, &err))
            shows("was accepted", refused[i]);
        assert_int_equal(err.code, ERR_INPUT);
        assert_null(json_parse(refused[i], MAX_BYTES, &err));
    }
}

/* Every text that is cut short is refused, and nothing behind the cut is read (ASan sees it). */
static void refuses_every_beginning(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\\u0062\":[1.5e-3,\"\xf0\x9f\x98\xb9\\ud83d\\ude39\",null,true],\"c\":{}}";
    for (size_t size = 0; size + 1 < sizeof(whole); size++) {
        SCOPE_FREE char *exact = malloc(size + (size == 0));
        assert_non_null(exact);
        memcpy(exact, whole, size);
        assert_false(json_validate((struct view){exact, size}, MAX_BYTES, NULL));
    }
    assert_true(json_validate(VIEW_LITERAL(whole), MAX_BYTES, NULL));
}

static void error_names_the_place(void **state)
{
    (void)state;
    struct error err = {0};
    assert_false(json_validate(S("[1, 2, x]"), MAX_BYTES, &err));
    assert_string_equal(err.text, "byte 7: expected a value");
    assert_false(json_validate(S("{\"a\":1,\"b\":2,\"\\u0061\":3}"), MAX_BYTES, &err));
    assert_string_equal(err.text, "byte 14: this key stands twice in one object");
    assert_false(json_validate(S("[1"), MAX_BYTES, &err));
    assert_string_equal(err.text, "byte 2: the text ends where `,` or `]` was expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_rfc_allows),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(refuses_every_beginning),
        cmocka_unit_test(error_names_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
