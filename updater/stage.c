#include "updater/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "updater/release_sweep.h"
#include "updater/tree.h"

enum {
    PRIVATE_FOLDER_MODE = 0700,
    PRIVATE_FILE_MODE = 0600,
    FOLDER_MODE = 0755,
    FILE_MODE = 0644,
    WRITE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

struct stage {
    const char *root; /* borrowed */
    char version[RELEASE_VERSION_BYTES];
    struct path path; /* of the private folder */
    int folder;       /* descriptor of it */
    bool published;
    int file; /* that is being written; -1: none */
    mode_t file_mode;
    const char *file_path;
};

/* ---- the private folder ---- */

static bool make_private_folder(struct stage *stage, struct error *err)
{
    if (!path_printf(&stage->path, err, "%s/releases/.new-%s", stage->root, stage->version) ||
        !tree_remove(stage->path.text, err))
        return false;
    if (mkdir(stage->path.text, PRIVATE_FOLDER_MODE) != 0)
        return error_set_errno(err, "make %s", stage->path.text);
    stage->folder = file_open(stage->path.text, FOLDER_FLAGS, err);
    return stage->folder >= 0;
}

struct stage *stage_begin(const char *root, const char *version, struct error *err)
{
    SCOPE_STAGE struct stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL) {
        error_set(err, ERR_MEMORY, "no memory left to stage a release");
        return NULL;
    }
    stage->root = root;
    stage->folder = -1;
    stage->file = -1;
    snprintf(stage->version, sizeof(stage->version), "%s", version);
    return make_private_folder(stage, err) ? POINTER_TAKE(stage) : NULL;
}

void stage_free(struct stage *stage)
{
    if (stage == NULL)
        return;
    if (stage->file >= 0)
        close(stage->file);
    if (stage->folder >= 0)
        close(stage->folder);
    if (!stage->published && stage->path.text[0] != '\0')
        (void)!tree_remove(stage->path.text, NULL); /* what is left, `updater recover` removes */
    free(stage);
}

/* One part of a path: the folder of that name, made when it is missing. Takes over parent. */
static int enter(int parent, const char *part, const char *path, struct error *err)
{
    SCOPE_FD int from = parent;
    if (mkdirat(from, part, PRIVATE_FOLDER_MODE) != 0 && errno != EEXIST) {
        error_set_errno(err, "make the folder of %s", path);
        return -1;
    }
    int fd = openat(from, part, FOLDER_FLAGS);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        error_refuse(err, ERR_INPUT, "file_and_folder", "%s: `%s` is a file here and a folder there", path,
                     part);
    else if (fd < 0)
        error_set_errno(err, "open the folder of %s", path);
    return fd;
}

/* The folder that path lies in, made when it is missing; *last: its last part. parts: room for the others. */
static int enter_folder_of(const struct stage *stage, const char *path, struct path *parts, const char **last,
                           struct error *err)
{
    if (!path_printf(parts, err, "%s", path))
        return -1;
    int fd = openat(stage->folder, ".", FOLDER_FLAGS);
    if (fd < 0)
        error_set_errno(err, "%s", stage->path.text);
    char *part = parts->text;
    for (char *slash; fd >= 0 && (slash = strchr(part, '/')) != NULL; part = slash + 1) {
        *slash = '\0';
        fd = enter(fd, part, path, err);
    }
    *last = part;
    return fd;
}

/* ---- the package's content ---- */

static bool begin_file(void *context, const struct manifest_file *file,
                       const struct manifest_migration *migration, struct error *err)
{
    struct stage *stage = context;
    struct path name;
    struct path parts;
    const char *last;
    if (!(file != NULL ? path_printf(&name, err, "%s", file->path)
                       : path_printf(&name, err, "migrations/%s", migration->name)))
        return false;
    SCOPE_FD int folder = enter_folder_of(stage, name.text, &parts, &last, err);
    if (folder < 0)
        return false;
    stage->file = openat(folder, last, WRITE_FLAGS, PRIVATE_FILE_MODE);
    stage->file_mode = file != NULL ? file->mode : FILE_MODE;
    stage->file_path = file != NULL ? file->path : migration->name;
    return stage->file >= 0 || error_set_errno(err, "make %s", name.text);
}

static bool write_piece(void *context, struct view piece, struct error *err)
{
    const struct stage *stage = context;
    return file_write_all(stage->file, piece.data, piece.size, err) ||
           error_wrap(err, "%s", stage->file_path);
}

/* Its bytes begin their way to the disk here, so that the fsyncs at the end find little left to do. */
static bool end_file(void *context, struct error *err)
{
    struct stage *stage = context;
    SCOPE_FD int fd = fd_take(&stage->file);
    if (fchmod(fd, stage->file_mode) != 0)
        return error_set_errno(err, "chmod %s", stage->file_path);
    (void)!sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return true;
}

bool stage_unpack(struct stage *stage, struct package *package, struct error *err)
{
    const struct package_sink sink = {stage, begin_file, write_piece, end_file};
    return package_read(package, &sink, err);
}

/* ---- what stays ---- */

struct linking {
    const struct stage *stage;
    const char **removals; /* sorted */
    size_t removal_count;
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_removed(const struct linking *linking, const char *path)
{
    return linking->removal_count > 0 && bsearch(&path, linking->removals, linking->removal_count,
                                                 sizeof(*linking->removals), compare_paths) != NULL;
}

/* The package's own file of that name, which is there already, goes before the running release's. */
static bool is_brought(int folder, const char *name)
{
    struct stat about;
    return fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode);
}

/* context: struct linking. Folders come with their first file. */
static bool link_entry(void *context, const struct tree_entry *entry, struct error *err)
{
    const struct linking *linking = context;
    struct path parts;
    const char *last;
    if (entry->event != TREE_FILE || is_removed(linking, entry->path))
        return true;
    SCOPE_FD int folder = enter_folder_of(linking->stage, entry->path, &parts, &last, err);
    if (folder < 0)
        return false;
    if (linkat(entry->parent, entry->name, folder, last, 0) == 0)
        return true;
    if (errno != EEXIST)
        return error_set_errno(err, "link %s", entry->path);
    return is_brought(folder, last) ||
           error_refuse(err, ERR_INPUT, "file_and_folder", "%s is a folder in the package", entry->path);
}

static bool link_rest(const struct stage *stage, const struct manifest *manifest, const char *running,
                      struct error *err)
{
    size_t count = manifest->removal_count;
    struct path path;
    SCOPE_FREE const char **removals = calloc(count + 1, sizeof(*removals));
    if (removals == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu removals", count);
    for (size_t i = 0; i < count; i++)
        removals[i] = manifest->removals[i];
    qsort(removals, count, sizeof(*removals), compare_paths);
    if (!path_printf(&path, err, "%s/releases/%s", stage->root, running))
        return false;
    SCOPE_FD int from = file_open(path.text, FOLDER_FLAGS, err);
    struct linking linking = {stage, removals, count};
    return from >= 0 && release_walk(from, link_entry, &linking, err);
}

static bool write_version(const struct stage *stage, struct error *err)
{
    char line[RELEASE_VERSION_BYTES + 1];
    int size = snprintf(line, sizeof(line), "%s\n", stage->version);
    SCOPE_FD int fd = openat(stage->folder, "version.txt", WRITE_FLAGS, PRIVATE_FILE_MODE);
    if (fd < 0)
        return error_set_errno(err, "make version.txt");
    if (!file_write_all(fd, line, (size_t)size, err))
        return error_wrap(err, "version.txt");
    return (fchmod(fd, FILE_MODE) == 0 && fsync(fd) == 0) || error_set_errno(err, "fsync version.txt");
}

/* ---- durable, then visible ---- */

/* A file that has a second name is the running release's and durable since that was made. */
static bool sync_file(const struct tree_entry *entry, struct error *err)
{
    struct stat about;
    SCOPE_FD int fd = openat(entry->parent, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0)
        return error_set_errno(err, "open %s", entry->path);
    return about.st_nlink > 1 || fsync(fd) == 0 || error_set_errno(err, "fsync %s", entry->path);
}

static bool sync_entry(void *context, const struct tree_entry *entry, struct error *err)
{
    (void)context;
    if (entry->event == TREE_FOLDER)
        return true;
    if (entry->event == TREE_FILE)
        return sync_file(entry, err);
    SCOPE_FD int fd = openat(entry->parent, entry->name, FOLDER_FLAGS);
    return (fd >= 0 && fchmod(fd, FOLDER_MODE) == 0 && fsync(fd) == 0) ||
           error_set_errno(err, "fsync %s", entry->path);
}

bool stage_publish(struct stage *stage, const struct manifest *manifest, const char *running,
                   struct error *err)
{
    struct path release;
    if (!link_rest(stage, manifest, running, err) || !write_version(stage, err))
        return false;
    if (faccessat(stage->folder, "bin/watchdog", X_OK, 0) != 0)
        return error_refuse(err, ERR_INPUT, "no_watchdog", "version %s would have no program bin/watchdog",
                            stage->version);
    if (!release_walk(stage->folder, sync_entry, NULL, err))
        return false;
    if (fchmod(stage->folder, FOLDER_MODE) != 0 || fsync(stage->folder) != 0)
        return error_set_errno(err, "fsync %s", stage->path.text);
    if (!path_printf(&release, err, "%s/releases/%s", stage->root, stage->version) ||
        !release_remove(stage->root, stage->version, err))
        return false;
    if (rename(stage->path.text, release.text) != 0)
        return error_set_errno(err, "rename to %s", release.text);
    stage->published = true;
    return folder_sync_of(release.text, err);
}
