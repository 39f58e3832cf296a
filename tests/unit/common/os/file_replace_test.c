#include "tests/unit/common/os/file_world.h"

/* ---- replacing ----------------------------------------------------------------------------------------- */

static void replaces_content_and_mode(void **state)
{
    (void)state;
    mode_t before = umask(077);
    assert_true(file_replace(at("f").text, VIEW_LITERAL("one"), 0644, &err));
    umask(before);
    assert_true(test_folder_has(&folder, "f", "one"));
    assert_int_equal(mode_of("f"), 0644);
    assert_true(file_replace(at("f").text, VIEW_LITERAL("two"), 0600, &err));
    assert_true(test_folder_has(&folder, "f", "two"));
    assert_int_equal(mode_of("f"), 0600);
    assert_true(file_replace(at("f").text, VIEW_LITERAL(""), 0600, &err));
    assert_true(test_folder_has(&folder, "f", ""));
    assert_int_equal(entries(), 1);
    assert_int_equal(disk.fsyncs, 6); /* the file and its folder, each time */
}

static void takes_over_a_stale_temporary_file(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, ".f.tmp", "left by a crash, and longer than what follows"));
    assert_true(file_replace(at("f").text, VIEW_LITERAL("new"), 0600, &err));
    assert_true(test_folder_has(&folder, "f", "new"));
    assert_int_equal(entries(), 1);
}

/* Somebody plants a symlink at the temporary name to have another file overwritten. */
static void does_not_follow_a_planted_symlink(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "victim", "precious"));
    assert_int_equal(symlink(at("victim").text, at(".f.tmp").text), 0);
    assert_true(file_replace(at("f").text, VIEW_LITERAL("new"), 0600, &err));
    assert_true(test_folder_has(&folder, "victim", "precious"));
    struct stat about;
    assert_int_equal(lstat(at("f").text, &about), 0);
    assert_true(S_ISREG(about.st_mode));
}

static void does_not_follow_one_planted_in_between(void **state)
{
    (void)state;
    struct path temporary_name = at(".f.tmp");
    struct path victim = at("victim");
    assert_true(test_folder_write(&folder, "victim", "precious"));
    disk.plant_at = temporary_name.text;
    disk.plant_to = victim.text;
    assert_false(file_replace(at("f").text, VIEW_LITERAL("new"), 0600, &err));
    disk.plant_at = NULL;
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(test_folder_has(&folder, "victim", "precious"));
}

static void a_failed_replace_leaves_the_old(void **state)
{
    (void)state;
    assert_true(file_replace(at("f").text, VIEW_LITERAL("old"), 0600, &err));
    disk.fsync_fails_at = 1;
    assert_false(file_replace(at("f").text, VIEW_LITERAL("new"), 0600, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_true(test_folder_has(&folder, "f", "old"));
    assert_int_equal(entries(), 1); /* nothing left behind */
    disk.fsync_fails_at = 2;        /* the folder's: it is there, but whether it stays nobody knows */
    assert_false(file_replace(at("f").text, VIEW_LITERAL("new"), 0600, &err));
    assert_false(file_replace(at("no/f").text, VIEW_LITERAL("new"), 0600, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void replaces_in_the_working_folder(void **state)
{
    (void)state;
    SCOPE_FD int here = file_open(".", O_RDONLY | O_DIRECTORY, &err);
    assert_int_equal(chdir(folder.path), 0);
    bool done = file_replace("f", VIEW_LITERAL("x"), 0600, &err);
    assert_int_equal(fchdir(here), 0);
    assert_true(done);
    assert_true(test_folder_has(&folder, "f", "x"));
}

static int temporary(const char *content)
{
    assert_true(test_folder_write(&folder, "part", content));
    int fd = file_open(at("part").text, O_RDONLY, &err);
    assert_true(fd >= 0);
    return fd;
}

static void publishes_over_an_old_file(void **state)
{
    (void)state;
    SCOPE_FD int fd = temporary("new");
    assert_true(test_folder_write(&folder, "f", "old"));
    assert_true(file_publish(fd, at("part").text, at("f").text, &err));
    assert_true(test_folder_has(&folder, "f", "new"));
    assert_int_equal(entries(), 1);
    assert_int_equal(disk.fsyncs, 2);
}

static void publish_new_never_replaces(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        disk.no_renameat2 = i == 1; /* both ways to the same end */
        SCOPE_FD int fd = temporary("new");
        assert_true(test_folder_write(&folder, "taken", "old"));
        assert_false(file_publish_new(fd, at("part").text, at("taken").text, &err));
        assert_int_equal(err.code, ERR_EXISTS);
        assert_true(test_folder_has(&folder, "taken", "old"));
        assert_true(test_folder_has(&folder, "part", "new"));
        struct path fresh = at(i == 0 ? "a" : "b");
        assert_true(file_publish_new(fd, at("part").text, fresh.text, &err));
        assert_true(test_folder_has(&folder, i == 0 ? "a" : "b", "new"));
        assert_false(file_exists(at("part").text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replaces_content_and_mode),         TEST(takes_over_a_stale_temporary_file),
        TEST(does_not_follow_a_planted_symlink), TEST(does_not_follow_one_planted_in_between),
        TEST(a_failed_replace_leaves_the_old),   TEST(replaces_in_the_working_folder),
        TEST(publishes_over_an_old_file),        TEST(publish_new_never_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
