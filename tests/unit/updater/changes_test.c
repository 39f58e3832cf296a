#include "updater/changes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "tests/harness/update_place.h"

static bool add_more(const struct update_place *place)
{
    return update_place_folder(place, "releases/1.0.0/share/folder");
}

static int set_up(void **state)
{
    return update_place_make(state, add_more);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

enum { SEEN_MAX = 8, SEEN_BYTES = 64 };

struct seen {
    char lines[SEEN_MAX][SEEN_BYTES];
    size_t count;
    size_t enough; /* the visitor fails then */
};

static bool take(void *context, const struct change *change, struct error *err)
{
    struct seen *seen = context;
    if (seen->count == seen->enough)
        return error_set(err, ERR_CANCELLED, "enough");
    snprintf(seen->lines[seen->count++], SEEN_BYTES, "%d %s %d %d %o", (int)change->kind, change->path,
             (int)change->old_bytes, (int)change->new_bytes, (unsigned)change->old_mode);
    return true;
}

static void each_file_is_new_replaced_or_removed(void **state)
{
    const struct update_place *place = *state;
    struct manifest_file files[] = {{.path = "bin/new", .size = 1, .mode = 0755},
                                    {.path = "bin/watchdog", .size = 2, .mode = 0755},
                                    {.path = "bin/watchdog/below", .size = 3, .mode = 0644}};
    const char *removals[] = {"share/a.txt", "share/missing", "share/folder"};
    const struct manifest manifest = {
        .files = files, .file_count = 3, .removals = removals, .removal_count = 3};
    SCOPE_FD int release = open(test_folder_path(&place->root, "releases/1.0.0").text, O_RDONLY | O_CLOEXEC);
    struct seen seen = {.enough = SEEN_MAX};
    assert_true(changes_each(release, &manifest, take, &seen, NULL));
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.lines[0], "0 bin/new 0 1 0");
    assert_string_equal(seen.lines[1], "1 bin/watchdog 10 2 755");
    assert_string_equal(seen.lines[2], "0 bin/watchdog/below 0 3 0");
    assert_string_equal(seen.lines[3], "2 share/a.txt 6 0 755");
    struct change_totals totals;
    assert_true(changes_total(release, &manifest, &totals, NULL));
    assert_int_equal(totals.added, 2);
    assert_int_equal(totals.replaced, 1);
    assert_int_equal(totals.removed, 1);
    assert_int_equal(totals.old_bytes, 16);
    assert_int_equal(totals.new_bytes, 6);
    struct error err;
    struct seen first = {.enough = 1};
    assert_false(changes_each(release, &manifest, take, &first, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_file_is_new_replaced_or_removed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
