#include "tests/unit/common/os/file_world.h"

#include <sys/wait.h>

/* ---- paths --------------------------------------------------------------------------------------------- */

static void joins_paths(void **state)
{
    (void)state;
    struct path path;
    assert_true(path_join(&path, "/a", "b", &err));
    assert_string_equal(path.text, "/a/b");
    assert_true(path_join(&path, "/", "b", &err));
    assert_string_equal(path.text, "/b");
    assert_true(path_join(&path, "", "b", &err));
    assert_string_equal(path.text, "b");
    assert_true(path_join(&path, path.text, "c", &err)); /* in place */
    assert_string_equal(path.text, "b/c");
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    char name[PATH_LIMIT_BYTES];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct path path = {"old"};
    assert_true(path_printf(&path, &err, "%s", name));
    snprintf(path.text, sizeof(path.text), "old");
    assert_false(path_join(&path, "a", name, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(path.text, "old");
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static void reads_a_file_whole(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(1000000);
    SCOPE_BUF struct buf large = BUF_LIMIT(1000000);
    for (int i = 0; i < 200000; i++)
        buf_append_byte(&large, (char)('a' + i % 26));
    assert_true(test_folder_write(&folder, "f", buf_text(&large)));
    assert_true(file_read_path(at("f").text, &text, &err));
    assert_true(view_equal(buf_view(&text), buf_view(&large)));
    assert_true(test_folder_write(&folder, "empty", ""));
    buf_reset(&text);
    assert_true(file_read_path(at("empty").text, &text, &err));
    assert_int_equal(text.size, 0);
}

static void reading_stops_at_the_limit(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "f", "12345"));
    SCOPE_BUF struct buf exact = BUF_LIMIT(5);
    assert_true(file_read_path(at("f").text, &exact, &err));
    assert_string_equal(buf_text(&exact), "12345");
    SCOPE_BUF struct buf small = BUF_LIMIT(6);
    buf_append_text(&small, "ab");
    assert_false(file_read_path(at("f").text, &small, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(buf_text(&small), "ab"); /* untouched */
    assert_non_null(strstr(err.text, folder.path));
}

static void only_a_regular_file_is_read(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(100);
    assert_int_equal(mkfifo(at("fifo").text, 0600), 0);
    assert_false(file_read_path(at("fifo").text, &text, &err)); /* and is not waited for */
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(file_read_path(folder.path, &text, &err));
    assert_false(file_read_path("/dev/zero", &text, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(file_read_path(at("none").text, &text, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_secret_is_its_owners_alone(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(100);
    assert_true(file_replace(at("secret").text, VIEW_LITERAL("1234"), 0600, &err));
    assert_true(file_read_private(at("secret").text, &text, &err));
    assert_string_equal(buf_text(&text), "1234");
    static const mode_t open_to_some[] = {0640, 0620, 0610, 0604, 0602, 0601};
    for (size_t i = 0; i < COUNT_OF(open_to_some); i++) {
        assert_int_equal(chmod(at("secret").text, open_to_some[i]), 0);
        assert_false(file_read_private(at("secret").text, &text, &err));
        assert_int_equal(err.code, ERR_DENIED);
        assert_non_null(strstr(err.text, "chmod 600"));
    }
    assert_int_equal(text.size, 4);
}

static void reads_on_from_where_it_stands(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "f", "head tail"));
    SCOPE_FD int fd = file_open(at("f").text, O_RDONLY, &err);
    assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
    SCOPE_BUF struct buf text = BUF_LIMIT(100);
    assert_true(file_read_all(fd, &text, &err));
    assert_string_equal(buf_text(&text), "tail");
}

static void reads_at_a_place(void **state)
{
    (void)state;
    char text[5] = "";
    assert_true(test_folder_write(&folder, "f", "head tail"));
    SCOPE_FD int fd = file_open(at("f").text, O_RDONLY, &err);
    assert_true(file_read_at(fd, 5, text, 4, &err));
    assert_string_equal(text, "tail");
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    assert_false(file_read_at(fd, 6, text, 4, &err));
    assert_int_equal(err.code, ERR_CHANGED);
}

static void descriptors_do_not_leak_into_children(void **state)
{
    (void)state;
    SCOPE_FD int fd = file_create(at("f").text, O_WRONLY | O_CREAT, 0600, &err);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    SCOPE_FD int lock = file_lock(at("lock").text, &err);
    assert_true((fcntl(lock, F_GETFD) & FD_CLOEXEC) != 0);
}

static void writing_to_a_full_disk_is_said(void **state)
{
    (void)state;
    SCOPE_FD int fd = file_open("/dev/full", O_WRONLY, &err);
    assert_true(fd >= 0);
    assert_false(file_write_all(fd, "x", 1, &err));
    assert_int_equal(err.code, ERR_SPACE);
}

/* ---- folders ------------------------------------------------------------------------------------------- */

static void makes_folders_down_to_the_last(void **state)
{
    (void)state;
    mode_t before = umask(077);
    assert_true(folder_make_all(at("a/b/c").text, 0755, &err));
    umask(before);
    assert_int_equal(mode_of("a"), 0755);
    assert_int_equal(mode_of("a/b/c"), 0755);
    assert_true(folder_make_all(at("a/b/c").text, 0700, &err));
    assert_int_equal(mode_of("a/b/c"), 0755); /* it was there */
    assert_true(folder_make_all(at("a/d/").text, 0700, &err));
    assert_int_equal(mode_of("a/d"), 0700);
    assert_true(folder_make_all("/", 0700, &err));
}

static void a_folder_that_is_not_durable_is_made_again_with_its_mode(void **state)
{
    (void)state;
    disk.fsync_fails_at = 1;
    assert_false(folder_make_all(at("a").text, 0755, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(file_exists(at("a").text));
    assert_true(folder_make_all(at("a").text, 0700, &err));
    assert_int_equal(mode_of("a"), 0700);
}

static void a_file_in_the_way_is_an_error(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "f", ""));
    assert_false(folder_make_all(at("f").text, 0755, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_false(folder_make_all(at("f/g").text, 0755, &err));
    assert_false(folder_sync(at("f").text, &err));
    assert_false(folder_sync(at("none").text, &err));
}

static void removes_and_asks(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "f", "12345"));
    assert_true(file_exists(at("f").text));
    assert_int_equal(file_size_bytes(at("f").text), 5);
    assert_int_equal(file_size_bytes(folder.path), -1);
    assert_true(file_remove(at("f").text, &err));
    assert_true(file_remove(at("f").text, &err)); /* it was not there */
    assert_false(file_exists(at("f").text));
    assert_int_equal(file_size_bytes(at("f").text), -1);
    assert_false(file_remove(folder.path, &err));
}

static void free_space_is_what_df_says(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_true(disk_free_bytes(folder.path, &bytes, &err));
    assert_in_range(bytes, 1024, (uint64_t)1 << 60);
    assert_false(disk_free_bytes(at("none").text, &bytes, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* ---- locks --------------------------------------------------------------------------------------------- */

static void a_lock_is_held_by_one(void **state)
{
    (void)state;
    int first = file_lock(at("lock").text, &err);
    assert_true(first >= 0);
    assert_int_equal(file_lock(at("lock").text, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    close(first);
    SCOPE_FD int second = file_lock(at("lock").text, &err);
    assert_true(second >= 0);
    assert_true(file_exists(at("lock").text));
}

static void a_lock_is_for_its_owner_alone(void **state)
{
    (void)state;
    int lock = file_lock(at("lock").text, &err);
    assert_true(lock >= 0);
    assert_int_equal(mode_of("lock"), 0600);
    close(lock);
    /* of an earlier version; a group that was let in stays */
    assert_int_equal(chmod(at("lock").text, 0644), 0);
    lock = file_lock(at("lock").text, &err);
    assert_true(lock >= 0);
    assert_int_equal(mode_of("lock"), 0640);
    close(lock);
}

static void a_lock_ends_with_its_process(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0) {
        int lock = file_lock(at("lock").text, NULL);
        _exit(write(ends[1], lock >= 0 ? "y" : "n", 1) == 1 && pause() ? 0 : 1);
    }
    close(ends[1]); /* a child that says nothing is not waited for */
    char answer = '?';
    assert_int_equal(read(ends[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    assert_int_equal(file_lock(at("lock").text, &err), -1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    SCOPE_FD int lock = file_lock(at("lock").text, &err);
    assert_true(lock >= 0);
    close(ends[0]);
}

static void a_lock_follows_no_symlink(void **state)
{
    (void)state;
    assert_int_equal(symlink(at("elsewhere").text, at("lock").text), 0);
    assert_int_equal(file_lock(at("lock").text, &err), -1);
    assert_false(file_exists(at("elsewhere").text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(joins_paths),
        TEST(a_path_too_long_is_refused),
        TEST(reads_a_file_whole),
        TEST(reading_stops_at_the_limit),
        TEST(only_a_regular_file_is_read),
        TEST(a_secret_is_its_owners_alone),
        TEST(reads_on_from_where_it_stands),
        TEST(reads_at_a_place),
        TEST(descriptors_do_not_leak_into_children),
        TEST(writing_to_a_full_disk_is_said),
        TEST(makes_folders_down_to_the_last),
        TEST(a_folder_that_is_not_durable_is_made_again_with_its_mode),
        TEST(a_file_in_the_way_is_an_error),
        TEST(removes_and_asks),
        TEST(free_space_is_what_df_says),
        TEST(a_lock_is_held_by_one),
        TEST(a_lock_is_for_its_owner_alone),
        TEST(a_lock_ends_with_its_process),
        TEST(a_lock_follows_no_symlink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
