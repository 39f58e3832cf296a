#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "agent/support_file.h"
#include "tests/harness/test_folder.h"

enum { TEXT_MAX_BYTES = 1024 * 1024 };

static struct test_folder folder;
static int root_fd;
static struct secret_mask *mask;
static struct support_file file;
static struct buf got = BUF_LIMIT(TEXT_MAX_BYTES);
static struct buf content = BUF_LIMIT(TEXT_MAX_BYTES);
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    buf_reset(&got);
    buf_reset(&content);
    mask = secret_mask_new(&err);
    if (mask == NULL || !test_folder_make(&folder))
        return -1;
    root_fd = open(folder.path, O_RDONLY | O_DIRECTORY);
    return root_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(root_fd);
    secret_mask_free(mask);
    test_folder_remove(&folder);
    buf_clear(&got);
    buf_clear(&content);
    return 0;
}

static void write_content(void)
{
    assert_true(test_folder_write(&folder, "log", buf_text(&content)));
}

static void open_log(int64_t max_bytes)
{
    assert_true(support_file_open(&file, root_fd, "log", max_bytes, mask, &err));
}

/* Reads it to its end; the size must be what was said. */
static void read_all(void)
{
    for (;;) {
        struct view piece = support_file_next(&file);
        if (piece.size == 0)
            break;
        assert_true(buf_append_view(&got, piece));
    }
    assert_int_equal(got.size, file.given_bytes);
    support_file_close(&file);
}

static void fill_lines(size_t bytes)
{
    for (unsigned i = 0; content.size < bytes; i++)
        buf_printf(&content, "line %u of a log that is made up\n", i);
}

static void test_a_short_file(void **state)
{
    (void)state;
    buf_append_text(&content, "one\ntoken=S1\nlast without an end");
    write_content();
    open_log(TEXT_MAX_BYTES);
    read_all();
    assert_string_equal(buf_text(&got), "one\ntoken=**\nlast without an end");
    assert_int_equal(file.hidden, 1);
    assert_int_equal(file.blank_bytes, 0);
}

static void test_nothing(void **state)
{
    (void)state;
    write_content();
    open_log(TEXT_MAX_BYTES);
    assert_int_equal(file.given_bytes, 0);
    read_all();
    assert_false(support_file_open(&file, root_fd, "other", TEXT_MAX_BYTES, mask, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(file.fd, -1);
}

static void test_many_windows(void **state)
{
    (void)state;
    fill_lines(5 * SUPPORT_WINDOW_BYTES + 1234);
    write_content();
    open_log(TEXT_MAX_BYTES);
    read_all();
    assert_int_equal(got.size, content.size);
    assert_memory_equal(got.data, content.data, got.size);
}

static void test_the_last_part_begins_with_a_line(void **state)
{
    (void)state;
    fill_lines(3 * SUPPORT_WINDOW_BYTES);
    write_content();
    for (int64_t max = 40; max < 110; max++) {
        buf_reset(&got);
        open_log(max);
        assert_int_equal(file.file_bytes, content.size);
        assert_in_range(file.given_bytes, 1, max);
        read_all();
        assert_memory_equal(got.data, content.data + content.size - got.size, got.size);
        assert_int_equal(content.data[content.size - got.size - 1], '\n');
        assert_true((size_t)max - got.size < sizeof("line 99999 of a log that is made up"));
    }
}

/* A line without a beginning may begin in a secret. */
static void test_a_part_of_one_long_line(void **state)
{
    (void)state;
    for (int i = 0; content.size < 3 * SUPPORT_WINDOW_BYTES; i++)
        buf_printf(&content, "%d,", i);
    write_content();
    open_log(2 * SUPPORT_WINDOW_BYTES);
    read_all();
    size_t from = content.size - got.size;
    for (size_t i = 0; i < MASK_SECRET_MAX_BYTES; i++)
        assert_int_equal(got.data[i], '*');
    assert_memory_equal(got.data + MASK_SECRET_MAX_BYTES, content.data + from + MASK_SECRET_MAX_BYTES,
                        got.size - MASK_SECRET_MAX_BYTES);
}

/* A secret at every place around the window's end, in lines and in one line that is longer than any window.
 */
static void test_no_secret_slips_between_two_windows(void **state)
{
    (void)state;
    static const char known[] = "51234567-known";
    assert_true(secret_mask_add(mask, view_of(known), &err));
    for (int newline = 0; newline < 2; newline++) {
        for (size_t shift = 0; shift < 64; shift += 3) {
            buf_reset(&content);
            buf_reset(&got);
            size_t place = newline ? SUPPORT_WINDOW_BYTES : SUPPORT_WINDOW_BYTES - SUPPORT_OVERLAP_BYTES;
            while (content.size < place - 32 - shift)
                buf_append_text(&content, newline && content.size % 77 == 0 ? "\n" : ".");
            buf_printf(&content, " %s password=S1S2S3S4 %s ", known, known);
            while (content.size < 2 * SUPPORT_WINDOW_BYTES)
                buf_append_text(&content, ".");
            write_content();
            open_log(TEXT_MAX_BYTES);
            read_all();
            assert_int_equal(got.size, content.size);
            assert_null(memmem(got.data, got.size, "known", 5));
            assert_null(memmem(got.data, got.size, "S1", 2));
            assert_null(memmem(got.data, got.size, "S4", 2));
            assert_non_null(memmem(got.data, got.size, " password=", 10));
        }
    }
}

static void test_it_grows_while_it_is_read(void **state)
{
    (void)state;
    fill_lines(2 * SUPPORT_WINDOW_BYTES);
    write_content();
    open_log(TEXT_MAX_BYTES);
    size_t before = content.size;
    fill_lines(4 * SUPPORT_WINDOW_BYTES);
    write_content();
    read_all();
    assert_int_equal(got.size, before);
    assert_memory_equal(got.data, content.data, before);
}

static void test_it_becomes_shorter_while_it_is_read(void **state)
{
    (void)state;
    fill_lines(2 * SUPPORT_WINDOW_BYTES);
    write_content();
    open_log(TEXT_MAX_BYTES);
    assert_int_equal(truncate(test_folder_path(&folder, "log").text, 100), 0);
    read_all();
    assert_int_equal(got.size, content.size);
    assert_memory_equal(got.data, content.data, 100);
    for (size_t i = 100; i < got.size; i++)
        assert_int_equal(got.data[i], '\n');
    assert_int_equal(file.blank_bytes, content.size - 100);
    assert_int_equal(file.read_errno, 0);
}

static void test_what_cannot_be_looked_through(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"\x1f\x8b\x08",
                                             "\x28\xb5\x2f\xfd",
                                             "\xfd"
                                             "7zXZ",
                                             "BZh91AY",
                                             "\x04\x22\x4d\x18",
                                             "PK\x03\x04",
                                             "7z\xbc\xaf",
                                             "\xff\xfeh",
                                             "\xfe\xffh",
                                             "SQLite format 3",
                                             "\x7f"
                                             "ELF\x02"};
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        assert_true(test_folder_write(&folder, "log", beginnings[i]));
        assert_false(support_file_open(&file, root_fd, "log", TEXT_MAX_BYTES, mask, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_int_equal(file.fd, -1);
    }
    static const char *const plain[] = {"B", "PK", "SQLite format", "7zip", "\x1f"};
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        assert_true(test_folder_write(&folder, "log", plain[i]));
        open_log(TEXT_MAX_BYTES);
        support_file_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_short_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_last_part_begins_with_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_part_of_one_long_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_secret_slips_between_two_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_grows_while_it_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_becomes_shorter_while_it_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_looked_through, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
