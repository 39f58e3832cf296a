/* What the tests of common/os/file share: a folder of their own, and a disk that fails on demand. It stands
 * in front of the C library's: each test program includes it once. */
#ifndef TESTS_UNIT_COMMON_OS_FILE_WORLD_H
#define TESTS_UNIT_COMMON_OS_FILE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "tests/harness/test_folder.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- a disk that fails on demand: these stand in front of the C library's ------------------------------ */

static struct {
    bool no_renameat2;  /* a file system without RENAME_NOREPLACE */
    int fsync_fails_at; /* the how manieth from now; 0: none */
    int fsyncs;
    const char *plant_at, *plant_to;
} disk;

int renameat2(int old_folder, const char *old_path, int new_folder, const char *new_path, unsigned flags)
{
    if (disk.no_renameat2) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, old_folder, old_path, new_folder, new_path, flags);
}

int fsync(int fd)
{
    disk.fsyncs++;
    if (disk.fsync_fails_at > 0 && --disk.fsync_fails_at == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* With disk.plant_at set: a symlink appears there the moment after the stale file was removed. */
int unlink(const char *path)
{
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (disk.plant_at != NULL && strcmp(path, disk.plant_at) == 0)
        assert_int_equal(symlink(disk.plant_to, path), 0);
    return done;
}

static struct test_folder folder;
static struct error err;

static inline int setup(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof(disk));
    memset(&err, 0, sizeof(err));
    return test_folder_make(&folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static inline struct path at(const char *name)
{
    return test_folder_path(&folder, name);
}

static inline unsigned mode_of(const char *name)
{
    struct stat about;
    assert_int_equal(lstat(at(name).text, &about), 0);
    return about.st_mode & 07777;
}

static inline size_t entries(void)
{
    size_t count = 0;
    SCOPE_DIR DIR *open_folder = opendir(folder.path);
    assert_non_null(open_folder);
    for (const struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    return count;
}

#endif
