/* Feeds every file given, and every file of every folder given, to a fuzz target, so that its corpus replays
 * without libFuzzer. Ends with how many inputs there were; none at all is a failure. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/os/file.h"

enum { INPUT_MAX_BYTES = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path, size_t *count, struct error *err)
{
    SCOPE_BUF struct buf read = BUF_LIMIT(INPUT_MAX_BYTES);
    if (!file_read_path(path, &read, err))
        return false;
    /* exactly as large as the input, so that the sanitizer sees a read behind its end */
    SCOPE_FREE uint8_t *input = malloc(read.size > 0 ? read.size : 1);
    if (input == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %s", path);
    if (read.size > 0)
        memcpy(input, read.data, read.size);
    LLVMFuzzerTestOneInput(input, read.size);
    (*count)++;
    return true;
}

static bool replay_folder(const char *path, size_t *count, struct error *err)
{
    SCOPE_DIR DIR *folder = opendir(path);
    if (folder == NULL)
        return error_set_errno(err, "%s", path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct path file;
        if (entry->d_name[0] == '.')
            continue;
        if (!path_join(&file, path, entry->d_name, err) || !replay_file(file.text, count, err))
            return false;
    }
    return true;
}

static bool replay(const char *path, size_t *count, struct error *err)
{
    struct stat about;
    if (stat(path, &about) < 0)
        return error_set_errno(err, "%s", path);
    return S_ISDIR(about.st_mode) ? replay_folder(path, count, err) : replay_file(path, count, err);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        struct error err;
        if (!replay(argv[i], &count, &err)) {
            fprintf(stderr, "%s: %s\n", argv[0], err.text);
            return 1;
        }
    }
    printf("%s: %zu inputs\n", argv[0], count);
    return count > 0 ? 0 : 1;
}
