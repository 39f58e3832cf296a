#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/net/json.h"

enum { MAX_BYTES = 64 * 1024 * 1024 };

#define S(text) VIEW_LITERAL(text)

/* ---- limits ---- */

static void nested(struct buf *out, size_t depth)
{
    buf_reset(out);
    for (size_t i = 0; i < depth; i++)
        buf_append_byte(out, '[');
    for (size_t i = 0; i < depth; i++)
        buf_append_byte(out, ']');
}

static void limits_depth(void **state)
{
    (void)state;
    struct error err = {0};
    SCOPE_BUF struct buf text = BUF_LIMIT(MAX_BYTES);
    nested(&text, JSON_MAX_DEPTH);
    assert_true(json_validate(buf_view(&text), MAX_BYTES, &err));
    nested(&text, JSON_MAX_DEPTH + 1);
    assert_false(json_validate(buf_view(&text), MAX_BYTES, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    nested(&text, 1000000);
    assert_false(json_validate(buf_view(&text), MAX_BYTES, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void limits_bytes(void **state)
{
    (void)state;
    struct error err = {0};
    assert_true(json_validate(S("[123]"), 5, &err));
    assert_false(json_validate(S("[123]"), 4, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void array_of(struct buf *out, size_t elements)
{
    buf_reset(out);
    buf_append_byte(out, '[');
    for (size_t i = 0; i < elements; i++)
        buf_append_text(out, i == 0 ? "1" : ",1");
    buf_append_byte(out, ']');
}

static void limits_tokens(void **state)
{
    (void)state;
    struct error err = {0};
    SCOPE_BUF struct buf text = BUF_LIMIT(MAX_BYTES);
    array_of(&text, JSON_MAX_TOKENS - 1);
    SCOPE_JSON struct json *json = json_parse(buf_view(&text), MAX_BYTES, &err);
    assert_non_null(json);
    assert_int_equal(json_count(json_root(json)), JSON_MAX_TOKENS - 1);
    array_of(&text, JSON_MAX_TOKENS);
    assert_false(json_validate(buf_view(&text), MAX_BYTES, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void object_of(struct buf *out, size_t keys, const char *format)
{
    buf_reset(out);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < keys; i++) {
        char key[64];
        snprintf(key, sizeof(key), format, i);
        buf_printf(out, "%s\"%s\":%zu", i == 0 ? "" : ",", key, i);
    }
    buf_append_byte(out, '}');
}

static void limits_keys(void **state)
{
    (void)state;
    struct error err = {0};
    SCOPE_BUF struct buf text = BUF_LIMIT(MAX_BYTES);
    object_of(&text, JSON_MAX_KEYS_AN_OBJECT, "\\u006bey_%zu");
    assert_true(json_validate(buf_view(&text), MAX_BYTES, &err));
    object_of(&text, JSON_MAX_KEYS_AN_OBJECT + 1, "key_%zu");
    assert_false(json_validate(buf_view(&text), MAX_BYTES, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* ---- reading ---- */

static const char document[] =
    "{\"name\":\"Gr\\u00fcn \\\"x\\\"\",\"n\":-42,\"f\":1.5e3,\"t\":true,\"z\":null,"
    "\"list\":[1,[2,3],{\"in\":4},\"five\"],\"n\\u0075l\":\"a\\u0000b\",\"big\":9223372036854775808}";

static void reads_values(void **state)
{
    (void)state;
    struct error err = {0};
    SCOPE_JSON struct json *json = json_parse(VIEW_LITERAL(document), MAX_BYTES, &err);
    assert_non_null(json);
    struct json_value root = json_root(json);
    char text[16];
    int64_t number = 7;
    double real = 0;
    bool truth = false;
    assert_int_equal(json_count(root), 8);
    assert_true(json_get_string(json_member(root, "name"), text, sizeof(text)));
    assert_string_equal(text, "Gr\xc3\xbcn \"x\"");
    assert_true(json_get_i64(json_member(root, "n"), -100, 100, &number));
    assert_int_equal(number, -42);
    assert_true(json_get_double(json_member(root, "f"), &real));
    assert_true(real > 1499.9 && real < 1500.1);
    assert_true(json_get_bool(json_member(root, "t"), &truth) && truth);
    assert_true(json_is_null(json_member(root, "z")));
    assert_false(json_present(json_member(root, "absent")));
    struct view raw = json_raw(json_member(root, "list"));
    assert_true(view_is(raw, "[1,[2,3],{\"in\":4},\"five\"]"));
    assert_true(view_is(json_raw(json_member(root, "n")), "-42"));
}

static void refuses_other_types_and_ranges(void **state)
{
    (void)state;
    SCOPE_JSON struct json *json = json_parse(VIEW_LITERAL(document), MAX_BYTES, NULL);
    struct json_value root = json_root(json);
    char text[4] = "old";
    int64_t number = 7;
    bool truth = true;
    assert_false(json_get_string(json_member(root, "name"), text, sizeof(text))); /* too long */
    assert_false(json_get_string(json_member(root, "nul"), text, sizeof(text)));  /* U+0000 */
    assert_false(json_get_string(json_member(root, "n"), text, sizeof(text)));
    assert_string_equal(text, "old");
    assert_false(json_get_i64(json_member(root, "n"), 0, 100, &number));
    assert_false(json_get_i64(json_member(root, "f"), 0, 10000, &number));
    assert_false(json_get_i64(json_member(root, "big"), 0, INT64_MAX, &number));
    assert_false(json_get_i64(json_member(root, "name"), 0, 100, &number));
    assert_int_equal(number, 7);
    assert_false(json_get_bool(json_member(root, "z"), &truth));
    assert_false(json_get_bool(json_member(root, "absent"), &truth));
    assert_false(json_present(json_member(json_member(root, "list"), "in")));
    assert_int_equal(json_count(json_member(root, "n")), 0);
}

static void cuts_behind_a_whole_character(void **state)
{
    static const char text[] =
        "{\"t\":\"a\\u00fcb\\ud83d\\ude9a\\u0000c\",\"n\":5,\"e\":\"\",\"l\":\"\\ud83d\\ude9a\"}";
    static const char *const cut[] = {
        "",
        "a",
        "a",
        "a\xc3\xbc",
        "a\xc3\xbc"
        "b",
        "a\xc3\xbc"
        "b",
        "a\xc3\xbc"
        "b",
        "a\xc3\xbc"
        "b",
        "a\xc3\xbc"
        "b\xf0\x9f\x9a\x9a",
        "a\xc3\xbc"
        "b\xf0\x9f\x9a\x9a?",
        "a\xc3\xbc"
        "b\xf0\x9f\x9a\x9a?c",
        "a\xc3\xbc"
        "b\xf0\x9f\x9a\x9a?c",
    };
    (void)state;
    SCOPE_JSON struct json *json = json_parse(view_of(text), MAX_BYTES, NULL);
    struct json_value root = json_root(json);
    char out[16] = "old";
    assert_false(json_get_cut_string(json_member(root, "n"), out, sizeof(out)));
    assert_false(json_get_cut_string(json_member(root, "absent"), out, sizeof(out)));
    assert_string_equal(out, "old");
    for (size_t size = 0; size < COUNT_OF(cut); size++) {
        assert_true(json_get_cut_string(json_member(root, "t"), out, size + 1));
        assert_string_equal(out, cut[size]);
    }
    assert_true(json_get_cut_string(json_member(root, "l"), out, 4)); /* not even the first one fits */
    assert_string_equal(out, "");
    assert_true(json_get_cut_string(json_member(root, "e"), out, sizeof(out)));
    assert_string_equal(out, "");
}

static void walks_in_order(void **state)
{
    (void)state;
    SCOPE_JSON struct json *json = json_parse(VIEW_LITERAL(document), MAX_BYTES, NULL);
    struct json_value root = json_root(json);
    static const char *const elements[] = {"1", "[2,3]", "{\"in\":4}", "\"five\""};
    struct json_value at = {0};
    size_t found = 0;
    while (json_next(json_member(root, "list"), &at, NULL)) {
        assert_true(found < COUNT_OF(elements));
        assert_true(view_is(json_raw(at), elements[found++]));
    }
    assert_int_equal(found, COUNT_OF(elements));

    static const char *const keys[] = {"name", "n", "f", "t", "z", "list", "n\\u0075l", "big"};
    struct view key;
    at = (struct json_value){0};
    found = 0;
    while (json_next(root, &at, &key))
        assert_true(view_is(key, keys[found++]));
    assert_int_equal(found, COUNT_OF(keys));
    at = (struct json_value){0};
    assert_false(json_next(json_member(root, "n"), &at, NULL));
}

static void says_what_it_needed(void **state)
{
    (void)state;
    struct error err = {0};
    SCOPE_JSON struct json *json = json_parse(VIEW_LITERAL(document), MAX_BYTES, NULL);
    struct json_value root = json_root(json);
    char text[4];
    int64_t number;
    assert_false(json_need_string(root, "name", text, sizeof(text), &err));
    assert_string_equal(err.text, "member `name`: expected a string of at most 3 bytes");
    assert_false(json_need_i64(root, "absent", 0, 5, &number, &err));
    assert_string_equal(err.text, "member `absent`: expected a whole number from 0 to 5");
    static const char *const some[] = {"name", "n", "f", "t", "z", "list", "nul", NULL};
    assert_false(json_only_members(root, some, &err));
    assert_string_equal(err.text, "unknown member `big`");
    static const char *const all[] = {"name", "n", "f", "t", "z", "list", "nul", "big", NULL};
    assert_true(json_only_members(root, all, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(limits_bytes),
        cmocka_unit_test(limits_tokens),
        cmocka_unit_test(limits_keys),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(refuses_other_types_and_ranges),
        cmocka_unit_test(cuts_behind_a_whole_character),
        cmocka_unit_test(walks_in_order),
        cmocka_unit_test(says_what_it_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
