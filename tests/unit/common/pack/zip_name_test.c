#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/pack/zip_index.h"
#include "common/pack/zip_name.h"
#include "tests/harness/zip_craft.h"

enum { MAX_BYTES = 40 };

static struct error err;

static void expect(const char *what, bool taken, const char *expected)
{
    assert_true(taken || err.code == ERR_INPUT);
    craft_expect(what, taken ? NULL : err.reason, expected);
}

struct name_case {
    const char *reason; /* NULL: taken */
    struct view name;
};
#define NAME(text)                                                                                           \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

static const struct name_case names[] = {
    {NULL, NAME("manifest.json")},
    {NULL, NAME("files/bin/portal")},
    {NULL, NAME("files/.hidden/..x/x..y")},
    {NULL, NAME("files/with blank")},
    {NULL, NAME("files/\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87")},
    {NULL, NAME("files/a:b")},
    {NULL, NAME("0123456789012345678901234567890123456789")},
    {"path_too_long", NAME("01234567890123456789012345678901234567890")},
    {"empty_name", NAME("")},
    {"name_nul", NAME("files/a\0.txt")},
    {"name_control", NAME("files/a\n")},
    {"name_control", NAME("files/\x1b[2J")},
    {"name_control", NAME("files/\x7f")},
    {"name_control", NAME("files/\xc2\x85")}, /* C1: next line */
    {"name_not_utf8", NAME("files/\xe9")},
    {"name_not_utf8", NAME("files/\xc0\xaf")},         /* an overlong slash */
    {"name_not_utf8", NAME("files/\xed\xa0\x80")},     /* a surrogate */
    {"name_not_utf8", NAME("files/\xf4\x90\x80\x80")}, /* above U+10FFFF */
    {"backslash", NAME("files\\a")},
    {"backslash", NAME("..\\a")},
    {"drive_letter", NAME("C:/a")},
    {"drive_letter", NAME("z:a")},
    {"absolute_path", NAME("/etc/passwd")},
    {"absolute_path", NAME("//a")},
    {"absolute_path", NAME("/")},
    {"path_traversal", NAME("..")},
    {"path_traversal", NAME("../a")},
    {"path_traversal", NAME("files/../../a")},
    {"path_traversal", NAME("files/..")},
    {"dot_part", NAME(".")},
    {"dot_part", NAME("./a")},
    {"dot_part", NAME("files/./a")},
    {"empty_part", NAME("files//a")},
    {"empty_part", NAME("files//")},
    {"directory_entry", NAME("files/")},
    {"trailing_dot", NAME("files/a.")},
    {"trailing_dot", NAME("files/a /b")},
    {"trailing_dot", NAME("files/...")},
    {"trailing_dot", NAME("files/ ")},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        expect(names[i].name.data, zip_name_check(names[i].name, MAX_BYTES, &err), names[i].reason);
}

/* The index refuses with the same words what an archive has. */
static void test_names_in_an_archive(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct craft_entry entry = {.name = names[i].name, .flags = 1 << 11};
        craft_archive(&craft, &entry, 1);
        SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
        SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
        bool shorter = names[i].name.size <= MAX_BYTES;
        expect(names[i].name.data, index != NULL, shorter ? names[i].reason : NULL);
    }
}

static void test_a_name_must_say_that_it_is_utf8(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    struct craft_entry entry = {.name = NAME("files/\xc3\xa9")};
    craft_archive(&craft, &entry, 1);
    SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
    expect("cp437", zip_index_read(fd, &err) != NULL, "name_encoding");
}

static void test_the_longest_names(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'a', sizeof(name));
    expect("255", zip_name_check((struct view){name, 255}, sizeof(name), &err), NULL);
    expect("256", zip_name_check((struct view){name, 256}, sizeof(name), &err), "part_too_long");
    name[255] = '/';
    expect("255/44", zip_name_check((struct view){name, 300}, sizeof(name), &err), NULL);
}

struct pair_case {
    const char *reason; /* NULL: both may be there */
    const char *a, *b;
};

static const struct pair_case pairs[] = {
    {NULL, "files/a", "files/b"},
    {NULL, "files/a", "files/a.b"},
    {NULL, "a/x", "b/x"},
    {NULL, "files/ab/c", "files/a"},
    {"duplicate_entry", "manifest.json", "manifest.json"},
    {"duplicate_entry", "files/\xc3\xa9", "files/\xc3\xa9"},
    {"case_clash", "files/README", "files/readme"},
    {"case_clash", "Files/a", "files/b"}, /* one folder in two spellings */
    {"case_clash", "files/A/x", "files/a/y"},
    {"case_clash", "files/\xd0\x96", "files/\xd0\xb6"}, /* Cyrillic zhe */
    {"case_clash", "files/\xd2\x90", "files/\xd2\x91"}, /* Ukrainian ghe with upturn */
    {"case_clash", "files/\xd0\x84", "files/\xd1\x94"}, /* Ukrainian ye */
    {"case_clash", "files/\xc3\x9c", "files/\xc3\xbc"}, /* u with diaeresis */
    {"case_clash", "files/\xc4\x80", "files/\xc4\x81"}, /* a with macron */
    {"case_clash", "files/\xce\xa3", "files/\xcf\x82"}, /* sigma and final sigma */
    {"case_clash", "files/\xe2\x84\xaa", "files/k"},    /* the Kelvin sign */
    {NULL, "files/\xc4\x81", "files/\xc4\x82"},         /* neighbours, not a pair */
    {NULL, "files/\xc3\x97", "files/\xc3\xb7"},         /* times and division are no letters */
    {"file_and_folder", "files/a", "files/a/b"},
    {"file_and_folder", "files/a", "files/a/b/c"},
    {"file_and_folder", "files/A", "files/a/b"},
};

static void test_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const struct pair_case *pair = &pairs[i];
        int order = zip_name_compare(pair->a, pair->b);
        assert_int_equal(order, -zip_name_compare(pair->b, pair->a));
        bool first = order <= 0;
        expect(pair->a, zip_name_both(first ? pair->a : pair->b, first ? pair->b : pair->a, &err),
               pair->reason);
    }
}

/* Between the two lie names that would part them in the order of bytes. */
static void test_pairs_in_an_archive(void **state)
{
    (void)state;
    SCOPE_CRAFT struct craft craft = CRAFT;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct craft_entry entries[] = {{.name = view_of(pairs[i].a)},
                                        {.name = NAME("files/a-")},
                                        {.name = NAME("files/a.0")},
                                        {.name = NAME("zzz")},
                                        {.name = view_of(pairs[i].b)}};
        for (size_t j = 0; j < COUNT_OF(entries); j++)
            entries[j].flags = 1 << 11;
        craft_archive(&craft, entries, COUNT_OF(entries));
        SCOPE_FD int fd = craft_file(buf_view(&craft.bytes));
        SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
        expect(pairs[i].a, index != NULL, pairs[i].reason);
    }
}

static void test_what_is_refused_is_shown_harmless(void **state)
{
    (void)state;
    assert_false(zip_name_check((struct view)NAME("a\0b\x1b[2J\xff"), MAX_BYTES, &err));
    assert_string_equal(err.text, "a?b?[2J? has a NUL in its name");
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "name_nul");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_in_an_archive),
        cmocka_unit_test(test_a_name_must_say_that_it_is_utf8),
        cmocka_unit_test(test_the_longest_names),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_in_an_archive),
        cmocka_unit_test(test_what_is_refused_is_shown_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
