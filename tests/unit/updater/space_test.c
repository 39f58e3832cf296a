#include "updater/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/update_place.h"

static bool add_more(const struct update_place *place)
{
    return test_folder_write(&place->root, "data/telemetry.db", "twelve bytes") &&
           test_folder_write(&place->root, "data/telemetry.db-wal", "four");
}

static int set_up(void **state)
{
    return update_place_make(state, add_more);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

static struct target *make_target(const struct update_place *place)
{
    struct target *target = calloc(1, sizeof(*target));
    assert_non_null(target);
    snprintf(target->appliance.root, sizeof(target->appliance.root), "%s", place->root.path);
    snprintf(target->appliance.config.telemetry_dir, sizeof(target->appliance.config.telemetry_dir), "data");
    snprintf(target->current, sizeof(target->current), "1.0.0");
    target->release = test_folder_path(&place->root, "releases/1.0.0");
    return target;
}

static void it_counts_what_is_written(void **state)
{
    SCOPE_FREE struct target *target = make_target(*state);
    struct manifest_file file = {.path = "share/a.txt", .size = 100, .mode = 0644};
    struct manifest_migration migration = {.name = "0001_a.sql", .size = 10};
    struct manifest manifest = {.files = &file, .file_count = 1, .bytes = 110};
    struct update_space space;
    assert_true(update_space_of(target, &manifest, &space, NULL));
    assert_int_equal(space.release_bytes, 110);
    assert_int_equal(space.backup_bytes, sizeof("old a\n") - 1);
    assert_int_equal(space.store_bytes, 0); /* without migrations it is left alone */
    manifest.migrations = &migration;
    manifest.migration_count = 1;
    assert_true(update_space_of(target, &manifest, &space, NULL));
    assert_int_equal(space.store_bytes, 12 + 4);
    assert_int_equal(space.backup_bytes, sizeof("old a\n") - 1 + 12 + 4);
}

static void what_goes_to_one_disk_needs_room_together(void **state)
{
    SCOPE_FREE struct target *target = make_target(*state);
    uint64_t free_bytes;
    struct error err;
    assert_true(disk_free_bytes(target->release.text, &free_bytes, NULL));
    assert_true(update_space_check(target, &(struct update_space){1, 1, 1}, &err));
    int64_t most = (int64_t)(free_bytes / 4 * 3);
    assert_false(update_space_check(target, &(struct update_space){most, most, 0}, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "no_space");
    assert_int_equal(err.code, ERR_SPACE);
    assert_false(update_space_check(target, &(struct update_space){0, most, most}, &err));
    assert_false(update_space_check(target, &(struct update_space){INT64_MAX / 2, 0, 0}, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_counts_what_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_goes_to_one_disk_needs_room_together, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
