#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "common/net/json.h"
#include "common/net/json_writer.h"

enum { TEXT_MAX_BYTES = 64 * 1024 };

static void writes_a_document(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_object(&w, NULL);
    json_string(&w, "status", "queued");
    json_array(&w, "list");
    json_i64(&w, NULL, INT64_MIN);
    json_u64(&w, NULL, UINT64_MAX);
    json_object(&w, NULL);
    json_end_object(&w);
    json_array(&w, NULL);
    json_end_array(&w);
    json_end_array(&w);
    json_bool(&w, "yes", true);
    json_null(&w, "none");
    json_time_us(&w, "time", 0);
    json_time_us(&w, "never", INT64_MIN);
    json_raw_text(&w, "raw", VIEW_LITERAL("[1]"));
    json_end_object(&w);
    assert_string_equal(buf_text(&out),
                        "{\"status\":\"queued\",\"list\":[-9223372036854775808,18446744073709551615,{},[]],"
                        "\"yes\":true,\"none\":null,\"time\":\"1970-01-01T00:00:00.000000Z\",\"never\":null,"
                        "\"raw\":[1]}");
    assert_true(json_validate(buf_view(&out), TEXT_MAX_BYTES, NULL));
}

static const char *written(struct buf *out, struct view text)
{
    struct json_writer w;
    buf_reset(out);
    json_writer_init(&w, out);
    json_string_view(&w, NULL, text);
    assert_true(json_validate(buf_view(out), TEXT_MAX_BYTES, NULL));
    return buf_text(out);
}

static void escapes_strings(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    assert_string_equal(written(&out, VIEW_LITERAL("a\"b\\c/\b\f\n\r\t")), "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\"");
    assert_string_equal(written(&out, VIEW_LITERAL("\0\x01\x1f\x7f")), "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_string_equal(written(&out, VIEW_LITERAL("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\xb9")),
                        "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\xb9\"");
}

static void replaces_invalid_utf8(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    assert_string_equal(written(&out, VIEW_LITERAL("a\xff"
                                                   "b")),
                        "\"a\xef\xbf\xbd"
                        "b\"");
    assert_string_equal(written(&out, VIEW_LITERAL("\xe2\x82")), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_string_equal(written(&out, VIEW_LITERAL("\xed\xa0\x80")),
                        "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static double read_back(double value, struct buf *out)
{
    struct json_writer w;
    buf_reset(out);
    json_writer_init(&w, out);
    json_double(&w, NULL, value);
    assert_true(json_validate(buf_view(out), TEXT_MAX_BYTES, NULL));
    return strtod(buf_text(out), NULL);
}

static void numbers_read_back_exactly(void **state)
{
    (void)state;
    static const double some[] = {
        0,       -0.0,    1,           -1.5,   0.1,   1.0 / 3,           123456789.123456789,
        DBL_MAX, DBL_MIN, DBL_EPSILON, 5e-324, 1e300, 9007199254740993.0};
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    for (size_t i = 0; i < COUNT_OF(some); i++)
        assert_true(read_back(some[i], &out) == some[i]);
    uint64_t bits = 88172645463325252ULL;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13; /* xorshift64: the same numbers in every run */
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            assert_true(read_back(value, &out) == value);
    }
    read_back(0.1, &out);
    assert_string_equal(buf_text(&out), "0.1");
    read_back(1523.25, &out);
    assert_string_equal(buf_text(&out), "1523.25");
}

static void what_is_no_number_is_null(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_array(&w, NULL);
    json_double(&w, NULL, NAN);
    json_double(&w, NULL, INFINITY);
    json_double(&w, NULL, -INFINITY);
    json_end_array(&w);
    assert_string_equal(buf_text(&out), "[null,null,null]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_document),         cmocka_unit_test(escapes_strings),
        cmocka_unit_test(replaces_invalid_utf8),     cmocka_unit_test(numbers_read_back_exactly),
        cmocka_unit_test(what_is_no_number_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
