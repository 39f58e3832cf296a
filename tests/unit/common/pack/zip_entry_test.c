/* The content of entries: what is stored and deflated comes out, what is damaged or lies is refused, and no
 * more than an entry says is ever handed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/pack/zip_index.h"
#include "tests/harness/zip_craft.h"

enum { TAKEN_MAX_BYTES = 64 * 1024 * 1024, LARGE_BYTES = 60000 };

static struct error err;
static struct buf taken = BUF_LIMIT(TAKEN_MAX_BYTES);

static bool take(void *context, struct view piece, struct error *take_err)
{
    (void)context;
    assert_true(buf_append_view(&taken, piece));
    (void)take_err;
    return true;
}

static bool take_no_more(void *context, struct view piece, struct error *take_err)
{
    size_t *calls = context;
    (void)piece;
    (*calls)++;
    return error_set(take_err, ERR_SPACE, "no room for it");
}

static int teardown(void **state)
{
    (void)state;
    buf_clear(&taken);
    return 0;
}

static bool read_entry(struct view bytes, const struct zip_entry *entry)
{
    SCOPE_FD int fd = craft_file(bytes);
    buf_reset(&taken);
    err = (struct error){.code = ERR_NONE};
    return zip_entry_read(fd, entry, take, NULL, &err);
}

static void test_content(void **state)
{
    (void)state;
    static char large[LARGE_BYTES];
    const struct view contents[] = {{NULL, 0}, {"x", 1}, {"hello", 5}, {large, sizeof(large)}};
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * i >> 7);
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        struct craft_entry entries[] = {
            {.name = {"stored", 6}, .content = contents[i]},
            {.name = {"deflated", 8}, .content = contents[i], .method = 8},
            {.name = {"descriptor", 10}, .content = contents[i], .method = 8, .descriptor = CRAFT_PLAIN},
            {.name = {"64", 2}, .content = contents[i], .zip64 = true, .descriptor = CRAFT_SIGNED},
        };
        craft_archive(&craft, entries, COUNT_OF(entries));
        SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
        SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
        assert_non_null(index);
        for (size_t j = 0; j < COUNT_OF(entries); j++) {
            buf_reset(&taken);
            assert_true(zip_entry_read(fd, zip_index_entry(index, j), take, NULL, &err));
            assert_true(view_equal(buf_view(&taken), contents[i]));
        }
    }
}

/* Packed bytes as they are, and what an entry says about them. */
struct data_case {
    const char *what, *reason; /* NULL: taken */
    struct view packed;
    uint64_t bytes; /* that it says */
    uint16_t method;
    const char *content; /* of the CRC-32 that it says */
};
#define PACKED(text)                                                                                         \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

static const struct data_case data_cases[] = {
    {"stored", NULL, PACKED("hello"), 5, ZIP_STORE, "hello"},
    {"deflated, fixed codes", NULL, PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00"), 5, ZIP_DEFLATE, "hello"},
    {"deflated to nothing", NULL, PACKED("\x03\x00"), 0, ZIP_DEFLATE, ""},
    {"another CRC, stored", "wrong_crc", PACKED("hello"), 5, ZIP_STORE, "hellO"},
    {"another CRC, deflated", "wrong_crc", PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00"), 5, ZIP_DEFLATE, "hellO"},
    {"says less", "wrong_size", PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00"), 4, ZIP_DEFLATE, "hell"},
    {"says nothing", "wrong_size", PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00"), 0, ZIP_DEFLATE, ""},
    {"says more", "wrong_size", PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00"), 6, ZIP_DEFLATE, "hello"},
    {"ends in the middle", "bad_data", PACKED("\xcb\x48\xcd\xc9\xc9"), 5, ZIP_DEFLATE, "hello"},
    {"no deflate at all", "bad_data", PACKED("\xff\xff\xff\xff\xff"), 5, ZIP_DEFLATE, "hello"},
    {"goes on behind its end", "bad_data", PACKED("\xcb\x48\xcd\xc9\xc9\x07\x00rest"), 5, ZIP_DEFLATE,
     "hello"},
    {"a distance before the beginning", "bad_data", PACKED("\x4b\x04\x82\xff\xff"), 9, ZIP_DEFLATE, "x"},
};

static void test_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(data_cases); i++) {
        const struct data_case *data = &data_cases[i];
        const struct zip_entry entry = {.name = "x",
                                        .packed_bytes = data->packed.size,
                                        .bytes = data->bytes,
                                        .method = data->method,
                                        .crc32 = craft_crc32(view_of(data->content))};
        bool ok = read_entry(data->packed, &entry);
        assert_true(ok || err.code == ERR_INPUT);
        craft_expect(data->what, ok ? NULL : err.reason, data->reason);
        assert_true(taken.size <= data->bytes);
        assert_true(!ok || view_is(buf_view(&taken), data->content));
    }
}

/* One stored block after another, 64 KiB each, as an entry that says it has 10 bytes: it ends at the first.
 */
static void test_endless_data(void **state)
{
    (void)state;
    enum { BLOCKS = 100, BLOCK_BYTES = 65535 };
    SCOPE_BUF struct buf packed = BUF_LIMIT(TAKEN_MAX_BYTES);
    static char zeros[BLOCK_BYTES];
    for (int i = 0; i < BLOCKS; i++) {
        craft_append(&packed, 1, 0);
        craft_append(&packed, 4, 0x0000ffff);
        assert_true(buf_append(&packed, zeros, sizeof(zeros)));
    }
    const struct zip_entry entry = {
        .name = "x", .packed_bytes = packed.size, .bytes = 10, .method = ZIP_DEFLATE};
    assert_false(read_entry(buf_view(&packed), &entry));
    craft_expect("endless", err.reason, "wrong_size");
    assert_int_equal(taken.size, 0);
}

static void test_who_takes_may_refuse(void **state)
{
    (void)state;
    static char large[1024 * 1024];
    size_t calls = 0;
    const struct zip_entry entry = {
        .name = "x", .packed_bytes = sizeof(large), .bytes = sizeof(large), .method = ZIP_STORE};
    SCOPE_FD int fd = craft_file((struct view){large, sizeof(large)});
    assert_false(zip_entry_read(fd, &entry, take_no_more, &calls, &err));
    assert_int_equal(err.code, ERR_SPACE);
    assert_int_equal(calls, 1);
}

/* The file was whole when its index was read. */
static void test_a_file_that_became_shorter(void **state)
{
    (void)state;
    const struct zip_entry entry = {.name = "x", .packed_bytes = 10, .bytes = 10, .method = ZIP_STORE};
    assert_false(read_entry(VIEW_LITERAL("hello"), &entry));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_null(err.reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_content, teardown),
        cmocka_unit_test_teardown(test_data, teardown),
        cmocka_unit_test_teardown(test_endless_data, teardown),
        cmocka_unit_test_teardown(test_who_takes_may_refuse, teardown),
        cmocka_unit_test_teardown(test_a_file_that_became_shorter, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
