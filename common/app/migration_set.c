#include "common/app/migration_set.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/hash.h"
#include "common/os/file.h"

struct loaded {
    char name[MIGRATION_NAME_BYTES];
    char sha256[SHA256_HEX_BYTES];
    struct buf sql;
};

struct migration_set {
    struct loaded *files;
    struct migration *items; /* one a file, pointing into it */
    size_t count;
};

void migration_set_free(struct migration_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        buf_clear(&set->files[i].sql);
    free(set->files);
    free(set->items);
    free(set);
}

static bool ends_in_sql(struct view name)
{
    return name.size > 4 && memcmp(name.data + name.size - 4, ".sql", 4) == 0;
}

static bool load_one(struct loaded *out, const char *folder, struct view name, struct error *err)
{
    if (!migration_name_ok(name))
        return error_set(err, ERR_INPUT, "%s/%.*s: expected a name like 0001_what.sql", folder,
                         VIEW_ARG(name));
    memcpy(out->name, name.data, name.size);
    out->name[name.size] = '\0';
    struct path path;
    if (!path_join(&path, folder, out->name, err))
        return false;
    out->sql = (struct buf)BUF_LIMIT(MIGRATION_MAX_BYTES);
    if (!file_read_path(path.text, &out->sql, err))
        return false;
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, out->sql.data, out->sql.size);
    sha256_finish_hex(&hash, out->sha256);
    return true;
}

static bool load_folder(struct migration_set *set, const char *folder, struct error *err)
{
    SCOPE_DIR DIR *dir = opendir(folder);
    if (dir == NULL)
        return error_set_errno(err, "%s", folder);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct view name = view_of(entry->d_name);
        if (!ends_in_sql(name))
            continue;
        if (set->count == MIGRATION_SET_MAX)
            return error_set(err, ERR_LIMIT, "%s: more than %d migrations", folder, MIGRATION_SET_MAX);
        struct loaded *file = &set->files[set->count];
        set->count++; /* so that what is half loaded is freed too */
        if (!load_one(file, folder, name, err))
            return false;
        set->items[set->count - 1] = (struct migration){file->name, buf_view(&file->sql), file->sha256};
    }
    return set->count > 0 || error_set(err, ERR_NOT_FOUND, "%s: no migrations there", folder);
}

struct migration_set *migration_set_load(const char *folder, struct error *err)
{
    struct migration_set *set = calloc(1, sizeof(*set));
    if (set == NULL) {
        error_set(err, ERR_MEMORY, "no memory for migrations");
        return NULL;
    }
    set->files = calloc(MIGRATION_SET_MAX, sizeof(*set->files));
    set->items = calloc(MIGRATION_SET_MAX, sizeof(*set->items));
    bool ok = set->files != NULL && set->items != NULL;
    ok = ok ? load_folder(set, folder, err) : error_set(err, ERR_MEMORY, "no memory for migrations");
    if (ok)
        return set;
    migration_set_free(set);
    return NULL;
}

const struct migration *migration_set_items(const struct migration_set *set, size_t *count)
{
    *count = set->count;
    return set->items;
}

bool migration_set_apply(const struct migration_set *set, sqlite3 *db, const char *version,
                         const struct clock *clock, struct error *err)
{
    return migrate_db(db, set->items, set->count, version, clock, err);
}
