#include "server_tools/sync_client/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"

enum { FOLDER_MODE = 0750, ARCHIVE_MODE = 0640, NAMES_FIRST = 64 };

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text);
    size_t ending_size = strlen(ending);
    return size >= ending_size && strcmp(text + size - ending_size, ending) == 0;
}

/* ---- the folder ---- */

static bool is_unfinished(const char *name)
{
    return ends_with(name, ".gz.part") || (name[0] == '.' && ends_with(name, ".json.tmp"));
}

static bool remove_unfinished(const struct archive_folder *folder, struct error *err)
{
    SCOPE_DIR DIR *dir = opendir(folder->path.text);
    if (dir == NULL)
        return error_set_errno(err, "%s", folder->path.text);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct path path;
        if (is_unfinished(entry->d_name) &&
            (!path_join(&path, folder->path.text, entry->d_name, err) || !file_remove(path.text, err)))
            return false;
    }
    return true;
}

bool archive_folder_open(struct archive_folder *folder, const char *data_storage, const char *client_id,
                         struct error *err)
{
    struct archive_folder opened = {.lock_fd = -1};
    struct path lock;
    if (!path_join(&opened.path, data_storage, client_id, err) ||
        !folder_make_all(opened.path.text, FOLDER_MODE, err) ||
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
    if (remove_unfinished(folder, err))
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

static bool file_path(const struct archive_folder *folder, const char *name, const char *ending,
                      struct path *out, struct error *err)
{
    return path_printf(out, err, "%s/%s%s", folder->path.text, name, ending);
}

bool archive_gz_path(const struct archive_folder *folder, const char *name, struct path *out,
                     struct error *err)
{
    return file_path(folder, name, ".gz", out, err);
}

static bool is_taken(const struct archive_folder *folder, const char *name)
{
    static const char *const endings[] = {".gz", ".json", ".gz.part"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        struct path path;
        if (!file_path(folder, name, endings[i], &path, NULL) || file_exists(path.text))
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

bool archive_part_open(struct archive_part *part, const struct archive_folder *folder, int64_t utc_us,
                       struct error *err)
{
    *part = (struct archive_part){.folder = folder, .fd = -1};
    struct path path;
    if (!find_name(folder, utc_us, part->name, err) || !file_path(folder, part->name, ".gz.part", &path, err))
        return false;
    part->fd = file_create(path.text, O_WRONLY | O_CREAT | O_EXCL, ARCHIVE_MODE, err);
    return part->fd >= 0;
}

void archive_part_close(struct archive_part *part)
{
    if (part->fd < 0)
        return;
    close(part->fd);
    part->fd = -1;
    struct path path;
    if (file_path(part->folder, part->name, ".gz.part", &path, NULL))
        unlink(path.text); /* after the commit it has another name: nothing is found */
}

bool archive_commit(struct archive_part *part, const struct archive_facts *facts, struct path *gz,
                    struct error *err)
{
    struct path temporary;
    struct path named;
    struct path json;
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_JSON_MAX_BYTES);
    archive_facts_write(facts, &text);
    if (!buf_check(&text, "the archive's json", err) ||
        !file_path(part->folder, part->name, ".gz.part", &temporary, err) ||
        !file_path(part->folder, part->name, ".gz", &named, err) ||
        !file_path(part->folder, part->name, ".json", &json, err) ||
        !file_publish_new(part->fd, temporary.text, named.text, err))
        return false;
    if (!file_replace(json.text, buf_view(&text), ARCHIVE_MODE, err)) {
        unlink(named.text); /* without its json it counts for nothing and would only take up room */
        return false;
    }
    *gz = named;
    return true;
}

void archive_discard(const char *gz)
{
    struct path json;
    size_t stem = strlen(gz) - strlen(".gz");
    if (path_printf(&json, NULL, "%.*s.json", (int)stem, gz) && unlink(json.text) == 0)
        unlink(gz); /* in this order: what has a json counts */
}

/* ---- those that are there ---- */

static int compare_names(const void *a, const void *b)
{
    /* -10 comes after -9, and both after none: shorter first within one second */
    const char *left = a;
    const char *right = b;
    int order = strncmp(left, right, RFC3339_NAME_BYTES - 1);
    if (order != 0)
        return order;
    size_t left_size = strlen(left);
    size_t right_size = strlen(right);
    if (left_size != right_size)
        return left_size < right_size ? -1 : 1;
    return strcmp(left, right);
}

static bool is_json_of_ours(const char *file)
{
    return file[0] >= '0' && file[0] <= '9' && ends_with(file, ".json") &&
           strlen(file) - strlen(".json") < ARCHIVE_NAME_BYTES &&
           strlen(file) - strlen(".json") >= RFC3339_NAME_BYTES - 1;
}

static bool add_name(struct archive_names *names, size_t *capacity, const char *file, struct error *err)
{
    if (names->count == *capacity) {
        size_t larger = *capacity > 0 ? *capacity * 2 : NAMES_FIRST;
        void *moved = reallocarray(names->names, larger, sizeof(names->names[0]));
        if (moved == NULL)
            return error_set(err, ERR_MEMORY, "no memory left for the list of archives");
        names->names = moved;
        *capacity = larger;
    }
    size_t size = strlen(file) - strlen(".json");
    memcpy(names->names[names->count], file, size);
    names->names[names->count++][size] = '\0';
    return true;
}

bool archive_list(const struct archive_folder *folder, struct archive_names *out, struct error *err)
{
    SCOPE_DIR DIR *dir = opendir(folder->path.text);
    if (dir == NULL)
        return error_set_errno(err, "%s", folder->path.text);
    struct archive_names names = {NULL, 0};
    size_t capacity = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (is_json_of_ours(entry->d_name) && !add_name(&names, &capacity, entry->d_name, err)) {
            archive_names_clear(&names);
            return false;
        }
    }
    if (names.count > 0)
        qsort(names.names, names.count, sizeof(names.names[0]), compare_names);
    *out = names;
    return true;
}

void archive_names_clear(struct archive_names *names)
{
    free(names->names);
    *names = (struct archive_names){NULL, 0};
}
