#include "updater/backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "common/pack/zip_index.h"
#include "tests/harness/update_place.h"

static int set_up(void **state)
{
    return update_place_make(state, NULL);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

static const char *const removals[] = {"share/a.txt", "share/not there"};
static struct manifest_file files[] = {{.path = "bin/watchdog", .size = 3, .mode = 0755},
                                       {.path = "bin/new", .size = 3, .mode = 0755}};

static bool make(const struct update_place *place, int snapshot, char name[BACKUP_NAME_BYTES])
{
    const struct manifest manifest = {
        .files = files, .file_count = 2, .removals = (const char **)(uintptr_t)removals, .removal_count = 2};
    const struct backup_request request = {"1.0.0", &manifest, snapshot, "telemetry.db"};
    return backup_make(place->root.path, &request, &place->time.clock, name, NULL);
}

static void it_holds_what_goes(void **state)
{
    const struct update_place *place = *state;
    char name[BACKUP_NAME_BYTES];
    assert_true(test_folder_write(&place->root, "snapshot", "made up"));
    SCOPE_FD int snapshot = open(test_folder_path(&place->root, "snapshot").text, O_RDONLY | O_CLOEXEC);
    assert_true(make(place, snapshot, name));
    assert_string_equal(name, "backup_v1.0.0_20260222_100000.zip");
    struct path path = test_folder_path(&place->root, "backups/backup_v1.0.0_20260222_100000.zip");
    SCOPE_FD int zip = open(path.text, O_RDONLY | O_CLOEXEC);
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(zip, NULL);
    assert_non_null(index);
    static const char *const expected[] = {"version.txt", "release/bin/watchdog", "release/share/a.txt",
                                           "data/telemetry.db"};
    assert_int_equal(zip_index_count(index), COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_string_equal(zip_index_entry(index, i)->name, expected[i]);
    assert_int_equal(zip_index_entry(index, 3)->bytes, sizeof("made up") - 1);
    assert_false(update_place_has(place, "backups/.backup.zip.tmp"));
}

static void the_newest_three_stay_by_their_time(void **state)
{
    struct update_place *place = *state;
    char name[BACKUP_NAME_BYTES];
    static const char *const there[] = {"backups/backup_v9.0.0_20260101_100000.zip",
                                        "backups/backup_v0.1.0_20260201_100000.zip",
                                        "backups/backup_v0.2.0_20260202_100000.zip",
                                        "backups/backup_v0.3.0_20260203_100000.zip", "backups/notes.zip"};
    for (size_t i = 0; i < COUNT_OF(there); i++)
        assert_true(test_folder_write(&place->root, there[i], "made up"));
    assert_true(make(place, -1, name));
    assert_false(update_place_has(place, there[0]));
    assert_false(update_place_has(place, there[1]));
    assert_true(update_place_has(place, there[2]));
    assert_true(update_place_has(place, there[3]));
    assert_true(update_place_has(place, there[4]));
}

static void what_cannot_be_read_makes_no_backup(void **state)
{
    const struct update_place *place = *state;
    char name[BACKUP_NAME_BYTES] = "untouched";
    SCOPE_FD int snapshot = open(test_folder_path(&place->root, "run").text, O_RDONLY | O_CLOEXEC);
    assert_false(make(place, snapshot, name));
    assert_string_equal(name, "untouched");
    assert_false(update_place_has(place, "backups/backup_v1.0.0_20260222_100000.zip"));
    assert_false(update_place_has(place, "backups/.backup.zip.tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_holds_what_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_three_stay_by_their_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_makes_no_backup, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
