/* Extra fields and zip64, as the reader finds them in archives made byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/zip_craft.h"

static const struct craft_entry base[] = {
    {.name = {"manifest.json", 13}, .content = {"{}\n", 3}},
    {.name = {"files/a", 7}, .content = {"hello hello", 11}, .method = 8},
};

/* ---- extra fields ---- */

#define EXTRA(text)                                                                                          \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

static void test_extra_fields(void **state)
{
    (void)state;
    static const struct {
        const char *what, *reason;
        struct view extra;
    } cases[] = {
        {"UT", NULL, EXTRA("UT\5\0\1\0\0\0\0")},
        {"UT without a time", NULL, EXTRA("UT\1\0\0")},
        {"UT and ux", NULL, EXTRA("UT\5\0\3\0\0\0\0ux\13\0\1\4\0\0\0\0\4\0\0\0\0")},
        {"UT twice", "bad_extra_field", EXTRA("UT\1\0\0UT\1\0\0")},
        {"UT too long", "bad_extra_field", EXTRA("UT\16\0\7aaaabbbbccccd")},
        {"UT empty", "bad_extra_field", EXTRA("UT\0\0")},
        {"cut off", "bad_extra_field", EXTRA("UT\5\0\1\0\0\0")},
        {"rest", "bad_extra_field", EXTRA("UT\1\0\0xyz")},
        {"NTFS", "bad_extra_field", EXTRA("\x0a\0\4\0\0\0\0\0")},
        {"Unicode path", "unicode_path", EXTRA("up\6\0\1\0\0\0\0a")},
        {"Unicode comment", "entry_comment", EXTRA("uc\6\0\1\0\0\0\0a")},
        {"PKWARE Unix", "hard_link", EXTRA("\x0d\0\15\0aaaammmmuuggx")},
        {"ASi Unix", "hard_link", EXTRA("nu\1\0x")},
        {"AES", "encrypted", EXTRA("\1\x99\7\0\1\0AE\3\0\0")},
        {"strong encryption", "encrypted", EXTRA("\x17\0\1\0x")},
        {"zip64 not needed", "bad_zip64", EXTRA("\1\0\x10\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0")},
        {"zip64 empty", "bad_zip64", EXTRA("\1\0\0\0")},
    };
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct craft_entry entries[] = {base[0], base[1]};
        entries[1].local_extra = cases[i].extra;
        craft_archive(&craft, entries, COUNT_OF(entries));
        craft_expect(cases[i].what, craft_reason(buf_view(&craft.bytes)), cases[i].reason);
        entries[1].local_extra = (struct view){NULL, 0};
        entries[1].central_extra = cases[i].extra;
        craft_archive(&craft, entries, COUNT_OF(entries));
        craft_expect(cases[i].what, craft_reason(buf_view(&craft.bytes)), cases[i].reason);
    }
}

/* ---- zip64 ---- */

/* Python's zipfile up to 3.11.3, asked for zip64: the sizes stay where they are and are said again in zip64.
 */
static void test_sizes_said_twice(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    struct craft_entry entry = base[0];
    entry.zip64 = true;
    craft_archive(&craft, &entry, 1);
    craft_put(&craft, 18, 4, entry.content.size);
    craft_put(&craft, 22, 4, entry.content.size);
    craft_expect("the same", craft_reason(buf_view(&craft.bytes)), NULL);
    craft_put(&craft, 22, 4, entry.content.size + 1);
    craft_expect("not the same", craft_reason(buf_view(&craft.bytes)), "bad_zip64");
}

static void test_a_small_size_in_zip64(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    struct craft_entry entry = base[0];
    entry.central_extra = (struct view)EXTRA("\1\0\10\0\3\0\0\0\0\0\0\0");
    craft_archive(&craft, &entry, 1);
    craft_put(&craft, craft.central[0] + 24, 4, UINT32_MAX);
    craft_expect("right, and not needed", craft_reason(buf_view(&craft.bytes)), "bad_zip64");
}

enum { GIB = 1024 * 1024 * 1024 };

struct large {
    uint64_t entries, offset, end64; /* as its records say */
    uint32_t offset32;
    bool no_end64;
    uint64_t extra_size;
};

/* One stored entry of `size` bytes that are a hole, then directory and zip64 end record; a made-up file. */
static int large_file(uint64_t size, const struct large *change)
{
    SCOPE_BUF struct buf head = BUF_LIMIT(4096);
    SCOPE_BUF struct buf tail = BUF_LIMIT(4096);
    bool wide = size >= 2ULL * GIB; /* as Python's zipfile */
    uint64_t size32 = wide ? UINT32_MAX : size;
    craft_append(&head, 4, 0x04034b50);
    craft_append(&head, 2 + 2 + 2 + 4 + 4, 45);
    craft_append(&head, 4, size32);
    craft_append(&head, 4, size32);
    craft_append(&head, 2, 1);
    craft_append(&head, 2, wide ? 20 : 0);
    buf_append_text(&head, "x");
    if (wide) {
        craft_append(&head, 4, 0x00100001);
        craft_append(&head, 8, size);
        craft_append(&head, 8, size);
    }
    uint64_t directory = head.size + size;
    craft_append(&tail, 4, 0x02014b50);
    craft_append(&tail, 2, 3 << 8 | 45);
    craft_append(&tail, 2 + 2 + 2 + 4 + 4, 45);
    craft_append(&tail, 4, size32);
    craft_append(&tail, 4, size32);
    craft_append(&tail, 2, 1);
    craft_append(&tail, 2, wide ? 20 : 0);
    craft_append(&tail, 2 + 2 + 2, 0);
    craft_append(&tail, 4, 0100644U << 16);
    craft_append(&tail, 4, 0);
    buf_append_text(&tail, "x");
    if (wide) {
        craft_append(&tail, 4, 0x00100001);
        craft_append(&tail, 8, size + change->extra_size);
        craft_append(&tail, 8, size);
    }
    uint64_t bytes = tail.size;
    if (!change->no_end64) {
        craft_append(&tail, 4, 0x06064b50);
        craft_append(&tail, 8, 44);
        craft_append(&tail, 2 + 2 + 4 + 4, 45 | 45 << 16);
        craft_append(&tail, 8, 1);
        craft_append(&tail, 8, 1 + change->entries);
        craft_append(&tail, 8, bytes);
        craft_append(&tail, 8, directory + change->offset);
        craft_append(&tail, 4, 0x07064b50);
        craft_append(&tail, 4, 0);
        craft_append(&tail, 8, directory + bytes + change->end64);
        craft_append(&tail, 4, 1);
    }
    craft_append(&tail, 4, 0x06054b50);
    craft_append(&tail, 4, 0);
    craft_append(&tail, 4, 0x00010001);
    craft_append(&tail, 4, bytes);
    craft_append(&tail, 4, (directory < UINT32_MAX ? directory : UINT32_MAX) + change->offset32);
    craft_append(&tail, 2, 0);
    int fd = craft_file(buf_view(&head));
    assert_int_equal(pwrite(fd, tail.data, tail.size, (off_t)directory), (ssize_t)tail.size);
    return fd;
}

static void test_zip64(void **state)
{
    (void)state;
    static const struct {
        const char *what, *reason;
        uint64_t size;
        struct large change;
    } cases[] = {
        {"5 GiB", NULL, 5ULL * GIB, {0}},
        {"3 GiB, as Python writes it", NULL, 3ULL * GIB, {0}},
        {"1 GiB has no need of it", "bad_zip64", GIB, {0}},
        {"1 GiB without", NULL, GIB, {.no_end64 = true}},
        {"5 GiB without", "bad_zip64", 5ULL * GIB, {.no_end64 = true}},
        {"entries differ", "bad_zip64", 5ULL * GIB, {.entries = 1}},
        {"the directory is elsewhere", "bad_directory", 5ULL * GIB, {.offset = 1}},
        {"the record is elsewhere", "bad_zip64", 5ULL * GIB, {.end64 = 1}},
        {"two places of the directory", "bad_zip64", 3ULL * GIB, {.offset32 = 1}},
        {"two sizes", "sizes_differ", 5ULL * GIB, {.extra_size = 1}},
        {"size beyond 63 bits", "sizes_differ", 5ULL * GIB, {.extra_size = 1ULL << 63}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        SCOPE_FD int fd = large_file(cases[i].size, &cases[i].change);
        craft_expect(cases[i].what, craft_reason_fd(fd), cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extra_fields),
        cmocka_unit_test(test_sizes_said_twice),
        cmocka_unit_test(test_a_small_size_in_zip64),
        cmocka_unit_test(test_zip64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
