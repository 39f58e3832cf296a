#include "updater/release.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "updater/tree.h"

/* A ROOT and a release folder in a temporary folder. */
struct place {
    char top[32];
    struct path root, from;
};

static void put(const char *folder, const char *name, const char *text, mode_t mode)
{
    struct path path;
    assert_true(path_join(&path, folder, name, NULL));
    assert_true(file_replace(path.text, view_of(text), mode, NULL));
}

static void make_folder(const char *parent, const char *name)
{
    struct path path;
    assert_true(path_join(&path, parent, name, NULL));
    assert_true(folder_make_all(path.text, 0755, NULL));
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    memcpy(place->top, "/tmp/release_test.XXXXXX", sizeof("/tmp/release_test.XXXXXX"));
    assert_non_null(mkdtemp(place->top));
    assert_true(path_join(&place->root, place->top, "root", NULL));
    assert_true(path_join(&place->from, place->top, "from", NULL));
    make_folder(place->top, "root");
    make_folder(place->from.text, "bin");
    make_folder(place->from.text, "share/www");
    put(place->from.text, "bin/watchdog", "#!/bin/sh\n", 0775);
    put(place->from.text, "bin/README", "no program\n", 0600);
    put(place->from.text, "share/www/page.html", "<p>\n", 0664);
    put(place->from.text, "stray.txt", "not part of a release\n", 0644);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    bool removed = tree_remove(place->top, NULL);
    free(place);
    return removed ? 0 : -1;
}

static mode_t mode_of(const struct place *place, const char *name)
{
    struct path path;
    struct stat status;
    assert_true(path_join(&path, place->root.text, name, NULL));
    return lstat(path.text, &status) == 0 ? status.st_mode & 07777 : 0;
}

static void installs_a_release_and_nothing_else(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    assert_true(release_install(place->root.text, place->from.text, "1.2.0", &err));
    assert_int_equal(mode_of(place, "releases/1.2.0"), 0755);
    assert_int_equal(mode_of(place, "releases/1.2.0/bin/watchdog"), 0755);
    assert_int_equal(mode_of(place, "releases/1.2.0/bin/README"), 0644);
    assert_int_equal(mode_of(place, "releases/1.2.0/share/www"), 0755);
    assert_int_equal(mode_of(place, "releases/1.2.0/share/www/page.html"), 0644);
    assert_int_equal(mode_of(place, "releases/1.2.0/stray.txt"), 0);
    assert_int_equal(mode_of(place, "releases/.1.2.0.tmp"), 0);
    struct path version;
    SCOPE_BUF struct buf text = BUF_LIMIT(100);
    assert_true(path_join(&version, place->root.text, "releases/1.2.0/version.txt", NULL));
    assert_true(file_read_path(version.text, &text, &err));
    assert_string_equal(buf_text(&text), "1.2.0\n");
}

static void an_installed_release_is_never_replaced(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    assert_true(release_install(place->root.text, place->from.text, "1.0.0", &err));
    assert_false(release_install(place->root.text, place->from.text, "1.0.0", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(mode_of(place, "releases/1.0.0/bin/watchdog"), 0755);
    assert_int_equal(mode_of(place, "releases/.1.0.0.tmp"), 0);
}

static void takes_over_what_a_crash_left(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    make_folder(place->root.text, "releases/.1.0.0.tmp/bin");
    put(place->root.text, "releases/.1.0.0.tmp/bin/half", "half", 0600);
    assert_true(release_install(place->root.text, place->from.text, "1.0.0", &err));
    assert_int_equal(mode_of(place, "releases/1.0.0/bin/half"), 0);
}

static void refuses_symlinks_and_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    struct path link;
    assert_true(path_join(&link, place->from.text, "share/passwd", NULL));
    assert_int_equal(symlink("/etc/passwd", link.text), 0);
    assert_false(release_install(place->root.text, place->from.text, "1.0.0", &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "share/passwd"));
    assert_int_equal(mode_of(place, "releases/1.0.0"), 0);
    assert_int_equal(mode_of(place, "releases/.1.0.0.tmp"), 0);
}

static void says_what_is_no_release_folder(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    assert_false(release_install(place->root.text, "/", "1.0.0", &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "bin/watchdog"));
    assert_false(release_install(place->root.text, place->from.text, "../x", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_int_equal(mode_of(place, "releases"), 0);
}

static void switches_between_releases(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    char version[RELEASE_VERSION_BYTES] = "untouched";
    assert_false(release_current(place->root.text, version, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(version, "untouched");
    assert_true(release_install(place->root.text, place->from.text, "1.0.0", &err));
    assert_true(release_install(place->root.text, place->from.text, "1.1.0-rc.1", &err));
    assert_true(release_switch(place->root.text, "1.0.0", &err));
    assert_true(release_switch(place->root.text, "1.1.0-rc.1", &err));
    assert_true(release_current(place->root.text, version, &err));
    assert_string_equal(version, "1.1.0-rc.1");
    assert_false(release_switch(place->root.text, "9.9.9", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(release_current(place->root.text, version, &err));
    assert_string_equal(version, "1.1.0-rc.1");
}

static void a_stray_current_is_corrupt(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    char version[RELEASE_VERSION_BYTES];
    static const char *const targets[] = {"/etc", "releases/", "releases/..", "releases/1.0.0/bin",
                                          "releases/x"};
    struct path link;
    assert_true(path_join(&link, place->root.text, "current", NULL));
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        assert_true(file_remove(link.text, &err));
        assert_int_equal(symlink(targets[i], link.text), 0);
        assert_false(release_current(place->root.text, version, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
    }
}

static void lists_releases_by_precedence(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    make_folder(place->root.text, "releases/.1.0.0.tmp");
    make_folder(place->root.text, "releases/lost+found");
    static const char *const versions[] = {"1.10.0", "1.9.0", "1.9.0-rc.1"};
    for (size_t i = 0; i < COUNT_OF(versions); i++)
        assert_true(release_install(place->root.text, place->from.text, versions[i], &err));
    struct release_list list;
    assert_true(release_list(place->root.text, &list, &err));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.versions[0], "1.9.0-rc.1");
    assert_string_equal(list.versions[1], "1.9.0");
    assert_string_equal(list.versions[2], "1.10.0");
}

/* The value was computed with sha256sum, sort and sha256sum again. */
static void the_tree_hash_is_the_same_before_and_after_installing(void **state)
{
    struct place *place = *state;
    struct error err = {.code = ERR_NONE};
    char before[RELEASE_TREE_HEX_BYTES];
    char after[RELEASE_TREE_HEX_BYTES];
    assert_true(release_tree_sha256(place->from.text, before, &err));
    assert_string_equal(before, "5f447add6153492bd7fe6818f378a239d00e0633cbdfede6712dee4c31c95929");
    assert_true(release_install(place->root.text, place->from.text, "1.0.0", &err));
    struct path release;
    assert_true(path_join(&release, place->root.text, "releases/1.0.0", NULL));
    assert_true(release_tree_sha256(release.text, after, &err));
    assert_string_equal(before, after);
    put(release.text, "share/www/page.html", "<b>\n", 0644);
    assert_true(release_tree_sha256(release.text, after, &err));
    assert_string_not_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(installs_a_release_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_installed_release_is_never_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_over_what_a_crash_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_symlinks_and_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_no_release_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(switches_between_releases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stray_current_is_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_releases_by_precedence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_tree_hash_is_the_same_before_and_after_installing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
