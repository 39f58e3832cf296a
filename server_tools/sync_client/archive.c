#include "server_tools/sync_client/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_client/archive_recover.h"

#define PART ".part" /* behind the name of what does not count yet */

/* ---- names ---- */

bool archive_name_ok(struct view name)
{
    static const char shape[] = "00000000T000000Z";
    size_t size = sizeof(shape) - 1;
    if (name.size < size || name.size >= ARCHIVE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool digit = name.data[i] >= '0' && name.data[i] <= '9';
        if (shape[i] == '0' ? !digit : name.data[i] != shape[i])
            return false;
    }
    const char *rest = name.data + size;
    size_t left = name.size - size;
    if (left == 0)
        return true;
    if (left == 1 || *rest != '-')
        return false;
    for (size_t i = 1; i < left; i++) {
        if (rest[i] < '0' || rest[i] > '9')
            return false;
    }
    return true;
}

void archive_file_name(const char *name, enum archive_stream stream, enum pack_format format,
                       char out[ARCHIVE_FILE_BYTES])
{
    bool readings = stream == ARCHIVE_READINGS;
    snprintf(out, ARCHIVE_FILE_BYTES, "%s%s%s%s", name, readings ? "" : ".",
             readings ? "" : archive_stream_word(stream), pack_suffix(format));
}

static bool file_path(const struct archive_folder *folder, const char *file, const char *ending,
                      struct path *out, struct error *err)
{
    return path_printf(out, err, "%s/%s%s", folder->path.text, file, ending);
}

/* Where the file of a stream lies while it does not count (PART), or in the end (""). */
static bool stream_path(const struct archive_part *part, enum archive_stream stream, const char *ending,
                        struct path *out, struct error *err)
{
    char file[ARCHIVE_FILE_BYTES];
    archive_file_name(part->name, stream, part->format, file);
    return file_path(part->folder, file, ending, out, err);
}

/* ---- the folder ---- */

bool archive_folder_open(struct archive_folder *folder, const char *data_storage, const char *client_id,
                         struct notices *notices, struct error *err)
{
    struct archive_folder opened = {.lock_fd = -1};
    struct path lock;
    if (!path_join(&opened.path, data_storage, client_id, err) ||
        !folder_make_all(opened.path.text, ARCHIVE_FOLDER_MODE, err) ||
        !path_join(&lock, opened.path.text, ".lock", err))
        return false;
    opened.lock_fd = file_lock(lock.text, err);
    if (opened.lock_fd < 0) {
        if (err->code == ERR_BUSY)
            error_set(err, ERR_BUSY,
                      "another sync_client is at work on %s (%s is locked): wait for it to end", client_id,
                      lock.text);
        return false;
    }
    *folder = opened;
    if (archive_recover(folder, notices, err))
        return true;
    archive_folder_close(folder);
    return false;
}

void archive_folder_close(struct archive_folder *folder)
{
    scope_fd(&folder->lock_fd);
    folder->lock_fd = -1;
}

/* ---- one that is being written ---- */

static bool is_taken(const struct archive_folder *folder, const char *name)
{
    struct path path;
    if (!file_path(folder, name, ".json", &path, NULL) || file_exists(path.text))
        return true;
    for (int i = 0; i < 2 * ARCHIVE_STREAMS; i++) {
        char file[ARCHIVE_FILE_BYTES];
        archive_file_name(name, (enum archive_stream)(i / 2), i % 2 == 0 ? PACK_GZIP : PACK_ZSTD, file);
        if (!file_path(folder, file, "", &path, NULL) || file_exists(path.text))
            return true;
    }
    return false;
}

static bool find_name(const struct archive_folder *folder, int64_t utc_us, char out[ARCHIVE_NAME_BYTES],
                      struct error *err)
{
    char time[RFC3339_NAME_BYTES];
    rfc3339_format_name(time, utc_us);
    snprintf(out, ARCHIVE_NAME_BYTES, "%s", time);
    for (unsigned number = 2; is_taken(folder, out); number++) {
        if (number > ARCHIVE_TRIES)
            return error_set(err, ERR_LIMIT, "%s holds %d archives of one second", folder->path.text,
                             ARCHIVE_TRIES);
        snprintf(out, ARCHIVE_NAME_BYTES, "%s-%u", time, number);
    }
    return true;
}

bool archive_part_open(struct archive_part *part, const struct archive_folder *folder,
                       enum pack_format format, int64_t utc_us, struct error *err)
{
    char file[ARCHIVE_FILE_BYTES];
    *part = (struct archive_part){.folder = folder, .format = format, .fds = {-1, -1, -1}};
    return find_name(folder, utc_us, part->name, err) && archive_part_add(part, ARCHIVE_READINGS, file, err);
}

bool archive_part_add(struct archive_part *part, enum archive_stream stream, char file[ARCHIVE_FILE_BYTES],
                      struct error *err)
{
    struct path path;
    archive_part_drop(part, stream);
    if (!stream_path(part, stream, PART, &path, err))
        return false;
    part->fds[stream] = file_create(path.text, O_RDWR | O_CREAT | O_EXCL, ARCHIVE_MODE, err);
    archive_file_name(part->name, stream, part->format, file);
    return part->fds[stream] >= 0;
}

void archive_part_drop(struct archive_part *part, enum archive_stream stream)
{
    if (part->fds[stream] < 0)
        return;
    scope_fd(&part->fds[stream]);
    part->fds[stream] = -1;
    struct path path;
    if (stream_path(part, stream, PART, &path, NULL))
        unlink(path.text); /* after the commit it has another name: nothing is found */
}

void archive_part_close(struct archive_part *part)
{
    struct path json;
    if (part->fds[ARCHIVE_READINGS] < 0)
        return;
    if (file_path(part->folder, part->name, ".json" PART, &json, NULL))
        unlink(json.text); /* first: what it names must be there */
    for (int i = 0; i < ARCHIVE_STREAMS; i++)
        archive_part_drop(part, (enum archive_stream)i);
}

bool archive_part_seal(struct archive_part *part, const struct archive_info *info, struct error *err)
{
    struct path json;
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    archive_info_write(info, &text);
    if (!buf_check(&text, "the archive's json", err) ||
        !file_path(part->folder, part->name, ".json" PART, &json, err))
        return false;
    for (int i = 0; i < ARCHIVE_STREAMS; i++) {
        if (info->files[i].present && fsync(part->fds[i]) != 0)
            return error_set_errno(err, "fsync of the archive's %s",
                                   archive_stream_word((enum archive_stream)i));
    }
    return file_replace(json.text, buf_view(&text), ARCHIVE_MODE, err);
}

/* Nothing to do when an earlier run came that far. */
static bool publish_file(const struct archive_folder *folder, const char *file, struct error *err)
{
    struct path temporary;
    struct path named;
    if (!file_path(folder, file, PART, &temporary, err) || !file_path(folder, file, "", &named, err))
        return false;
    if (!file_exists(temporary.text))
        return true;
    SCOPE_FD int fd = file_open(temporary.text, O_RDONLY, err);
    return fd >= 0 && file_publish_new(fd, temporary.text, named.text, err);
}

bool archive_publish(const struct archive_folder *folder, const char *name, const struct archive_info *info,
                     struct error *err)
{
    char file[ARCHIVE_FILE_BYTES];
    for (int i = 0; i < ARCHIVE_STREAMS; i++) {
        archive_file_name(name, (enum archive_stream)i, info->format, file);
        if (info->files[i].present && !publish_file(folder, file, err))
            return false;
    }
    snprintf(file, sizeof(file), "%s.json", name);
    return publish_file(folder, file, err);
}

bool archive_commit(struct archive_part *part, const struct archive_info *info, struct path *path,
                    struct error *err)
{
    if (!stream_path(part, ARCHIVE_READINGS, "", path, err) || !archive_part_seal(part, info, err))
        return false;
    if (archive_publish(part->folder, part->name, info, err))
        return true;
    archive_discard(path->text); /* without its json it counts for nothing and would only take up room */
    return false;
}

void archive_discard(const char *path)
{
    struct path json;
    char name[PATH_LIMIT_BYTES];
    if (!archive_json_path(path, &json) || (unlink(json.text) != 0 && errno != ENOENT))
        return; /* first, for what has a json counts; and it may not come back without its files */
    if (!folder_sync_of(json.text, NULL))
        return;
    snprintf(name, sizeof(name), "%.*s", (int)(strlen(json.text) - strlen(".json")), json.text);
    for (int i = 0; i < 2 * ARCHIVE_STREAMS; i++) {
        enum archive_stream stream = (enum archive_stream)(i / 2);
        const char *suffix = pack_suffix(i % 2 == 0 ? PACK_GZIP : PACK_ZSTD);
        struct path file;
        bool readings = stream == ARCHIVE_READINGS;
        if (path_printf(&file, NULL, "%s%s%s%s", name, readings ? "" : ".",
                        readings ? "" : archive_stream_word(stream), suffix))
            unlink(file.text);
    }
}
