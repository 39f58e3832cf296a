#include "updater/pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/test_folder.h"

static int set_up(void **state)
{
    struct test_folder *root = calloc(1, sizeof(*root));
    *state = root;
    return root != NULL && test_folder_make(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    test_folder_remove(*state);
    free(*state);
    return 0;
}

static void add(const struct test_folder *root, const char *event, int64_t time_us)
{
    struct history_entry entry = {.time_us = time_us, .version = "1.2.0", .by = "operator"};
    snprintf(entry.event, sizeof(entry.event), "%s", event);
    assert_true(update_history_add(root->path, &entry, NULL));
}

static void the_newest_come_first(void **state)
{
    struct test_folder *root = *state;
    struct history_entry entries[3];
    size_t count = 99;
    assert_true(update_history_read(root->path, entries, 3, &count, NULL));
    assert_int_equal(count, 0);
    add(root, "queued", 1000000);
    add(root, "approved", 2000000);
    add(root, "applied", 3000000);
    add(root, "committed", 4000000);
    assert_true(update_history_read(root->path, entries, 3, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(entries[0].event, "committed");
    assert_int_equal(entries[0].time_us, 4000000);
    assert_string_equal(entries[2].event, "approved");
    assert_string_equal(entries[0].by, "operator");
}

static void a_torn_line_is_passed_over(void **state)
{
    struct test_folder *root = *state;
    struct history_entry entries[8];
    size_t count;
    add(root, "queued", 1000000);
    FILE *file = fopen(test_folder_path(root, "pending_update/history.jsonl").text, "a");
    assert_non_null(file);
    assert_true(fputs("{\"time\":\"2026-02-22T10:00:00Z\",\"eve", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_true(update_history_read(root->path, entries, 8, &count, NULL));
    assert_int_equal(count, 1);
    add(root, "approved", 2000000);
    assert_true(update_history_read(root->path, entries, 8, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].event, "approved");
    assert_string_equal(entries[1].event, "queued");
}

/* Who may write in the folder may not lead root's pen elsewhere. */
static void it_is_written_into_no_link(void **state)
{
    struct test_folder *root = *state;
    struct history_entry entry = {.event = "queued", .version = "1.2.0"};
    assert_true(folder_make_all(test_folder_path(root, "pending_update").text, 0755, NULL));
    assert_true(test_folder_write(root, "victim", ""));
    struct path history = test_folder_path(root, "pending_update/history.jsonl");
    assert_int_equal(symlink("../victim", history.text), 0);
    assert_false(update_history_add(root->path, &entry, NULL));
    assert_int_equal(unlink(history.text), 0);
    assert_int_equal(link(test_folder_path(root, "victim").text, history.text), 0);
    assert_false(update_history_add(root->path, &entry, NULL));
    assert_true(test_folder_has(root, "victim", ""));
}

static void a_long_one_is_read_from_its_end(void **state)
{
    struct test_folder *root = *state;
    struct history_entry entries[2];
    size_t count;
    assert_true(folder_make_all(test_folder_path(root, "pending_update").text, 0755, NULL));
    FILE *file = fopen(test_folder_path(root, "pending_update/history.jsonl").text, "w");
    assert_non_null(file);
    for (int i = 0; i < 40000; i++)
        assert_true(fprintf(file,
                            "{\"time\":\"2026-02-22T10:00:00Z\",\"event\":\"queued\",\"version\":\"1.%d.0\","
                            "\"previous\":\"\",\"by\":\"\",\"reason\":\"\",\"text\":\"\"}\n",
                            i) > 0);
    assert_int_equal(fclose(file), 0);
    assert_true(update_history_read(root->path, entries, 2, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].version, "1.39999.0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_come_first),
        TEST(a_torn_line_is_passed_over),
        TEST(it_is_written_into_no_link),
        TEST(a_long_one_is_read_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
