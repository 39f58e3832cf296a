#include "server_tools/publish/contents_migrations.h"

#include <stdlib.h>
#include <string.h>

#include "common/app/migration_set.h"
#include "common/base/text.h"

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(name_of(*(char *const *)a), name_of(*(char *const *)b));
}

/* As it is written, or else in the source. */
static char *find_file(const struct settings *settings, const char *word, struct error *err)
{
    struct path inside;
    if (!path_join(&inside, settings->source, word, err))
        return NULL;
    bool is_inside = !file_exists(word) && file_exists(inside.text);
    char *found = strdup(is_inside ? inside.text : word);
    if (found == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a path");
    return found;
}

static bool find_files(const struct settings *settings, struct contents *out, struct error *err)
{
    size_t count = settings->migrations.count;
    out->migration_paths = calloc(count + 1, sizeof(*out->migration_paths));
    out->sql = calloc(count + 1, sizeof(*out->sql));
    out->manifest.migrations = calloc(count + 1, sizeof(*out->manifest.migrations));
    if (out->migration_paths == NULL || out->sql == NULL || out->manifest.migrations == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu migrations", count);
    for (size_t i = 0; i < count; i++) {
        char *path = find_file(settings, settings->migrations.items[i], err);
        if (path == NULL)
            return false;
        out->sql[i] = (struct buf)BUF_LIMIT(MIGRATION_MAX_BYTES);
        out->migration_paths[out->manifest.migration_count++] = path;
        if (!migration_name_ok(view_of(name_of(path))))
            return error_set(err, ERR_INPUT, "--migrations: %s: expected a name like 0012_add_alarms.sql",
                             path);
    }
    qsort(out->migration_paths, count, sizeof(*out->migration_paths), by_name);
    return true;
}

static bool read_file(struct contents *out, size_t number, struct error *err)
{
    struct manifest_migration *migration = &out->manifest.migrations[number];
    const char *path = out->migration_paths[number];
    if (path == NULL || !file_read_path(path, &out->sql[number], err)) {
        error_wrap(err, "--migrations");
        return false;
    }
    migration->name = name_of(path);
    migration->size = (int64_t)out->sql[number].size;
    out->manifest.bytes += migration->size;
    unsigned char digest[SHA256_BYTES];
    sha256_of(buf_view(&out->sql[number]), digest);
    text_hex_encode(migration->sha256, digest, sizeof(digest));
    return true;
}

/* One that the base has was applied there: no machine would run it again. */
static bool check_not_there(const struct contents *contents, const struct migration *earlier, size_t count,
                            const char *base, struct error *err)
{
    for (size_t i = 0; i < count * contents->manifest.migration_count; i++) {
        const char *name = contents->manifest.migrations[i / count].name;
        if (strcmp(earlier[i % count].name, name) == 0)
            return error_refuse(err, ERR_INPUT, "bad_migration",
                                "--migrations: %s has %s already: give the new one a number of its own", base,
                                name);
    }
    return true;
}

static bool try_all(const struct contents *contents, const struct migration *earlier, size_t earlier_count,
                    struct error *err)
{
    size_t count = contents->manifest.migration_count;
    struct migration *added = calloc(count + 1, sizeof(*added));
    if (added == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu migrations", count);
    for (size_t i = 0; i < count; i++) {
        const struct manifest_migration *migration = &contents->manifest.migrations[i];
        added[i] = (struct migration){migration->name, buf_view(&contents->sql[i]), migration->sha256};
    }
    bool holds = migrate_check(earlier, earlier_count, added, count, err);
    free(added);
    return holds;
}

/* Against the release that the package is for: the base, or else the source. */
static bool check_against_release(const struct settings *settings, const struct contents *contents,
                                  struct error *err)
{
    struct path folder;
    struct error none = {0};
    const char *release = settings->base != NULL ? settings->base : settings->source;
    if (!path_join(&folder, release, "migrations", err))
        return false;
    SCOPE_MIGRATION_SET struct migration_set *set = migration_set_load(folder.text, &none);
    if (set == NULL && none.code != ERR_NOT_FOUND)
        return error_set(err, none.code, "%s", none.text);
    size_t count = 0;
    const struct migration *earlier = set == NULL ? NULL : migration_set_items(set, &count);
    if (settings->base != NULL && !check_not_there(contents, earlier, count, settings->base, err))
        return false;
    if (try_all(contents, earlier, count, err))
        return true;
    return set != NULL ? false
                       : error_wrap(err, "no migrations of a release in %s (--base, --source)", folder.text);
}

/* Two of one number have names that are neighbours. */
static bool check_numbers(const struct manifest_migration *all, size_t count, struct error *err)
{
    enum { NUMBER_DIGITS = 4 };
    for (size_t i = 1; i < count; i++) {
        if (strncmp(all[i - 1].name, all[i].name, NUMBER_DIGITS) == 0)
            return error_refuse(err, ERR_INPUT, "bad_migration", "--migrations: %s and %s have one number",
                                all[i - 1].name, all[i].name);
    }
    return true;
}

bool contents_add_migrations(const struct settings *settings, struct contents *out, struct error *err)
{
    if (!find_files(settings, out, err))
        return false;
    for (size_t i = 0; i < out->manifest.migration_count; i++) {
        if (!read_file(out, i, err))
            return false;
    }
    return out->manifest.migration_count == 0 ||
           (check_numbers(out->manifest.migrations, out->manifest.migration_count, err) &&
            check_against_release(settings, out, err));
}
