#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/base/error.h"

static void sets_code_and_text(void **state)
{
    (void)state;
    struct error err = {.code = ERR_IO, .sys_errno = 5, .text = "old"};
    assert_false(error_set(&err, ERR_LIMIT, "at most %d", 3));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "at most 3");
}

static void takes_code_from_errno(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum error_code code;
    } table[] = {
        {ENOSPC, ERR_SPACE},
        {EDQUOT, ERR_SPACE},
        {ENOMEM, ERR_MEMORY},
        {ENOENT, ERR_NOT_FOUND},
        {ENOTDIR, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},
        {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED},
        {ETIMEDOUT, ERR_TIMEOUT},
        {EIO, ERR_IO},
        {ECONNREFUSED, ERR_UNREACHABLE},
        {ECONNRESET, ERR_UNREACHABLE},
        {EHOSTUNREACH, ERR_UNREACHABLE},
        {ENETUNREACH, ERR_UNREACHABLE},
        {EROFS, ERR_IO},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err = {0};
        errno = table[i].number;
        assert_false(error_set_errno(&err, "open %s", "x"));
        assert_int_equal(err.code, table[i].code);
        assert_int_equal(err.sys_errno, table[i].number);
    }
}

static void errno_text_is_for_people(void **state)
{
    (void)state;
    struct error err = {0};
    errno = ENOENT;
    error_set_errno(&err, "open %s", "/x");
    assert_string_equal(err.text, "open /x: No such file or directory");
}

static void wrap_puts_a_prefix_and_keeps_the_code(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERR_CORRUPT, "page 3");
    err.sys_errno = 7;
    assert_false(error_wrap(&err, "store %s", "a.db"));
    assert_false(error_wrap(&err, "collector"));
    assert_string_equal(err.text, "collector: store a.db: page 3");
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(err.sys_errno, 7);
}

static void a_long_text_is_cut_and_ends(void **state)
{
    (void)state;
    char text[2 * ERROR_TEXT_BYTES];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct error err = {0};
    error_set(&err, ERR_INPUT, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
    error_wrap(&err, "front");
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
    assert_int_equal(strncmp(err.text, "front: aaa", 10), 0);
    error_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
    errno = EIO;
    error_set_errno(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
}

static void nobody_needs_to_care(void **state)
{
    (void)state;
    assert_false(error_set(NULL, ERR_IO, "x"));
    assert_false(error_set_errno(NULL, "x"));
    assert_false(error_wrap(NULL, "x"));
}

static void exit_codes_are_those_of_the_contract(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        int exit_code;
    } table[] = {
        {ERR_NONE, 0},     {ERR_USAGE, 2},     {ERR_INPUT, 5},     {ERR_IO, 1},          {ERR_SPACE, 1},
        {ERR_MEMORY, 1},   {ERR_LIMIT, 1},     {ERR_NOT_FOUND, 1}, {ERR_EXISTS, 1},      {ERR_BUSY, 1},
        {ERR_DENIED, 4},   {ERR_CHANGED, 1},   {ERR_CORRUPT, 1},   {ERR_UNREACHABLE, 3}, {ERR_TIMEOUT, 3},
        {ERR_PROTOCOL, 1}, {ERR_CANCELLED, 1}, {ERR_INTERNAL, 1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err = {.code = table[i].code};
        assert_int_equal(error_exit_code(&err), table[i].exit_code);
    }
    /* a file that the system keeps from us is no failed authentication */
    struct error err;
    errno = EACCES;
    error_set_errno(&err, "config.txt");
    error_wrap(&err, "reading");
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(error_exit_code(&err), 1);
}

static void a_reason_stays_until_the_next_error(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_refuse(&err, ERR_INPUT, "duplicate_entry", "%s twice", "a"));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.text, "a twice");
    error_wrap(&err, "update.zip");
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "duplicate_entry");
    error_set(&err, ERR_IO, "other");
    assert_null(err.reason);
    assert_false(error_refuse(NULL, ERR_INPUT, "x", "y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_code_and_text),
        cmocka_unit_test(takes_code_from_errno),
        cmocka_unit_test(errno_text_is_for_people),
        cmocka_unit_test(wrap_puts_a_prefix_and_keeps_the_code),
        cmocka_unit_test(a_long_text_is_cut_and_ends),
        cmocka_unit_test(nobody_needs_to_care),
        cmocka_unit_test(exit_codes_are_those_of_the_contract),
        cmocka_unit_test(a_reason_stays_until_the_next_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
