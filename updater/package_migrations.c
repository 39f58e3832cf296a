#include <stdlib.h>

#include "common/app/migration_set.h"
#include "updater/package.h"

enum { PACKAGE_SQL_MAX_BYTES = 8 * 1024 * 1024 };

/* All migrations of a package in memory: one text, cut by the sizes that the manifest lists. */
static bool read_all(struct package *package, struct buf *text, struct migration *out, struct error *err)
{
    const struct manifest *manifest = package_manifest(package);
    size_t bytes = 0;
    for (size_t i = 0; i < manifest->migration_count; i++)
        bytes += (size_t)manifest->migrations[i].size;
    if (bytes > PACKAGE_SQL_MAX_BYTES)
        return error_refuse(err, ERR_INPUT, "bad_migration", "all migrations together are larger than 8 MiB");
    for (size_t i = 0; i < manifest->migration_count; i++) {
        if (!package_read_migration(package, i, text, err))
            return false;
    }
    const char *at = text->data;
    for (size_t i = 0; i < manifest->migration_count; i++) {
        const struct manifest_migration *migration = &manifest->migrations[i];
        out[i] = (struct migration){migration->name, {at, (size_t)migration->size}, migration->sha256};
        at += migration->size;
    }
    return true;
}

/* added: room for all of the package's. */
static bool check(struct package *package, const struct migration_set *earlier, struct migration *added,
                  struct error *err)
{
    size_t earlier_count;
    const struct migration *items = migration_set_items(earlier, &earlier_count);
    SCOPE_BUF struct buf text = BUF_LIMIT(PACKAGE_SQL_MAX_BYTES);
    return read_all(package, &text, added, err) &&
           migrate_check(items, earlier_count, added, package_manifest(package)->migration_count, err);
}

bool package_check_migrations(struct package *package, const char *release_folder, struct error *err)
{
    size_t count = package_manifest(package)->migration_count;
    struct path folder;
    if (count == 0)
        return true;
    if (!path_join(&folder, release_folder, "migrations", err))
        return false;
    SCOPE_MIGRATION_SET struct migration_set *earlier = migration_set_load(folder.text, err);
    if (earlier == NULL)
        return false;
    struct migration *added = calloc(count, sizeof(*added));
    bool holds = added != NULL ? check(package, earlier, added, err)
                               : error_set(err, ERR_MEMORY, "no memory left for %zu migrations", count);
    free(added);
    return holds;
}
