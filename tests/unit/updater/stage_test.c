#include "updater/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "common/base/text.h"
#include "common/pack/zip_writer.h"
#include "tests/harness/update_place.h"

static int set_up(void **state)
{
    return update_place_make(state, NULL);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

/* What a package brings and removes: one file, one migration, one removal; NULL: none. */
struct draft {
    const char *path, *content;
    const char *sql;
    const char *removal;
};

static void hash(char out[MANIFEST_SHA256_BYTES], const char *text)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(view_of(text), digest);
    text_hex_encode(out, digest, sizeof(digest));
}

static bool add(struct zip_writer *zip, const char *name, struct view content)
{
    return zip_writer_begin(zip, name, 0644, (int64_t)content.size, NULL) &&
           zip_writer_data(zip, content, NULL);
}

/* No assertion in here: what is open would leak. These tests ask for no signature. */
static bool write_zip(int fd, const struct draft *draft, const struct manifest *manifest)
{
    struct path name;
    SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES);
    manifest_write(manifest, &text);
    SCOPE_ZIP_WRITER struct zip_writer *zip = zip_writer_new(fd, NULL);
    if (zip == NULL || !add(zip, "manifest.json", buf_view(&text)) ||
        !add(zip, "manifest.sig", VIEW_LITERAL("AAAA")))
        return false;
    if (draft->path != NULL &&
        (!path_printf(&name, NULL, "files/%s", draft->path) || !add(zip, name.text, view_of(draft->content))))
        return false;
    if (draft->sql != NULL && !add(zip, "migrations/0002_t.sql", view_of(draft->sql)))
        return false;
    return zip_writer_end(zip, NULL);
}

/* The draft as version 1.1.0; the descriptor is to be closed after the package. */
static struct package *open_draft(const struct draft *draft, int *fd)
{
    struct manifest_file file = {.path = draft->path, .mode = 0755};
    struct manifest_migration migration = {.name = "0002_t.sql"};
    const char *removals[] = {draft->removal};
    struct manifest manifest = {.product = "telehaul",
                                .version = "1.1.0",
                                .created_us = US_PER_S,
                                .expires_us = INT64_MAX,
                                .notes = "",
                                .files = &file,
                                .migrations = &migration,
                                .removals = removals,
                                .removal_count = draft->removal != NULL};
    if (draft->path != NULL) {
        hash(file.sha256, draft->content);
        file.size = (int64_t)strlen(draft->content);
        manifest.file_count = 1;
    }
    if (draft->sql != NULL) {
        hash(migration.sha256, draft->sql);
        migration.size = (int64_t)strlen(draft->sql);
        manifest.migration_count = 1;
    }
    *fd = memfd_create("package", MFD_CLOEXEC);
    assert_true(write_zip(*fd, draft, &manifest));
    struct package *package = package_open(*fd, NULL, NULL);
    assert_non_null(package);
    return package;
}

/* Stages and publishes; "" or the reason. */
static const char *publish(const struct update_place *place, const struct draft *draft)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_FD int fd = -1;
    SCOPE_PACKAGE struct package *package = open_draft(draft, &fd);
    SCOPE_STAGE struct stage *stage = stage_begin(place->root.path, "1.1.0", &err);
    if (stage != NULL && stage_unpack(stage, package, &err) &&
        stage_publish(stage, package_manifest(package), "1.0.0", &err))
        return "";
    return err.reason == NULL ? "no reason" : err.reason;
}

static struct stat about(const struct update_place *place, const char *name)
{
    struct stat found;
    assert_int_equal(lstat(test_folder_path(&place->root, name).text, &found), 0);
    return found;
}

static void what_it_does_not_bring_stays(void **state)
{
    const struct update_place *place = *state;
    const struct draft draft = {"share/www/b.txt", "new b\n", "CREATE TABLE t (x);", NULL};
    assert_string_equal(publish(place, &draft), "");
    assert_true(test_folder_has(&place->root, "releases/1.1.0/share/www/b.txt", "new b\n"));
    assert_true(test_folder_has(&place->root, "releases/1.1.0/migrations/0002_t.sql", "CREATE TABLE t (x);"));
    assert_true(test_folder_has(&place->root, "releases/1.1.0/version.txt", "1.1.0\n"));
    assert_int_equal(about(place, "releases/1.1.0/share/a.txt").st_ino,
                     about(place, "releases/1.0.0/share/a.txt").st_ino);
    assert_int_equal(about(place, "releases/1.1.0/share/www").st_mode & 07777, 0755);
    assert_int_equal(about(place, "releases/1.1.0/share/www/b.txt").st_mode & 07777, 0755);
    assert_int_equal(about(place, "releases/1.1.0/migrations/0002_t.sql").st_mode & 07777, 0644);
    assert_int_equal(about(place, "releases/1.1.0").st_mode & 07777, 0755);
    assert_false(update_place_has(place, "releases/.new-1.1.0"));
}

static void what_it_replaces_gets_an_inode_of_its_own(void **state)
{
    const struct update_place *place = *state;
    const struct draft draft = {"share/a.txt", "new a\n", NULL, NULL};
    assert_string_equal(publish(place, &draft), "");
    assert_true(test_folder_has(&place->root, "releases/1.1.0/share/a.txt", "new a\n"));
    assert_true(test_folder_has(&place->root, "releases/1.0.0/share/a.txt", "old a\n"));
}

static void what_it_removes_is_gone_with_its_empty_folder(void **state)
{
    const struct update_place *place = *state;
    const struct draft draft = {NULL, NULL, NULL, "share/a.txt"};
    assert_string_equal(publish(place, &draft), "");
    assert_false(update_place_has(place, "releases/1.1.0/share"));
    assert_true(update_place_has(place, "releases/1.0.0/share/a.txt"));
}

static void a_file_in_a_folders_place_is_refused(void **state)
{
    const struct update_place *place = *state;
    static const struct draft drafts[] = {
        {"share/a.txt/b", "below a file", NULL, NULL},
        {"share/sub", "over a folder", NULL, NULL},
    };
    assert_true(update_place_folder(place, "releases/1.0.0/share/sub"));
    assert_true(test_folder_write(&place->root, "releases/1.0.0/share/sub/c", "c"));
    for (size_t i = 0; i < COUNT_OF(drafts); i++) {
        assert_string_equal(publish(place, &drafts[i]), "file_and_folder");
        assert_false(update_place_has(place, "releases/1.1.0"));
        assert_false(update_place_has(place, "releases/.new-1.1.0"));
    }
}

static void nothing_starts_without_a_watchdog(void **state)
{
    const struct draft draft = {NULL, NULL, NULL, "bin/watchdog"};
    assert_string_equal(publish(*state, &draft), "no_watchdog");
}

static void what_was_left_of_an_earlier_try_is_replaced(void **state)
{
    const struct update_place *place = *state;
    const struct draft draft = {"share/b.txt", "b", NULL, NULL};
    assert_true(update_place_release(place, "1.1.0"));
    assert_true(test_folder_write(&place->root, "releases/1.1.0/share/stray", "stray"));
    assert_true(update_place_folder(place, "releases/.new-1.1.0/share"));
    assert_true(test_folder_write(&place->root, "releases/.new-1.1.0/share/b.txt", "half"));
    assert_string_equal(publish(place, &draft), "");
    assert_false(update_place_has(place, "releases/1.1.0/share/stray"));
    assert_true(test_folder_has(&place->root, "releases/1.1.0/share/b.txt", "b"));
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    const struct update_place *place = *state;
    const struct draft draft = {"share/b.txt", "b", NULL, NULL};
    bool unpacked;
    mode_t mode = 0;
    {
        SCOPE_FD int fd = -1;
        SCOPE_PACKAGE struct package *package = open_draft(&draft, &fd);
        SCOPE_STAGE struct stage *stage = stage_begin(place->root.path, "1.1.0", NULL);
        unpacked = stage != NULL && stage_unpack(stage, package, NULL);
        if (unpacked)
            mode = about(place, "releases/.new-1.1.0").st_mode & 07777;
    }
    assert_true(unpacked);
    assert_int_equal(mode, 0700);
    assert_false(update_place_has(place, "releases/.new-1.1.0"));
    assert_false(update_place_has(place, "releases/1.1.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_does_not_bring_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_replaces_gets_an_inode_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_removes_is_gone_with_its_empty_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_in_a_folders_place_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_starts_without_a_watchdog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_left_of_an_earlier_try_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_given_up_leaves_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
