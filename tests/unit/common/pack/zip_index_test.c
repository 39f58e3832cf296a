/* Archives that are right and archives that are wrong in one place each, made byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/pack/zip_index.h"
#include "tests/harness/zip_craft.h"

static struct error err;

static const struct craft_entry base[] = {
    {.name = {"manifest.json", 13}, .content = {"{}\n", 3}},
    {.name = {"files/a", 7}, .content = {"hello hello", 11}, .method = 8, .attributes = 0100755U << 16},
    {.name = {"files/b", 7}, .content = {"world", 5}, .method = 8, .descriptor = CRAFT_SIGNED},
};

/* ---- what is taken ---- */

static void test_what_the_entries_say(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, base, COUNT_OF(base));
    SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    assert_non_null(index);
    assert_int_equal(zip_index_count(index), COUNT_OF(base));
    for (size_t i = 0; i < COUNT_OF(base); i++) {
        const struct zip_entry *entry = zip_index_entry(index, i);
        assert_true(view_is(base[i].name, entry->name));
        assert_int_equal(entry->bytes, base[i].content.size);
        assert_int_equal(entry->packed_bytes, base[i].content.size + (base[i].method == 8 ? 5 : 0));
        assert_int_equal(entry->method, base[i].method);
        assert_int_equal(entry->crc32, craft_crc32(base[i].content));
        assert_int_equal(entry->header_offset, craft.local[i]);
        assert_int_equal(entry->data_offset, craft.local[i] + 30 + base[i].name.size);
        assert_int_equal(entry->mode, i == 1 ? S_IFREG | 0755 : S_IFREG | 0644);
    }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)craft.bytes.size); /* its place is the caller's */
}

static void test_no_entries_at_all(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, NULL, 0);
    SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    assert_non_null(index);
    assert_int_equal(zip_index_count(index), 0);
}

/* With and without signature, 32 and 64 bits. */
static void test_descriptors(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (enum craft_descriptor kind = CRAFT_NONE; kind <= CRAFT_SIGNED; kind++) {
        for (int zip64 = 0; zip64 < 2; zip64++) {
            for (uint16_t method = 0; method <= 8; method = (uint16_t)(method + 8)) {
                struct craft_entry entries[] = {base[0], base[1]};
                entries[0].descriptor = entries[1].descriptor = kind;
                entries[0].zip64 = entries[1].zip64 = zip64 == 1;
                entries[0].method = entries[1].method = method;
                craft_archive(&craft, entries, COUNT_OF(entries));
                craft_expect("descriptor", craft_reason(buf_view(&craft.bytes)), NULL);
            }
        }
    }
}

/* A descriptor lets the local header leave open what it did not know, and nothing else. */
static void test_known_beforehand(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, base, COUNT_OF(base));
    craft_put(&craft, craft.local[2] + 22, 4, base[2].content.size); /* as libarchive writes it */
    craft_expect("size known", craft_reason(buf_view(&craft.bytes)), NULL);
    craft_put(&craft, craft.local[2] + 22, 4, base[2].content.size + 1);
    craft_expect("size lies", craft_reason(buf_view(&craft.bytes)), "headers_differ");
}

static void test_modes(void **state)
{
    (void)state;
    static const struct {
        uint32_t attributes;
        mode_t mode;
    } cases[] = {{0100600U << 16, S_IFREG | 0600}, {0600U << 16, S_IFREG | 0600}, {0x20, 0}, {1, 0}};
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct craft_entry entry = base[0];
        entry.attributes = cases[i].attributes;
        craft_archive(&craft, &entry, 1);
        SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
        SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
        assert_non_null(index);
        assert_int_equal(zip_index_entry(index, 0)->mode, cases[i].mode);
    }
}

/* ---- one number changed ---- */

enum record { LOCAL = 1, CENTRAL = 2, BOTH = LOCAL | CENTRAL, DESCRIPTOR = 4, END = 8 };

struct change {
    const char *what, *reason;
    enum record record;
    size_t entry;     /* of base */
    size_t at, bytes; /* field of the record; of BOTH: of the local header, 2 further in the central one */
    uint64_t value;
};

static const struct change changes[] = {
    {"encrypted", "encrypted", BOTH, 0, 6, 2, 1},
    {"strong encryption", "encrypted", BOTH, 0, 6, 2, 1 << 6},
    {"masked headers", "encrypted", BOTH, 0, 6, 2, 1 << 13},
    {"enhanced deflate", "bad_flags", BOTH, 0, 6, 2, 1 << 4},
    {"patched data", "bad_flags", BOTH, 0, 6, 2, 1 << 5},
    {"unused flag", "bad_flags", BOTH, 0, 6, 2, 1 << 7},
    {"bzip2", "bad_method", BOTH, 0, 8, 2, 12},
    {"deflate64", "bad_method", BOTH, 1, 8, 2, 9},
    {"AES", "bad_method", BOTH, 1, 8, 2, 99},
    {"local flags", "headers_differ", LOCAL, 1, 6, 2, 2},
    {"bit 3 in the local header alone", "headers_differ", LOCAL, 1, 6, 2, 8},
    {"bit 3 in the central one alone", "headers_differ", CENTRAL, 1, 8, 2, 8},
    {"local method", "headers_differ", LOCAL, 1, 8, 2, 0},
    {"local time", "headers_differ", LOCAL, 1, 10, 2, 0},
    {"local date", "headers_differ", LOCAL, 1, 12, 2, 0x21},
    {"local crc", "headers_differ", LOCAL, 1, 14, 4, 1},
    {"no local crc", "headers_differ", LOCAL, 1, 14, 4, 0},
    {"local packed size", "headers_differ", LOCAL, 1, 18, 4, 15},
    {"no local sizes", "headers_differ", LOCAL, 1, 18, 8, 0},
    {"local size", "headers_differ", LOCAL, 1, 22, 4, 12},
    {"local name", "headers_differ", LOCAL, 1, 30 + 6, 1, 'x'},
    {"local name is shorter", "headers_differ", LOCAL, 0, 26, 2, 12},
    {"central name", "headers_differ", CENTRAL, 1, 46 + 6, 1, 'x'},
    {"local crc before a descriptor", "headers_differ", LOCAL, 2, 14, 4, 1},
    {"local packed size before a descriptor", "headers_differ", LOCAL, 2, 18, 4, 9},
    {"central crc", "headers_differ", CENTRAL, 0, 16, 4, 1},
    {"descriptor's signature", "bad_descriptor", DESCRIPTOR, 2, 0, 4, 0},
    {"descriptor's crc", "bad_descriptor", DESCRIPTOR, 2, 4, 4, 1},
    {"descriptor's packed size", "bad_descriptor", DESCRIPTOR, 2, 8, 4, 11},
    {"descriptor's size", "bad_descriptor", DESCRIPTOR, 2, 12, 4, 6},
    {"crc differs from the descriptor", "bad_descriptor", CENTRAL, 2, 16, 4, 1},
    {"stored with two sizes", "sizes_differ", BOTH, 0, 22, 4, 4},
    {"deflated to nothing", "sizes_differ", BOTH, 1, 18, 4, 0},
    {"ratio bomb", "ratio_bomb", BOTH, 1, 22, 4, 16 * 1200},
    {"packed size goes too far", "overlap", BOTH, 1, 18, 4, 17},
    {"packed size goes very far", "overlap", BOTH, 1, 18, 4, 0x7fffffff},
    {"packed size ends before", "gap", BOTH, 1, 18, 4, 15},
    {"packed size of the last", "bad_descriptor", BOTH, 2, 18, 4, 12},
    {"size beyond 32 bits without zip64", "bad_zip64", CENTRAL, 1, 24, 4, UINT32_MAX},
    {"place beyond 32 bits without zip64", "bad_zip64", CENTRAL, 1, 42, 4, UINT32_MAX},
    {"local size beyond 32 bits without zip64", "bad_zip64", LOCAL, 1, 22, 4, UINT32_MAX},
    {"folder", "directory_entry", CENTRAL, 1, 38, 4, 0040755U << 16},
    {"DOS folder", "directory_entry", CENTRAL, 1, 38, 4, 0x10},
    {"volume label", "special_file", CENTRAL, 1, 38, 4, 8},
    {"symlink", "symlink", CENTRAL, 1, 38, 4, 0120777U << 16},
    {"character device", "special_file", CENTRAL, 1, 38, 4, 0020644U << 16},
    {"block device", "special_file", CENTRAL, 1, 38, 4, 0060644U << 16},
    {"FIFO", "special_file", CENTRAL, 1, 38, 4, 0010644U << 16},
    {"socket", "special_file", CENTRAL, 1, 38, 4, 0140644U << 16},
    {"no kind there is", "special_file", CENTRAL, 1, 38, 4, 0170644U << 16},
    {"setuid", "setuid", CENTRAL, 1, 38, 4, 0104755U << 16},
    {"setgid", "setgid", CENTRAL, 1, 38, 4, 0102755U << 16},
    {"sticky", "sticky", CENTRAL, 1, 38, 4, 0101755U << 16},
    {"world-writable", "world_writable", CENTRAL, 1, 38, 4, 0100666U << 16},
    {"setuid without a kind", "setuid", CENTRAL, 1, 38, 4, 0004755U << 16},
    {"entry comment", "entry_comment", CENTRAL, 2, 32, 2, 1},
    {"starts on another disk", "multi_disk", CENTRAL, 1, 34, 2, 1},
    {"local extra goes too far", "bad_extra_field", LOCAL, 2, 28, 2, 200},
    {"local name goes too far", "overlap", LOCAL, 2, 26, 2, 1000},
    {"local name is very long", "path_too_long", LOCAL, 2, 26, 2, 2000},
    {"central extra goes too far", "bad_extra_field", CENTRAL, 2, 30, 2, 200},
    {"central name goes too far", "overlap", CENTRAL, 2, 28, 2, 1000},
    {"central name is very long", "path_too_long", CENTRAL, 2, 28, 2, 2000},
    {"central signature", "bad_directory", CENTRAL, 1, 0, 4, 0},
    {"local signature", "no_local_header", LOCAL, 1, 0, 4, 0},
    {"begins a byte later", "gap", CENTRAL, 1, 42, 4, 47},
    {"begins a byte earlier", "overlap", CENTRAL, 1, 42, 4, 45},
    {"begins where the first does", "overlap", CENTRAL, 1, 42, 4, 0},
    {"begins in the directory", "overlap", CENTRAL, 2, 42, 4, 300},
    {"begins far behind", "overlap", CENTRAL, 2, 42, 4, 0x7fffffff},
    {"the first begins later", "unlisted_entry", CENTRAL, 0, 42, 4, 1},
    {"one entry more", "bad_directory", END, 0, 8, 4, 0x00040004},
    {"one entry less", "bad_directory", END, 0, 8, 4, 0x00020002},
    {"entries on this disk", "multi_disk", END, 0, 8, 2, 2},
    {"this disk", "multi_disk", END, 0, 4, 2, 1},
    {"the directory's disk", "multi_disk", END, 0, 6, 2, 1},
    {"20,003 entries", "too_many_entries", END, 0, 8, 4, 0x4e234e23},
    {"65,535 entries", "too_many_entries", END, 0, 8, 4, 0xffffffff},
    {"directory is larger than the file", "bad_directory", END, 0, 12, 4, 100000},
    {"directory is a byte smaller", "bad_directory", END, 0, 12, 4, 164},
    {"directory begins a byte earlier", "bad_directory", END, 0, 16, 4, 170},
    {"directory begins behind the file", "bad_directory", END, 0, 16, 4, 0x7fffffff},
    {"directory beyond 32 bits without zip64", "bad_zip64", END, 0, 16, 4, UINT32_MAX},
    {"the comment is cut off", "no_end_record", END, 0, 20, 2, 1},
    {"end signature", "no_end_record", END, 0, 0, 4, 0},
};

static void apply(struct craft *craft, const struct change *change)
{
    const size_t central_at = change->record == BOTH ? change->at + 2 : change->at;
    if ((change->record & LOCAL) != 0)
        craft_put(craft, craft->local[change->entry] + change->at, change->bytes, change->value);
    if ((change->record & CENTRAL) != 0)
        craft_put(craft, craft->central[change->entry] + central_at, change->bytes, change->value);
    if (change->record == DESCRIPTOR)
        craft_put(craft, craft->descriptor[change->entry] + change->at, change->bytes, change->value);
    if (change->record == END)
        craft_put(craft, craft->end + change->at, change->bytes, change->value);
}

static void test_one_number_changed(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        craft_archive(&craft, base, COUNT_OF(base));
        apply(&craft, &changes[i]);
        craft_expect(changes[i].what, craft_reason(buf_view(&craft.bytes)), changes[i].reason);
    }
}

/* ---- structure ---- */

static void test_cut_off_anywhere(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, base, COUNT_OF(base));
    for (size_t size = 0; size < craft.bytes.size; size++)
        craft_expect("cut", craft_reason((struct view){craft.bytes.data, size}), "no_end_record");
}

static void test_loose_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *reason;
        struct view between, before_end, after;
    } cases[] = {
        {"gap", {"x", 1}, {NULL, 0}, {NULL, 0}}, /* before the directory */
        {"gap", {"0123456789012345678901234567890", 31}, {NULL, 0}, {NULL, 0}},
        {"bad_directory", {NULL, 0}, {"x", 1}, {NULL, 0}},
        {"trailing_bytes", {NULL, 0}, {NULL, 0}, {"x", 1}},
        {"trailing_bytes", {NULL, 0}, {NULL, 0}, {"PK\5\6", 4}},
    };
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        craft_loose(&craft, base, 2, cases[i].between, cases[i].before_end, cases[i].after);
        craft_expect("loose", craft_reason(buf_view(&craft.bytes)), cases[i].reason);
    }
    craft_loose(&craft, base, 3, VIEW_LITERAL("x"), (struct view){NULL, 0}, (struct view){NULL, 0});
    craft_expect("behind a descriptor", craft_reason(buf_view(&craft.bytes)), "bad_descriptor");
}

static void test_bytes_before_an_entry(void **state)
{
    (void)state;
    static const char *const reasons[] = {"leading_bytes", "gap", "gap"};
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(base); i++) {
        struct craft_entry entries[] = {base[0], base[1], base[2]};
        entries[i].before = VIEW_LITERAL("#!/bin/sh\n");
        craft_archive(&craft, entries, COUNT_OF(entries));
        craft_expect("before", craft_reason(buf_view(&craft.bytes)), reasons[i]);
    }
}

/* What goes before an archive without its offsets being moved: Python's zipfile reads it nevertheless. */
static void test_a_program_before_the_archive(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    SCOPE_BUF struct buf bytes = BUF_LIMIT(CRAFT_MAX_BYTES);
    craft_archive(&craft, base, COUNT_OF(base));
    buf_append_text(&bytes, "#!/bin/sh\nexit 0\n");
    buf_append_view(&bytes, buf_view(&craft.bytes));
    craft_expect("program", craft_reason(buf_view(&bytes)), "leading_bytes");
}

static void test_two_archives(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    SCOPE_BUF struct buf bytes = BUF_LIMIT(CRAFT_MAX_BYTES);
    craft_archive(&craft, base, COUNT_OF(base));
    buf_append_view(&bytes, buf_view(&craft.bytes));
    buf_append_view(&bytes, buf_view(&craft.bytes));
    craft_expect("two archives", craft_reason(buf_view(&bytes)), "two_end_records");
}

static void test_two_end_records(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    char end[22];
    craft_archive(&craft, base, COUNT_OF(base));
    memcpy(end, craft.bytes.data + craft.end, sizeof(end));
    buf_append(&craft.bytes, end, sizeof(end));
    craft_expect("twice", craft_reason(buf_view(&craft.bytes)), "two_end_records");
    craft_put(&craft, craft.end + 20, 2, sizeof(end)); /* the second is the first one's comment */
    craft_expect("in the comment", craft_reason(buf_view(&craft.bytes)), "two_end_records");
}

static void test_an_archive_comment(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, base, COUNT_OF(base));
    buf_append_text(&craft.bytes, "hi");
    craft_put(&craft, craft.end + 20, 2, 2);
    craft_expect("comment", craft_reason(buf_view(&craft.bytes)), "archive_comment");
    craft_put(&craft, craft.end + 20, 2, 1);
    craft_expect("longer", craft_reason(buf_view(&craft.bytes)), "trailing_bytes");
}

static void test_in_one_of_the_two_alone(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(base); i++) {
        struct craft_entry entries[] = {base[0], base[1], base[2]};
        entries[i].not_listed = true;
        craft_archive(&craft, entries, COUNT_OF(entries));
        craft_expect("not listed", craft_reason(buf_view(&craft.bytes)), "unlisted_entry");
        entries[i].not_listed = false;
        entries[i].only_listed = i > 0;
        craft_archive(&craft, entries, COUNT_OF(entries));
        craft_expect("only listed", craft_reason(buf_view(&craft.bytes)), i > 0 ? "overlap" : NULL);
    }
}

static void test_another_order(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    craft_archive(&craft, base, 2);
    char central[46 + 13 + 46 + 7];
    assert_int_equal(craft.end - craft.directory, sizeof(central));
    memcpy(central, craft.bytes.data + craft.central[1], 46 + 7);
    memcpy(central + 46 + 7, craft.bytes.data + craft.central[0], 46 + 13);
    memcpy(craft.bytes.data + craft.directory, central, sizeof(central));
    craft_expect("order", craft_reason(buf_view(&craft.bytes)), "unlisted_entry");
}

static void test_no_regular_file(void **state)
{
    (void)state;
    SCOPE_FD int null = open("/dev/null", O_RDONLY);
    craft_expect("device", craft_reason_fd(null), "not_a_file");
    SCOPE_FD int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
    craft_expect("folder", craft_reason_fd(folder), "not_a_file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_entries_say),
        cmocka_unit_test(test_no_entries_at_all),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_known_beforehand),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_one_number_changed),
        cmocka_unit_test(test_cut_off_anywhere),
        cmocka_unit_test(test_loose_bytes),
        cmocka_unit_test(test_bytes_before_an_entry),
        cmocka_unit_test(test_a_program_before_the_archive),
        cmocka_unit_test(test_two_archives),
        cmocka_unit_test(test_two_end_records),
        cmocka_unit_test(test_an_archive_comment),
        cmocka_unit_test(test_in_one_of_the_two_alone),
        cmocka_unit_test(test_another_order),
        cmocka_unit_test(test_no_regular_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
