#include "server_tools/publish/contents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "server_tools/publish/contents_migrations.h"
#include "updater/tree.h"

enum { PIECE_BYTES = 128 * 1024, FIRST_ROOM = 64, PROGRAM_MODE = 0755, FILE_MODE = 0644 };

/* ---- reading ---- */

int contents_open(const struct settings *settings, const char *path, struct error *err)
{
    struct path full;
    struct stat about;
    if (!path_join(&full, settings->source, path, err))
        return -1;
    SCOPE_FD int fd = file_open(full.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &about) != 0) {
        error_set_errno(err, "%s", full.text);
        return -1;
    }
    if (!S_ISREG(about.st_mode)) {
        error_set(err, ERR_INPUT, "%s is no regular file", full.text);
        return -1;
    }
    return fd_take(&fd);
}

bool contents_stream(int fd, struct progress *progress, contents_take *take, void *context,
                     char sha256[SHA256_HEX_BYTES], int64_t *size, struct error *err)
{
    SCOPE_FREE char *piece = malloc(PIECE_BYTES);
    if (piece == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to read a file");
    struct sha256 hash;
    sha256_start(&hash);
    *size = 0;
    for (;;) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "read");
        sha256_add(&hash, piece, (size_t)got);
        *size += got;
        progress_add(progress, got);
        if (take != NULL && !take(context, (struct view){piece, (size_t)got}, err))
            return false;
    }
    sha256_finish_hex(&hash, sha256);
    return true;
}

/* ---- files ---- */

/* What is being collected. */
struct collecting {
    const struct settings *settings;
    struct contents *out;
};

static bool grow(struct contents *contents, struct error *err)
{
    if (contents->manifest.file_count < contents->file_room)
        return true;
    if (contents->file_room >= 2 * MANIFEST_MAX_ENTRIES)
        return error_set(err, ERR_LIMIT, "a package has at most 20,000 files");
    size_t room = contents->file_room == 0 ? FIRST_ROOM : 2 * contents->file_room;
    char **paths = realloc(contents->file_paths, room * sizeof(*paths));
    if (paths == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu files", room);
    contents->file_paths = paths;
    contents->file_room = room;
    return true;
}

static bool add_path(struct contents *contents, const char *path, struct error *err)
{
    if (!manifest_path_check(path, err) || !grow(contents, err))
        return false;
    char *copy = strdup(path);
    if (copy == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a path");
    contents->file_paths[contents->manifest.file_count++] = copy;
    return true;
}

/* context: struct collecting. */
static bool visit(void *context, const struct tree_entry *entry, struct error *err)
{
    struct collecting *collecting = context;
    return entry->event != TREE_FILE || add_path(collecting->out, entry->path, err);
}

/* "./bin/" is "bin". */
static bool tidy(const char *word, struct path *out, struct error *err)
{
    while (strncmp(word, "./", 2) == 0)
        word += 2;
    size_t size = strlen(word);
    while (size > 1 && word[size - 1] == '/')
        size--;
    return path_printf(out, err, "%.*s", (int)size, word);
}

static bool is_release_folder(const char *path)
{
    return strcmp(path, "bin") == 0 || strcmp(path, "share") == 0;
}

static bool add_word(struct collecting *collecting, const char *word, struct error *err)
{
    struct path path;
    struct path full;
    struct stat about;
    if (!tidy(word, &path, err))
        return false;
    if (!is_release_folder(path.text) && !manifest_path_check(path.text, err))
        return false;
    if (!path_join(&full, collecting->settings->source, path.text, err))
        return false;
    if (lstat(full.text, &about) != 0)
        return error_set_errno(err, "--files: %s (PATHs are in --source %s)", full.text,
                               collecting->settings->source);
    if (!S_ISDIR(about.st_mode))
        return add_path(collecting->out, path.text, err);
    SCOPE_FD int source = file_open(collecting->settings->source, O_RDONLY | O_DIRECTORY, err);
    return source >= 0 && tree_walk(source, path.text, visit, collecting, err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order, each once: `--files bin bin/portal` names one twice. */
static void sort_paths(struct contents *contents)
{
    char **paths = contents->file_paths;
    size_t count = contents->manifest.file_count;
    size_t kept = 0;
    if (count > 0)
        qsort(paths, count, sizeof(*paths), by_text);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(paths[kept - 1], paths[i]) == 0)
            free(paths[i]);
        else
            paths[kept++] = paths[i];
    }
    contents->manifest.file_count = kept;
}

static bool describe_file(const struct settings *settings, struct progress *progress,
                          struct manifest_file *file, struct error *err)
{
    struct stat about;
    SCOPE_FD int fd = contents_open(settings, file->path, err);
    if (fd < 0)
        return false;
    if (fstat(fd, &about) != 0)
        return error_set_errno(err, "%s", file->path);
    file->mode = (about.st_mode & S_IXUSR) != 0 ? PROGRAM_MODE : FILE_MODE;
    return contents_stream(fd, progress, NULL, NULL, file->sha256, &file->size, err) ||
           error_wrap(err, "%s", file->path);
}

static int64_t sum_of_sizes(const struct settings *settings, const struct contents *contents)
{
    int64_t sum = 0;
    for (size_t i = 0; i < contents->manifest.file_count; i++) {
        struct path full;
        if (path_join(&full, settings->source, contents->file_paths[i], NULL) &&
            file_size_bytes(full.text) > 0)
            sum += file_size_bytes(full.text);
    }
    return sum;
}

static bool describe_files(const struct settings *settings, struct progress *progress,
                           struct contents *contents, struct error *err)
{
    struct manifest *manifest = &contents->manifest;
    if (manifest->file_count + settings->removals.count + settings->migrations.count > MANIFEST_MAX_ENTRIES)
        return error_set(err, ERR_LIMIT, "a package has at most 20,000 files, migrations and removals");
    manifest->files = calloc(manifest->file_count + 1, sizeof(*manifest->files));
    if (manifest->files == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu files", manifest->file_count);
    progress_begin(progress, "hashing", sum_of_sizes(settings, contents));
    for (size_t i = 0; i < manifest->file_count; i++) {
        manifest->files[i].path = contents->file_paths[i];
        if (!describe_file(settings, progress, &manifest->files[i], err))
            return false;
        manifest->bytes += manifest->files[i].size;
    }
    progress_end(progress);
    return manifest->bytes <= MANIFEST_MAX_CONTENT_BYTES ||
           error_set(err, ERR_LIMIT, "all files together are larger than 1 TiB");
}

/* ---- removals and the rest ---- */

static bool add_removals(const struct settings *settings, struct manifest *manifest, struct error *err)
{
    size_t count = settings->removals.count;
    manifest->removals = calloc(count + 1, sizeof(*manifest->removals));
    if (manifest->removals == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu removals", count);
    for (size_t i = 0; i < count; i++) {
        struct path full;
        const char *path = settings->removals.items[i];
        if (!manifest_path_check(path, err))
            return error_wrap(err, "--remove");
        if (settings->base != NULL &&
            (!path_join(&full, settings->base, path, err) || file_size_bytes(full.text) < 0))
            return error_set(err, ERR_NOT_FOUND, "--remove: there is no file %s in %s", path, settings->base);
        manifest->removals[manifest->removal_count++] = path;
    }
    if (count > 0)
        qsort(manifest->removals, count, sizeof(*manifest->removals), by_text);
    return true;
}

static bool check_paths(const struct contents *contents, struct error *err)
{
    const struct manifest *manifest = &contents->manifest;
    size_t count = manifest->file_count + manifest->removal_count;
    SCOPE_FREE const char **paths = calloc(count + 1, sizeof(*paths));
    if (paths == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to compare %zu paths", count);
    for (size_t i = 0; i < count; i++)
        paths[i] =
            i < manifest->file_count ? contents->file_paths[i] : manifest->removals[i - manifest->file_count];
    return manifest_paths_apart(paths, count, err) || error_wrap(err, "--files, --remove");
}

static void fill_head(const struct settings *settings, struct manifest *manifest)
{
    snprintf(manifest->product, sizeof(manifest->product), "%s", settings->product);
    snprintf(manifest->version, sizeof(manifest->version), "%s", settings->version);
    if (settings->min_version != NULL)
        snprintf(manifest->min_version, sizeof(manifest->min_version), "%s", settings->min_version);
    manifest->created_us = settings->created_us;
    manifest->expires_us = settings->expires_us;
    manifest->notes = settings->notes;
}

/* The version is for people: of a folder that no updater has installed it is not known. */
static bool fill_base(const char *base, struct manifest *manifest, struct error *err)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(RELEASE_VERSION_BYTES + 1);
    if (base == NULL)
        return true;
    if (!release_tree_sha256(base, manifest->base_tree, err) || !path_join(&path, base, "version.txt", err))
        return error_wrap(err, "--base");
    if (!file_exists(path.text))
        return true;
    if (!file_read_path(path.text, &text, err))
        return error_wrap(err, "--base");
    struct view version = text_trim(buf_view(&text));
    if (view_ends(version, "\n"))
        version.size--;
    return (text_copy(manifest->base_version, sizeof(manifest->base_version), version) &&
            release_version_ok(manifest->base_version)) ||
           error_set(err, ERR_INPUT, "--base: %s holds no version", path.text);
}

bool contents_collect(const struct settings *settings, struct progress *progress, struct contents *out,
                      struct error *err)
{
    struct collecting collecting = {settings, out};
    fill_head(settings, &out->manifest);
    for (size_t i = 0; i < settings->files.count; i++) {
        if (!add_word(&collecting, settings->files.items[i], err))
            return false;
    }
    sort_paths(out);
    return add_removals(settings, &out->manifest, err) && check_paths(out, err) &&
           contents_add_migrations(settings, out, err) && fill_base(settings->base, &out->manifest, err) &&
           describe_files(settings, progress, out, err);
}

void contents_clear(struct contents *contents)
{
    struct manifest *manifest = &contents->manifest;
    for (size_t i = 0; i < manifest->file_count; i++)
        free(contents->file_paths[i]);
    for (size_t i = 0; i < manifest->migration_count; i++) {
        free(contents->migration_paths[i]);
        buf_clear(&contents->sql[i]);
    }
    free(contents->file_paths);
    free(contents->migration_paths);
    free(contents->sql);
    free(manifest->files);
    free(manifest->migrations);
    free(manifest->removals);
    *contents = (struct contents){.file_paths = NULL};
}
