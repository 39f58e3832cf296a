#include "server_tools/sync_client/archive_recover.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "server_tools/central/archive_files.h"

#define ASIDE "aside"

typedef bool visit(const struct archive_folder *folder, const char *file, struct notices *notices,
                   struct error *err);

static bool walk(const struct archive_folder *folder, visit *visit_one, struct notices *notices,
                 struct error *err)
{
    SCOPE_DIR DIR *dir = opendir(folder->path.text);
    if (dir == NULL)
        return error_set_errno(err, "%s", folder->path.text);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!visit_one(folder, entry->d_name, notices, err))
            return false;
    }
    return true;
}

/* The archive's name that the file's begins with, empty when it is not one of ours. *rest: what follows. */
static struct view name_of(const char *file, const char **rest)
{
    const char *dot = strchr(file, '.');
    struct view name = {file, dot == NULL ? 0 : (size_t)(dot - file)};
    *rest = dot;
    return archive_name_ok(name) ? name : (struct view){file, 0};
}

/* ---- what is whole but for its names ---- */

/* Under its final name, or not yet. */
static bool file_is_whole(const struct archive_folder *folder, const char *file,
                          const struct archive_file *said)
{
    for (int i = 0; i < 2; i++) {
        struct path path;
        int64_t bytes;
        if (!path_printf(&path, NULL, "%s/%s%s", folder->path.text, file, i == 0 ? ".part" : ""))
            return false;
        SCOPE_FD int fd = archive_file_open(path.text, &bytes, NULL);
        if (fd >= 0)
            return archive_file_verify(fd, said, NULL);
    }
    return false;
}

static bool is_whole(const struct archive_folder *folder, const char *name, const struct archive_info *info)
{
    for (int i = 0; i < ARCHIVE_STREAMS; i++) {
        char file[ARCHIVE_FILE_BYTES];
        archive_file_name(name, (enum archive_stream)i, info->format, file);
        if (info->files[i].present && !file_is_whole(folder, file, &info->files[i]))
            return false;
    }
    return true;
}

static bool complete(const struct archive_folder *folder, const char *file, struct notices *notices,
                     struct error *err)
{
    const char *rest;
    char name[ARCHIVE_NAME_BYTES];
    struct view view = name_of(file, &rest);
    struct path path;
    struct archive_info info;
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    if (view.size == 0 || strcmp(rest, ".json.part") != 0 ||
        !path_join(&path, folder->path.text, file, NULL) || !file_read_path(path.text, &text, NULL) ||
        !archive_info_parse(buf_view(&text), &info, NULL))
        return true; /* it is removed below */
    snprintf(name, sizeof(name), "%.*s", VIEW_ARG(view));
    if (!is_whole(folder, name, &info))
        return true;
    if (!archive_publish(folder, name, &info, err))
        return false;
    notice(notices, "completed the archive %s/%s, which an earlier run had received", folder->path.text,
           name);
    return true;
}

/* ---- what is not ---- */

static bool remove_unfinished(const struct archive_folder *folder, const char *file, struct notices *notices,
                              struct error *err)
{
    (void)notices;
    const char *rest;
    struct path path;
    bool temporary = file[0] == '.' && name_of(file + 1, &rest).size > 0 && view_ends(view_of(file), ".tmp");
    bool part = name_of(file, &rest).size > 0 && view_ends(view_of(file), ".part");
    return (!temporary && !part) ||
           (path_join(&path, folder->path.text, file, err) && file_remove(path.text, err));
}

/* ---- what nothing describes ---- */

static bool is_file_of_archive(const char *name, const char *file)
{
    for (int i = 0; i < 2 * ARCHIVE_STREAMS; i++) {
        char ours[ARCHIVE_FILE_BYTES];
        archive_file_name(name, (enum archive_stream)(i / 2), i % 2 == 0 ? PACK_GZIP : PACK_ZSTD, ours);
        if (strcmp(ours, file) == 0)
            return true;
    }
    return false;
}

/* Never over a file that is there already: that one may be of the same second of another year's clock. */
static bool move_aside(const struct archive_folder *folder, const char *file, struct notices *notices,
                       struct error *err)
{
    struct path aside;
    struct path from;
    struct path to;
    if (!path_join(&aside, folder->path.text, ASIDE, err) ||
        !folder_make_all(aside.text, ARCHIVE_FOLDER_MODE, err) ||
        !path_join(&from, folder->path.text, file, err) || !path_join(&to, aside.text, file, err))
        return false;
    for (unsigned number = 2; file_exists(to.text); number++) {
        if (number > ARCHIVE_TRIES || !path_printf(&to, err, "%s/%u-%s", aside.text, number, file))
            return error_set(err, ERR_LIMIT, "%s: no name left for %s", aside.text, file);
    }
    if (rename(from.text, to.text) != 0)
        return error_set_errno(err, "rename to %s", to.text);
    notice(
        notices,
        "%s has no json beside it: moved to %s; what it holds is fetched again where the machine still has "
        "it, else `sync_client import` adds it",
        from.text, to.text);
    return folder_sync(aside.text, err) && folder_sync(folder->path.text, err);
}

static bool set_aside(const struct archive_folder *folder, const char *file, struct notices *notices,
                      struct error *err)
{
    const char *rest;
    char name[ARCHIVE_NAME_BYTES];
    struct path json;
    struct view view = name_of(file, &rest);
    snprintf(name, sizeof(name), "%.*s", VIEW_ARG(view));
    if (view.size == 0 || !is_file_of_archive(name, file))
        return true;
    return path_printf(&json, err, "%s/%s.json", folder->path.text, name) &&
           (file_exists(json.text) || move_aside(folder, file, notices, err));
}

bool archive_recover(const struct archive_folder *folder, struct notices *notices, struct error *err)
{
    static visit *const steps[] = {complete, remove_unfinished, set_aside};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (!walk(folder, steps[i], notices, err))
            return false;
    }
    return true;
}
