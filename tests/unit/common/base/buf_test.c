#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/buf.h"

static void assert_text(const struct buf *buf, const char *text)
{
    assert_true(view_is(buf_view(buf), text));
}

static void appends_in_order(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(100);
    assert_true(buf_append(&buf, "ab", 2));
    assert_true(buf_append_text(&buf, "cd"));
    assert_true(buf_append_view(&buf, VIEW_LITERAL("ef")));
    assert_true(buf_append_byte(&buf, 'g'));
    assert_true(buf_printf(&buf, "%d%s", 12, "x"));
    assert_text(&buf, "abcdefg12x");
    assert_true(buf_check(&buf, "it", NULL));
}

static void empty_pieces_are_fine(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(10);
    assert_true(buf_append(&buf, NULL, 0));
    assert_true(buf_append_view(&buf, (struct view){NULL, 0}));
    assert_true(buf_printf(&buf, "%s", ""));
    assert_int_equal(buf.size, 0);
    assert_string_equal(buf_text(&buf), "");
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(4);
    struct error err = {0};
    assert_true(buf_append_text(&buf, "abcd"));
    assert_true(buf_check(&buf, "it", &err));
    assert_string_equal(buf_text(&buf), "abcd");
    assert_false(buf_append_byte(&buf, 'e'));
    assert_text(&buf, "abcd");
    assert_false(buf_check(&buf, "the reply", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "the reply is larger than 4 bytes");
}

static void failure_is_sticky(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(4);
    assert_false(buf_append_text(&buf, "abcde"));
    assert_false(buf_append_byte(&buf, 'a')); /* it would fit, but something before it is missing */
    assert_false(buf_printf(&buf, "a"));
    assert_null(buf_reserve(&buf, 1));
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf.size, 0);
    buf_reset(&buf);
    assert_true(buf_append_byte(&buf, 'a'));
    assert_true(buf_check(&buf, "it", NULL));
}

static void an_absurd_size_is_no_overflow(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(100);
    assert_true(buf_append_text(&buf, "abc"));
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_null(buf_reserve(&buf, SIZE_MAX - 3));
    assert_text(&buf, "abc");
}

static void no_memory_is_said(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(100);
    struct error err = {0};
    buf.no_memory = true;
    assert_false(buf_append_byte(&buf, 'a'));
    assert_false(buf_check(&buf, "the list", &err));
    assert_int_equal(err.code, ERR_MEMORY);
    buf_clear(&buf);
    assert_true(buf_append_byte(&buf, 'a'));
}

static void grows_over_many_sizes(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(100000);
    for (int i = 0; i < 100000; i++)
        assert_true(buf_append_byte(&buf, (char)('a' + i % 26)));
    assert_false(buf_append_byte(&buf, 'x'));
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
}

static void reserve_and_commit(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(1000);
    char *into = buf_reserve(&buf, 1000);
    assert_non_null(into);
    memcpy(into, "hello", 5);
    buf_commit(&buf, 5);
    assert_text(&buf, "hello");
    assert_non_null(buf_reserve(&buf, 995));
    assert_null(buf_reserve(&buf, 996));
}

static void consume_takes_from_the_front(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(10);
    buf_append_text(&buf, "abcdef");
    buf_consume(&buf, 0);
    assert_text(&buf, "abcdef");
    buf_consume(&buf, 2);
    assert_text(&buf, "cdef");
    buf_consume(&buf, 4);
    assert_int_equal(buf.size, 0);
    buf_append_text(&buf, "xy");
    buf_consume(&buf, 99);
    assert_int_equal(buf.size, 0);
}

static void clear_keeps_the_limit(void **state)
{
    (void)state;
    SCOPE_BUF struct buf buf = BUF_LIMIT(3);
    buf_append_text(&buf, "abc");
    buf_clear(&buf);
    assert_null(buf.data);
    assert_false(buf_append_text(&buf, "abcd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_in_order),
        cmocka_unit_test(empty_pieces_are_fine),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(an_absurd_size_is_no_overflow),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(grows_over_many_sizes),
        cmocka_unit_test(reserve_and_commit),
        cmocka_unit_test(consume_takes_from_the_front),
        cmocka_unit_test(clear_keeps_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
