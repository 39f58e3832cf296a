#include "updater/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/pack/zip_writer.h"
#include "updater/changes.h"

enum {
    BACKUP_MODE = 0640,
    BLOCK_BYTES = 64 * 1024,
    STAMP_BYTES = sizeof("_20260222_100500.zip"),
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

static const char temporary_name[] = ".backup.zip.tmp";

/* ---- the archive ---- */

struct filling {
    struct zip_writer *writer;
    int release;
    char block[BLOCK_BYTES];
};

static bool add_content(struct filling *filling, int fd, const char *name, struct error *err)
{
    for (;;) {
        ssize_t size = read(fd, filling->block, sizeof(filling->block));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_set_errno(err, "read %s", name);
        if (size == 0)
            return true;
        if (!zip_writer_data(filling->writer, (struct view){filling->block, (size_t)size}, err))
            return false;
    }
}

static bool add_file(struct filling *filling, int fd, const char *name, mode_t mode, struct error *err)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return error_set_errno(err, "%s", name);
    return zip_writer_begin(filling->writer, name, mode, about.st_size, err) &&
           add_content(filling, fd, name, err);
}

static bool add_of_release(struct filling *filling, const char *path, const char *name, mode_t mode,
                           struct error *err)
{
    SCOPE_FD int fd = openat(filling->release, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? add_file(filling, fd, name, mode, err) : error_set_errno(err, "open %s", path);
}

/* context: struct filling */
static bool add_change(void *context, const struct change *change, struct error *err)
{
    struct path name;
    return change->kind == CHANGE_NEW ||
           (path_printf(&name, err, "release/%s", change->path) &&
            add_of_release(context, change->path, name.text, change->old_mode, err));
}

static bool fill(struct filling *filling, const struct backup_request *request, struct error *err)
{
    struct path name;
    if (!add_of_release(filling, "version.txt", "version.txt", 0644, err) ||
        !changes_each(filling->release, request->manifest, add_change, filling, err))
        return false;
    if (request->snapshot >= 0 && (!path_printf(&name, err, "data/%s", request->snapshot_name) ||
                                   !add_file(filling, request->snapshot, name.text, 0644, err)))
        return false;
    return zip_writer_end(filling->writer, err);
}

static bool write_archive(int fd, int release, const struct backup_request *request, struct error *err)
{
    SCOPE_ZIP_WRITER struct zip_writer *writer = zip_writer_new(fd, err);
    if (writer == NULL)
        return false;
    struct filling filling;
    filling.writer = writer;
    filling.release = release;
    return fill(&filling, request, err);
}

/* ---- its name, and which stay ---- */

static bool name_backup(const char *version, const struct clock *clock, char out[BACKUP_NAME_BYTES],
                        struct error *err)
{
    char stamp[STAMP_BYTES];
    struct tm utc;
    time_t now = (time_t)(clock_utc_us(clock) / US_PER_S);
    if (gmtime_r(&now, &utc) == NULL || strftime(stamp, sizeof(stamp), "_%Y%m%d_%H%M%S.zip", &utc) == 0)
        return error_set(err, ERR_IO, "the clock shows no time");
    snprintf(out, BACKUP_NAME_BYTES, "backup_v%s%s", version, stamp);
    return true;
}

static bool is_backup(const char *name)
{
    struct view view = view_of(name);
    return view_starts(view, "backup_v") && view_ends(view, ".zip") && view.size > STAMP_BYTES;
}

/* By the time in the name, then by the name. */
static int compare_age(const char *a, const char *b)
{
    int order = strcmp(a + strlen(a) - (STAMP_BYTES - 1), b + strlen(b) - (STAMP_BYTES - 1));
    return order != 0 ? order : strcmp(a, b);
}

/* The oldest backup of the folder, when there are more than enough. *found false: there are not. */
static bool find_surplus(int folder, char oldest[NAME_MAX + 1], bool *found, struct error *err)
{
    int fd = openat(folder, ".", FOLDER_FLAGS);
    SCOPE_DIR DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL)
        return error_set_errno(err, "backups");
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *name = entry->d_name;
        if (!is_backup(name))
            continue;
        if (count++ == 0 || compare_age(name, oldest) < 0)
            memcpy(oldest, name, strlen(name) + 1);
    }
    *found = count > BACKUPS_KEPT;
    return true;
}

static bool prune(int folder, struct error *err)
{
    char oldest[NAME_MAX + 1];
    for (bool found = true; found;) {
        if (!find_surplus(folder, oldest, &found, err))
            return false;
        if (found && unlinkat(folder, oldest, 0) != 0)
            return error_set_errno(err, "remove backups/%s", oldest);
    }
    return true;
}

/* ---- the whole ---- */

static int open_backups(const char *root, struct error *err)
{
    struct path path;
    if (!path_join(&path, root, "backups", err) || !folder_make_all(path.text, 0750, err))
        return -1;
    return file_open(path.text, FOLDER_FLAGS, err);
}

static bool remove_temporary(int folder, struct error *err)
{
    return unlinkat(folder, temporary_name, 0) == 0 || errno == ENOENT ||
           error_set_errno(err, "remove backups/%s", temporary_name);
}

static bool write_and_publish(int folder, int release, const struct backup_request *request, const char *name,
                              struct error *err)
{
    SCOPE_FD int fd =
        openat(folder, temporary_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, BACKUP_MODE);
    if (fd < 0)
        return error_set_errno(err, "make backups/%s", temporary_name);
    if (!write_archive(fd, release, request, err))
        return error_wrap(err, "backups/%s", name);
    if (fsync(fd) != 0 || renameat(folder, temporary_name, folder, name) != 0 || fsync(folder) != 0)
        return error_set_errno(err, "backups/%s", name);
    return true;
}

bool backup_make(const char *root, const struct backup_request *request, const struct clock *clock,
                 char name[BACKUP_NAME_BYTES], struct error *err)
{
    struct path path;
    char made[BACKUP_NAME_BYTES];
    SCOPE_FD int folder = open_backups(root, err);
    if (folder < 0 || !name_backup(request->version, clock, made, err) ||
        !path_printf(&path, err, "%s/releases/%s", root, request->version))
        return false;
    SCOPE_FD int release = file_open(path.text, FOLDER_FLAGS, err);
    if (release < 0 || !remove_temporary(folder, err))
        return false;
    if (!write_and_publish(folder, release, request, made, err)) {
        (void)!remove_temporary(folder, NULL);
        return false;
    }
    memcpy(name, made, sizeof(made));
    return prune(folder, err);
}

bool backup_sweep(const char *root, struct error *err)
{
    SCOPE_FD int folder = open_backups(root, err);
    return folder >= 0 && remove_temporary(folder, err);
}
