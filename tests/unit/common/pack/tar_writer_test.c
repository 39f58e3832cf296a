/* What is written is read back here block by block as POSIX.1-2001 (pax, "ustar Interchange Format") has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/pack/tar_writer.h"

enum { BLOCK = 512, ARCHIVE_MAX_BYTES = 8 * 1024 * 1024 };

static struct tar_writer *tar;
static struct buf archive = BUF_LIMIT(ARCHIVE_MAX_BYTES);
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    tar = tar_writer_new(&err);
    return tar == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    tar_writer_free(tar);
    buf_clear(&archive);
    return 0;
}

static void take(void)
{
    assert_true(buf_append_view(&archive, tar_writer_output(tar)));
    tar_writer_taken(tar);
    assert_int_equal(tar_writer_output(tar).size, 0);
}

static void add(const char *name, const char *content)
{
    const struct tar_entry entry = {
        .name = name, .size = (int64_t)strlen(content), .mode = 0640, .mtime_s = 1771754400};
    assert_true(tar_writer_begin(tar, &entry, &err));
    assert_true(tar_writer_data(tar, view_of(content), &err));
    assert_int_equal(tar_writer_left(tar), 0);
    take();
}

static int64_t octal(const char *field)
{
    return strtol(field, NULL, 8);
}

/* The header at `at`, its checksum verified. */
static const char *header_at(size_t at)
{
    const unsigned char *header = (const unsigned char *)archive.data + at;
    unsigned sum = 8 * ' ';
    assert_true(at + BLOCK <= archive.size);
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? 0 : header[i];
    assert_int_equal(octal((const char *)header + 148), sum);
    assert_memory_equal(header + 257, "ustar", 6);
    return (const char *)header;
}

static void test_two_files(void **state)
{
    (void)state;
    add("folder/one.txt", "hello");
    add("folder/empty", "");
    assert_true(tar_writer_end(tar, &err));
    take();
    assert_int_equal(archive.size, 5 * BLOCK); /* header, content, header, two of zeros */
    const char *one = header_at(0);
    assert_string_equal(one, "folder/one.txt");
    assert_int_equal(octal(one + 100), 0640);
    assert_int_equal(octal(one + 108), 0);
    assert_int_equal(octal(one + 124), 5);
    assert_int_equal(octal(one + 136), 1771754400);
    assert_int_equal(one[156], '0');
    assert_string_equal(archive.data + BLOCK, "hello");
    assert_string_equal(header_at(2 * BLOCK), "folder/empty");
    for (size_t i = 3 * BLOCK; i < archive.size; i++)
        assert_int_equal(archive.data[i], 0);
}

static void test_a_long_name_has_a_pax_header(void **state)
{
    (void)state;
    char name[301];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    add(name, "x");
    assert_int_equal(header_at(0)[156], 'x');
    const char *pax = memmem(archive.data, archive.size, " path=", 6);
    assert_non_null(pax);
    assert_memory_equal(pax + 6, name, sizeof(name) - 1);
    assert_int_equal(pax[6 + sizeof(name) - 1], '\n');
}

static void test_the_same_calls_make_the_same_bytes(void **state)
{
    (void)state;
    add("a/b", "content");
    assert_true(tar_writer_end(tar, &err));
    take();
    SCOPE_BUF struct buf first = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    buf_append_view(&first, buf_view(&archive));
    buf_reset(&archive);
    tar_writer_free(tar);
    tar = tar_writer_new(&err);
    assert_non_null(tar);
    add("a/b", "content");
    assert_true(tar_writer_end(tar, &err));
    take();
    assert_int_equal(archive.size, first.size);
    assert_memory_equal(archive.data, first.data, first.size);
}

static void test_sizes_are_kept_to(void **state)
{
    (void)state;
    const struct tar_entry entry = {.name = "a", .size = 5, .mode = 0600};
    assert_true(tar_writer_begin(tar, &entry, &err));
    assert_true(tar_writer_data(tar, VIEW_LITERAL("abc"), &err));
    assert_int_equal(tar_writer_left(tar), 2);
    assert_false(tar_writer_data(tar, VIEW_LITERAL("def"), &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(tar_writer_begin(tar, &entry, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(tar_writer_end(tar, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_true(tar_writer_data(tar, VIEW_LITERAL("de"), &err));
    assert_true(tar_writer_end(tar, &err));
}

static void test_names_that_no_archive_should_have(void **state)
{
    (void)state;
    static const char *const names[] = {"",   "/etc/passwd", "../x", "a/../b", "a//b",
                                        "a/", ".",           "a\nb", "a b",    "\xd0\xb9"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct tar_entry entry = {.name = names[i], .size = 0, .mode = 0600};
        assert_false(tar_writer_begin(tar, &entry, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    const struct tar_entry negative = {.name = "a", .size = -1, .mode = 0600};
    assert_false(tar_writer_begin(tar, &negative, &err));
    assert_int_equal(tar_writer_output(tar).size, 0);
}

static void test_what_waits_is_bounded(void **state)
{
    (void)state;
    static const char piece[64 * 1024];
    const struct tar_entry entry = {.name = "a", .size = INT64_C(1) << 40, .mode = 0600};
    assert_true(tar_writer_begin(tar, &entry, &err));
    size_t pieces = 0;
    while (tar_writer_data(tar, (struct view){piece, sizeof(piece)}, &err) && pieces <= TAR_OUTPUT_MAX_BYTES)
        pieces++;
    assert_int_equal(pieces, TAR_OUTPUT_MAX_BYTES / sizeof(piece) - 1); /* the header takes of it too */
    assert_int_equal(err.code, ERR_LIMIT);
}

/* What is left undone costs neither time nor, under a sanitizer, memory. */
static void test_one_that_is_given_up(void **state)
{
    (void)state;
    const struct tar_entry entry = {.name = "a", .size = INT64_MAX / 2, .mode = 0600};
    assert_true(tar_writer_begin(tar, &entry, &err));
    assert_true(tar_writer_data(tar, VIEW_LITERAL("abc"), &err));
    tar_writer_free(tar);
    tar = tar_writer_new(&err);
    assert_non_null(tar);
    /* and one whose last header found no room */
    static const char piece[TAR_OUTPUT_MAX_BYTES - 2 * BLOCK];
    const struct tar_entry full = {.name = "b", .size = sizeof(piece), .mode = 0600};
    const struct tar_entry empty = {.name = "c", .mode = 0600};
    assert_true(tar_writer_begin(tar, &full, &err));
    assert_true(tar_writer_data(tar, (struct view){piece, sizeof(piece)}, &err));
    assert_true(tar_writer_begin(tar, &empty, &err));
    assert_false(tar_writer_begin(tar, &empty, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_name_has_a_pax_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_same_calls_make_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes_are_kept_to, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_no_archive_should_have, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_waits_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_is_given_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
