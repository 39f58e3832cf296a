#include "updater/release.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/crypto/hash.h"
#include "updater/tree.h"

enum {
    FOLDER_MODE = 0755,
    PROGRAM_MODE = 0755,
    FILE_MODE = 0644,
    PRIVATE_FOLDER_MODE = 0700,
    COPY_BLOCK_BYTES = 128 * 1024,
    TREE_LINE_BYTES = SHA256_HEX_BYTES + TREE_PATH_BYTES + 8,
    TREE_LINES_MAX_BYTES = TREE_MAX_ENTRIES * 256,
};

/* What a release consists of; version.txt is made on installing. */
static const char *const release_parts[] = {"bin", "share", "migrations"};

bool release_current(const char *root, char out[RELEASE_VERSION_BYTES], struct error *err)
{
    static const char prefix[] = "releases/";
    struct path link;
    if (!path_join(&link, root, "current", err))
        return false;
    char target[sizeof(prefix) + RELEASE_VERSION_BYTES];
    ssize_t size = readlink(link.text, target, sizeof(target) - 1);
    if (size < 0)
        return error_set_errno(err, "%s", link.text);
    target[size] = '\0';
    const char *version = target + sizeof(prefix) - 1;
    if (strncmp(target, prefix, sizeof(prefix) - 1) != 0 || !release_version_ok(version))
        return error_set(err, ERR_CORRUPT, "%s points to `%s`, which is no releases/<version>", link.text,
                         target);
    memcpy(out, version, strlen(version) + 1);
    return true;
}

bool release_switch(const char *root, const char *version, struct error *err)
{
    struct path release;
    struct path temporary;
    struct path link;
    if (!path_printf(&release, err, "%s/releases/%s", root, version) ||
        !path_join(&temporary, root, ".current.tmp", err) || !path_join(&link, root, "current", err))
        return false;
    struct stat status;
    if (!release_version_ok(version) || lstat(release.text, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(err, ERR_NOT_FOUND, "there is no release %s in %s/releases", version, root);
    if (!file_remove(temporary.text, err))
        return false;
    if (symlink(release.text + strlen(root) + 1, temporary.text) != 0)
        return error_set_errno(err, "symlink %s", temporary.text);
    if (rename(temporary.text, link.text) != 0)
        return error_set_errno(err, "rename to %s", link.text);
    return folder_sync(root, err);
}

static mode_t release_mode(mode_t mode)
{
    return (mode & S_IXUSR) != 0 ? PROGRAM_MODE : FILE_MODE;
}

static bool copy_bytes(int from, int to, const char *path, struct error *err)
{
    SCOPE_FREE char *block = malloc(COPY_BLOCK_BYTES);
    if (block == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to copy %s", path);
    for (;;) {
        ssize_t size = read(from, block, COPY_BLOCK_BYTES);
        if (size == 0)
            return true;
        if (size < 0 && errno != EINTR)
            return error_set_errno(err, "read %s", path);
        if (size > 0 && !file_write_all(to, block, (size_t)size, err))
            return error_wrap(err, "%s", path);
    }
}

static bool copy_file(int staging, const struct tree_entry *entry, struct error *err)
{
    SCOPE_FD int from = openat(entry->parent, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return error_set_errno(err, "open %s", entry->path);
    SCOPE_FD int to =
        openat(staging, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_set_errno(err, "make %s", entry->path);
    if (!copy_bytes(from, to, entry->path, err))
        return false;
    if (fchmod(to, release_mode(entry->mode)) != 0 || fsync(to) != 0)
        return error_set_errno(err, "fsync %s", entry->path);
    return true;
}

static bool sync_folder_at(int parent, const char *path, struct error *err)
{
    SCOPE_FD int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, FOLDER_MODE) != 0 || fsync(fd) != 0)
        return error_set_errno(err, "fsync %s", path);
    return true;
}

/* context: the descriptor of the staging folder. */
static bool copy_entry(void *context, const struct tree_entry *entry, struct error *err)
{
    const int *staging = context;
    switch (entry->event) {
    case TREE_FILE:
        return copy_file(*staging, entry, err);
    case TREE_FOLDER:
        return mkdirat(*staging, entry->path, FOLDER_MODE) == 0 ||
               error_set_errno(err, "make %s", entry->path);
    case TREE_FOLDER_END:
        return sync_folder_at(*staging, entry->path, err);
    }
    return error_set(err, ERR_INTERNAL, "an event of no kind");
}

bool release_walk(int folder, bool (*visit)(void *context, const struct tree_entry *entry, struct error *err),
                  void *context, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(release_parts); i++) {
        if (faccessat(folder, release_parts[i], F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (!tree_walk(folder, release_parts[i], visit, context, err))
            return false;
    }
    return true;
}

static bool write_version(const char *staging, const char *version, struct error *err)
{
    struct path path;
    char line[RELEASE_VERSION_BYTES + 1];
    int size = snprintf(line, sizeof(line), "%s\n", version);
    return path_join(&path, staging, "version.txt", err) &&
           file_replace(path.text, (struct view){line, (size_t)size}, FILE_MODE, err);
}

/* Fills the staging folder, whole and durable. */
static bool stage(const char *path, int from, const char *version, struct error *err)
{
    if (mkdir(path, PRIVATE_FOLDER_MODE) != 0)
        return error_set_errno(err, "make %s", path);
    SCOPE_FD int staging = file_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
    if (staging < 0)
        return false;
    if (!release_walk(from, copy_entry, &staging, err) || !write_version(path, version, err))
        return false;
    if (fchmod(staging, FOLDER_MODE) != 0 || fsync(staging) != 0)
        return error_set_errno(err, "fsync %s", path);
    return true;
}

static int open_release_folder(const char *from, struct error *err)
{
    SCOPE_FD int fd = file_open(from, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return -1;
    if (faccessat(fd, "bin/watchdog", X_OK, 0) != 0) {
        error_set(err, ERR_INPUT,
                  "%s is no release folder: it has no program bin/watchdog (`make` builds one in"
                  " build/dist)",
                  from);
        return -1;
    }
    return fd_take(&fd);
}

bool release_check(const char *from, const char *version, struct error *err)
{
    if (!release_version_ok(version))
        return error_set(err, ERR_USAGE,
                         "`%s` is no version: expected SemVer 2.0 such as 1.2.0 or 1.3.0-rc.1", version);
    SCOPE_FD int fd = open_release_folder(from, err);
    return fd >= 0;
}

bool release_install(const char *root, const char *from, const char *version, struct error *err)
{
    if (!release_check(from, version, err))
        return false;
    struct path releases;
    struct path staging;
    struct path release;
    if (!path_join(&releases, root, "releases", err) ||
        !path_printf(&staging, err, "%s/.%s.tmp", releases.text, version) ||
        !path_join(&release, releases.text, version, err))
        return false;
    SCOPE_FD int from_fd = open_release_folder(from, err);
    if (from_fd < 0)
        return false;
    if (!folder_make_all(releases.text, FOLDER_MODE, err) || !tree_remove(staging.text, err))
        return false;
    if (!stage(staging.text, from_fd, version, err)) {
        (void)!tree_remove(staging.text, NULL);
        return error_wrap(err, "release %s", version);
    }
    /* rename(2) never replaces a folder that has something in it */
    if (rename(staging.text, release.text) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST)
            error_set(err, ERR_EXISTS, "release %s is installed already", version);
        else
            error_set_errno(err, "rename to %s", release.text);
        (void)!tree_remove(staging.text, NULL);
        return false;
    }
    return folder_sync(releases.text, err);
}

struct tree_lines {
    struct buf text;
    size_t count;
};

/* context: struct tree_lines; adds `<sha256> <mode> <path>\n` for a file. */
static bool hash_entry(void *context, const struct tree_entry *entry, struct error *err)
{
    struct tree_lines *lines = context;
    if (entry->event != TREE_FILE)
        return true;
    SCOPE_FD int fd = openat(entry->parent, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char hash[SHA256_HEX_BYTES];
    if (fd < 0)
        return error_set_errno(err, "open %s", entry->path);
    if (!sha256_file_hex(fd, hash, err))
        return error_wrap(err, "%s", entry->path);
    buf_printf(&lines->text, "%s %04o %s\n", hash, (unsigned)release_mode(entry->mode), entry->path);
    lines->count++;
    return buf_check(&lines->text, "the list of a release's files", err);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Hashes the lines in bytewise order. */
static bool hash_lines(struct tree_lines *lines, char out[RELEASE_TREE_HEX_BYTES], struct error *err)
{
    SCOPE_FREE const char **sorted = calloc(lines->count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to sort a release's files");
    char *at = lines->text.data;
    for (size_t i = 0; i < lines->count; i++) {
        char *end = memchr(at, '\n', (size_t)(lines->text.data + lines->text.size - at));
        *end = '\0';
        sorted[i] = at;
        at = end + 1;
    }
    qsort(sorted, lines->count, sizeof(*sorted), compare_lines);
    struct sha256 hash;
    sha256_start(&hash);
    for (size_t i = 0; i < lines->count; i++) {
        sha256_add(&hash, sorted[i], strlen(sorted[i]));
        sha256_add(&hash, "\n", 1);
    }
    sha256_finish_hex(&hash, out);
    return true;
}

bool release_tree_sha256(const char *folder, char out[RELEASE_TREE_HEX_BYTES], struct error *err)
{
    SCOPE_FD int fd = file_open(folder, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return false;
    struct tree_lines lines = {.text = BUF_LIMIT(TREE_LINES_MAX_BYTES)};
    bool ok = release_walk(fd, hash_entry, &lines, err) && hash_lines(&lines, out, err);
    buf_clear(&lines.text);
    return ok || error_wrap(err, "%s", folder);
}

static int compare_versions(const void *a, const void *b)
{
    return release_version_compare(a, b);
}

bool release_list(const char *root, struct release_list *out, struct error *err)
{
    struct path path;
    if (!path_join(&path, root, "releases", err))
        return false;
    SCOPE_DIR DIR *folder = opendir(path.text);
    if (folder == NULL)
        return error_set_errno(err, "%s", path.text);
    struct release_list list = {.count = 0};
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!release_version_ok(entry->d_name))
            continue;
        if (list.count == RELEASE_LIST_MAX)
            return error_set(err, ERR_LIMIT, "more than %d releases in %s", RELEASE_LIST_MAX, path.text);
        memcpy(list.versions[list.count++], entry->d_name, strlen(entry->d_name) + 1);
    }
    qsort(list.versions, list.count, sizeof(list.versions[0]), compare_versions);
    *out = list;
    return true;
}
