/* What is written is read back by the reader, and is the same wherever it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "common/os/file.h"
#include "common/pack/zip_index.h"
#include "common/pack/zip_writer.h"

enum { ARCHIVE_MAX_BYTES = 64 * 1024 * 1024, LARGE_BYTES = 300000 };

static struct error err;
static int fd;
static struct zip_writer *writer;

static int setup(void **state)
{
    (void)state;
    err = (struct error){.code = ERR_NONE};
    fd = memfd_create("zip", MFD_CLOEXEC);
    writer = zip_writer_new(fd, &err);
    return writer == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    zip_writer_free(writer);
    close(fd);
    return 0;
}

static void add(const char *name, mode_t mode, struct view content)
{
    assert_true(zip_writer_begin(writer, name, mode, (int64_t)content.size, &err));
    assert_true(zip_writer_data(writer, content, &err));
}

struct expected {
    struct view content;
    size_t at;
};

static bool compare(void *context, struct view piece, struct error *compare_err)
{
    struct expected *expected = context;
    (void)compare_err;
    assert_true(piece.size <= expected->content.size - expected->at);
    assert_memory_equal(piece.data, expected->content.data + expected->at, piece.size);
    expected->at += piece.size;
    return true;
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    static char large[LARGE_BYTES];
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * i >> 9);
    const struct {
        const char *name;
        mode_t mode;
        struct view content;
    } entries[] = {
        {"manifest.json", 0644, {"{}\n", 3}},
        {"files/bin/a", 0755, {large, sizeof(large)}},
        {"files/empty", 0644, {"", 0}},
        {"files/\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", 0644, {"key", 3}},
    };
    for (size_t i = 0; i < COUNT_OF(entries); i++)
        add(entries[i].name, entries[i].mode, entries[i].content);
    assert_true(zip_writer_end(writer, &err));
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    assert_non_null(index);
    assert_int_equal(zip_index_count(index), COUNT_OF(entries));
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        const struct zip_entry *entry = zip_index_entry(index, i);
        struct expected expected = {.content = entries[i].content};
        assert_string_equal(entry->name, entries[i].name);
        assert_int_equal(entry->mode, S_IFREG | entries[i].mode);
        assert_int_equal(entry->method, ZIP_DEFLATE);
        assert_true(zip_entry_read(fd, entry, compare, &expected, &err));
        assert_int_equal(expected.at, entries[i].content.size);
    }
}

static void test_no_files_at_all(void **state)
{
    (void)state;
    assert_true(zip_writer_end(writer, &err));
    assert_int_equal(lseek(fd, 0, SEEK_END), 22); /* the end record alone */
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    assert_non_null(index);
    assert_int_equal(zip_index_count(index), 0);
}

static void write_small(struct buf *out)
{
    add("manifest.json", 0644, VIEW_LITERAL("{}\n"));
    add("files/\xc3\xa9", 0755, VIEW_LITERAL("hello hello hello"));
    assert_true(zip_writer_end(writer, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_true(file_read_all(fd, out, &err));
}

static void test_the_same_bytes_everywhere(void **state)
{
    SCOPE_BUF struct buf here = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    SCOPE_BUF struct buf there = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    write_small(&here);
    teardown(state);
    assert_int_equal(setenv("TZ", "XXX-14", 1), 0); /* made up: 14 hours ahead */
    tzset();
    assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
    mode_t mask = umask(077);
    assert_int_equal(setup(state), 0);
    write_small(&there);
    umask(mask);
    assert_non_null(setlocale(LC_ALL, "C"));
    assert_true(view_equal(buf_view(&here), buf_view(&there)));
}

static void test_sizes_are_kept_to(void **state)
{
    (void)state;
    assert_true(zip_writer_begin(writer, "a", 0644, 5, &err));
    assert_true(zip_writer_data(writer, VIEW_LITERAL("abc"), &err));
    assert_false(zip_writer_data(writer, VIEW_LITERAL("def"), &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(zip_writer_begin(writer, "b", 0644, 5, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(zip_writer_end(writer, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_true(zip_writer_data(writer, VIEW_LITERAL("de"), &err));
    assert_true(zip_writer_end(writer, &err));
}

static void test_what_no_entry_can_be(void **state)
{
    (void)state;
    assert_false(zip_writer_begin(writer, "../a", 0644, 5, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(err.reason);
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "path_traversal");
    assert_false(zip_writer_begin(writer, "a", 0644, -1, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(zip_writer_begin(writer, "a", 0644, UINT32_MAX, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void test_a_full_disk_is_said(void **state)
{
    (void)state;
    static char piece[LARGE_BYTES];
    SCOPE_FD int full = file_open("/dev/full", O_WRONLY, &err);
    zip_writer_free(writer);
    writer = zip_writer_new(full, &err);
    assert_non_null(writer);
    assert_true(zip_writer_begin(writer, "a", 0644, sizeof(piece), &err));
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)(rand() >> 8); /* more than one block, however it packs */
    assert_false(zip_writer_data(writer, (struct view){piece, sizeof(piece)}, &err) &&
                 zip_writer_end(writer, &err));
    assert_int_equal(err.code, ERR_SPACE);
}

static void test_one_that_is_given_up(void **state)
{
    (void)state;
    assert_true(zip_writer_begin(writer, "a", 0644, INT64_C(1) << 40, &err));
    assert_true(zip_writer_data(writer, VIEW_LITERAL("abc"), &err));
    off_t before = lseek(fd, 0, SEEK_END);
    zip_writer_free(writer);
    writer = NULL;
    assert_int_equal(lseek(fd, 0, SEEK_END), before);
    assert_null(zip_index_read(fd, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_files_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_same_bytes_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes_are_kept_to, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_no_entry_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_is_given_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
