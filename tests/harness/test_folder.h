/* A private folder for one unit test, removed whole at its end. */
#ifndef TESTS_HARNESS_TEST_FOLDER_H
#define TESTS_HARNESS_TEST_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/os/file.h"

enum { TEST_FOLDER_BYTES = 64, TEST_FOLDER_OPEN_MAX = 16 };

struct test_folder {
    char path[TEST_FOLDER_BYTES];
};

static inline bool test_folder_make(struct test_folder *folder)
{
    snprintf(folder->path, sizeof(folder->path), "/tmp/telehaul-unit-XXXXXX");
    return mkdtemp(folder->path) != NULL;
}

static inline int test_folder_remove_one(const char *path, const struct stat *about, int kind,
                                         struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void test_folder_remove(struct test_folder *folder)
{
    nftw(folder->path, test_folder_remove_one, TEST_FOLDER_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

static inline struct path test_folder_path(const struct test_folder *folder, const char *name)
{
    struct path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", folder->path, name);
    return path;
}

/* False when it cannot be written. */
static inline bool test_folder_write(const struct test_folder *folder, const char *name, const char *content)
{
    FILE *file = fopen(test_folder_path(folder, name).text, "w");
    if (file == NULL)
        return false;
    bool written = fputs(content, file) >= 0;
    return fclose(file) == 0 && written;
}

/* True when the file has exactly this content. */
static inline bool test_folder_has(const struct test_folder *folder, const char *name, const char *content)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(1024 * 1024);
    return file_read_path(test_folder_path(folder, name).text, &text, NULL) &&
           view_is(buf_view(&text), content);
}

#endif
