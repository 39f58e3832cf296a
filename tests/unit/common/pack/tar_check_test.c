#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/pack/tar_check.h"
#include "common/pack/tar_writer.h"

enum { ARCHIVE_MAX_BYTES = 1024 * 1024 };

static struct buf archive = BUF_LIMIT(ARCHIVE_MAX_BYTES);
static struct error err;

static int setup(void **state)
{
    (void)state;
    char long_name[200];
    memset(long_name, 'n', sizeof(long_name));
    memcpy(long_name + sizeof(long_name) - 3, "/x", 3);
    const struct tar_entry entries[] = {{.name = "a/one", .size = 700, .mode = 0600},
                                        {.name = long_name, .size = 5, .mode = 0600},
                                        {.name = "a/last", .size = 0, .mode = 0600}};
    static const char content[700] = "content";
    SCOPE_TAR_WRITER struct tar_writer *writer = tar_writer_new(NULL);
    bool made = writer != NULL;
    for (size_t i = 0; made && i < COUNT_OF(entries); i++)
        made = tar_writer_begin(writer, &entries[i], NULL) &&
               tar_writer_data(writer, (struct view){content, (size_t)entries[i].size}, NULL);
    made = made && tar_writer_end(writer, NULL) && buf_append_view(&archive, tar_writer_output(writer));
    return made ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    buf_clear(&archive);
    return 0;
}

/* Fed in pieces of so many bytes. */
static bool whole(struct tar_check *check, size_t size, size_t piece)
{
    *check = (struct tar_check){.files = 0};
    for (size_t at = 0; at < size; at += piece) {
        size_t left = size - at;
        if (!tar_check_take(check, (struct view){archive.data + at, left < piece ? left : piece}, &err))
            return false;
    }
    return tar_check_finish(check, &err);
}

static void test_whole_in_any_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 511, 512, 513, 1024, ARCHIVE_MAX_BYTES};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct tar_check check;
        assert_true(whole(&check, archive.size, pieces[i]));
        assert_int_equal(check.files, 3);
        assert_int_equal(check.bytes, 705);
        assert_string_equal(check.last_name, "a/last");
    }
}

static void test_cut_off_anywhere(void **state)
{
    (void)state;
    struct tar_check check;
    for (size_t size = 0; size < archive.size; size++) {
        assert_false(whole(&check, size, ARCHIVE_MAX_BYTES));
        assert_int_equal(err.code, ERR_UNREACHABLE);
    }
}

static void test_more_zeros_at_the_end(void **state)
{
    (void)state;
    struct tar_check check;
    static const char zeros[20 * TAR_BLOCK_BYTES];
    assert_true(buf_append(&archive, zeros, sizeof(zeros)));
    assert_true(whole(&check, archive.size, 1000));
    assert_false(whole(&check, archive.size - 1, 1000));
}

static void expect_damaged(size_t at, char byte)
{
    struct tar_check check;
    char before = archive.data[at];
    assert_int_not_equal(before, byte);
    archive.data[at] = byte;
    assert_false(whole(&check, archive.size, ARCHIVE_MAX_BYTES));
    assert_int_equal(err.code, ERR_INPUT);
    archive.data[at] = before;
}

static void test_damaged(void **state)
{
    (void)state;
    expect_damaged(0, 'b');                  /* a name */
    expect_damaged(124, '9');                /* a size that is no octal number */
    expect_damaged(130, '7');                /* another size */
    expect_damaged(148, '7');                /* the checksum */
    expect_damaged(156, '2');                /* a link */
    expect_damaged(257, 'x');                /* magic */
    expect_damaged(archive.size - 1, 'x');   /* behind the end */
    expect_damaged(archive.size - 600, 'x'); /* no header */
}

/* With a checksum that holds: what is no regular file is refused all the same. */
static void test_a_link(void **state)
{
    (void)state;
    struct tar_check check;
    archive.data[156] = '2';
    archive.data[153] = (char)(archive.data[153] + 2); /* the last digit of six */
    assert_false(whole(&check, archive.size, ARCHIVE_MAX_BYTES));
    assert_non_null(strstr(err.text, "regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_in_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_zeros_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_link, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
