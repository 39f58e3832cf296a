/* The archives of a folder, in their order. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_client/archive.h"

enum { NAMES_FIRST = 64 };

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

/* The name of a json of ours, empty for any other file. */
static struct view name_of(const char *file)
{
    struct view name = view_of(file);
    if (!view_ends(name, ".json"))
        return (struct view){file, 0};
    name.size -= strlen(".json");
    return archive_name_ok(name) ? name : (struct view){file, 0};
}

static bool add_name(struct archive_names *names, size_t *capacity, struct view name, struct error *err)
{
    if (names->count == *capacity) {
        size_t larger = *capacity > 0 ? *capacity * 2 : NAMES_FIRST;
        void *moved = reallocarray(names->names, larger, sizeof(names->names[0]));
        if (moved == NULL)
            return error_set(err, ERR_MEMORY, "no memory left for the list of archives");
        names->names = moved;
        *capacity = larger;
    }
    memcpy(names->names[names->count], name.data, name.size);
    names->names[names->count++][name.size] = '\0';
    return true;
}

bool archive_list(const struct archive_folder *folder, struct archive_names *out, struct error *err)
{
    SCOPE_DIR DIR *dir = opendir(folder->path.text);
    if (dir == NULL)
        return error_set_errno(err, "%s", folder->path.text);
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    size_t capacity = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct view name = name_of(entry->d_name);
        if (name.size > 0 && !add_name(&names, &capacity, name, err))
            return false;
    }
    if (names.count > 0)
        qsort(names.names, names.count, sizeof(names.names[0]), compare_names);
    *out = names;
    names = (struct archive_names){NULL, 0};
    return true;
}

void archive_names_clear(struct archive_names *names)
{
    free(names->names);
    *names = (struct archive_names){NULL, 0};
}

bool archive_load(const struct archive_folder *folder, const char *name, struct path *path,
                  struct archive_info *info, struct error *err)
{
    struct path json;
    char file[ARCHIVE_FILE_BYTES];
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    if (!path_printf(&json, err, "%s/%s.json", folder->path.text, name) ||
        !file_read_path(json.text, &text, err))
        return false;
    if (!archive_info_parse(buf_view(&text), info, err))
        return error_wrap(err, "%s", json.text);
    archive_file_name(name, ARCHIVE_READINGS, info->format, file);
    return path_join(path, folder->path.text, file, err);
}
