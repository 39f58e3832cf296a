#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/net/http_target.h"

static void check_path(const char *raw, const char *want)
{
    struct http_target target;
    struct error err;
    if (!http_target_parse(&target, raw, &err))
        fail_msg("%s: %s", raw, err.text);
    assert_string_equal(target.path, want);
    http_target_clear(&target);
}

static void a_path_is_decoded(void **state)
{
    (void)state;
    check_path("/", "/");
    check_path("/api/status", "/api/status");
    check_path("/a%20b", "/a b");
    check_path("/a+b", "/a+b");
    check_path("/%d1%96", "/\xd1\x96");
    check_path("/a?", "/a");
    check_path("/a?b=c", "/a");
    check_path("/a?&&", "/a");
    check_path("/%3f", "/?");
    check_path("//x/../y", "//x/../y");
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    struct http_target target;
    assert_true(http_target_parse(&target, "/x?a=1&b=two+words&c=%2B%26%3D&d=&e&%66=g=h", NULL));
    assert_int_equal(target.parameter_count, 6);
    assert_string_equal(http_target_parameter(&target, "a"), "1");
    assert_string_equal(http_target_parameter(&target, "b"), "two words");
    assert_string_equal(http_target_parameter(&target, "c"), "+&=");
    assert_string_equal(http_target_parameter(&target, "d"), "");
    assert_string_equal(http_target_parameter(&target, "e"), "");
    assert_string_equal(http_target_parameter(&target, "f"), "g=h");
    assert_null(http_target_parameter(&target, "A"));
    assert_null(http_target_parameter(&target, ""));
    http_target_clear(&target);
    assert_null(target.text);
}

static void hostile_targets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "*",      "x",     "http://host/x", "/%",           "/%4",   "/%zz",     "/%00",
        "/%0a",     "/\x7f",  "/%ff",  "/%c0%af",       "/%ed%a0%80",   "/\xff", "/x?a=%00", "/x?a=%ff",
        "/x?%00=a", "/x?a=%", "/x?=1", "/x?a=1&a=1",    "/x?a=1&%61=2", "/x#f",  "/x?a#b",   "/x?a=\x01",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct http_target target = {.path = "untouched"};
        struct error err = {0};
        if (http_target_parse(&target, bad[i], &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERR_INPUT);
        assert_string_equal(target.path, "untouched");
    }
}

static void its_limits_hold(void **state)
{
    (void)state;
    struct http_target target;
    struct error err;
    char raw[HTTP_MAX_URL_BYTES + 2];
    memset(raw, 'a', sizeof(raw));
    raw[0] = '/';
    raw[HTTP_MAX_URL_BYTES] = '\0';
    assert_true(http_target_parse(&target, raw, &err));
    http_target_clear(&target);
    raw[HTTP_MAX_URL_BYTES] = 'a';
    raw[HTTP_MAX_URL_BYTES + 1] = '\0';
    assert_false(http_target_parse(&target, raw, &err));
    assert_int_equal(err.code, ERR_LIMIT);

    size_t used = (size_t)snprintf(raw, sizeof(raw), "/?");
    for (int i = 0; i < HTTP_MAX_PARAMETERS; i++)
        used += (size_t)snprintf(raw + used, sizeof(raw) - used, "p%d=%d&", i, i);
    assert_true(http_target_parse(&target, raw, &err));
    assert_int_equal(target.parameter_count, HTTP_MAX_PARAMETERS);
    http_target_clear(&target);
    snprintf(raw + used, sizeof(raw) - used, "more");
    assert_false(http_target_parse(&target, raw, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_decoded),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(hostile_targets_are_refused),
        cmocka_unit_test(its_limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
