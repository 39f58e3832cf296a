#include "updater/space.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "updater/changes.h"
#include "updater/store_update.h"

/* For what is written besides, and so that the collector's next ticks find room. */
#define SPACE_MARGIN_BYTES ((uint64_t)16 * 1024 * 1024)

enum { FOLDERS = 3, MIB = 1024 * 1024 };

bool update_space_of(const struct target *target, const struct manifest *manifest, struct update_space *out,
                     struct error *err)
{
    struct change_totals totals;
    struct store_place store;
    SCOPE_FD int release = file_open(target->release.text, O_RDONLY | O_DIRECTORY, err);
    if (release < 0 || !changes_total(release, manifest, &totals, err) ||
        !store_find(&target->appliance, &store, err))
        return false;
    bool copies = manifest->migration_count > 0 && store.there;
    out->release_bytes = manifest->bytes;
    out->store_bytes = copies ? store.bytes : 0;
    out->backup_bytes = totals.old_bytes + out->store_bytes;
    return true;
}

struct need {
    const char *folder;
    uint64_t bytes;
    dev_t disk;
};

/* All that goes to one disk must find room there together. */
static bool check_disk(const struct need *needs, size_t number, struct error *err)
{
    uint64_t free_bytes;
    uint64_t bytes = SPACE_MARGIN_BYTES;
    for (size_t i = 0; i < FOLDERS; i++)
        bytes += needs[i].disk == needs[number].disk ? needs[i].bytes : 0;
    if (!disk_free_bytes(needs[number].folder, &free_bytes, err))
        return false;
    return free_bytes >= bytes ||
           error_refuse(err, ERR_SPACE, "no_space",
                        "%s: %llu MiB are free and the update needs %llu MiB: make room (RETENTION_DAYS and"
                        " MAX_STORE_BYTES make the store smaller)",
                        needs[number].folder, (unsigned long long)(free_bytes / MIB),
                        (unsigned long long)((bytes + MIB - 1) / MIB));
}

bool update_space_check(const struct target *target, const struct update_space *space, struct error *err)
{
    struct path releases;
    struct path backups;
    struct path store;
    const struct appliance *appliance = &target->appliance;
    if (!path_join(&releases, appliance->root, "releases", err) ||
        !path_join(&backups, appliance->root, "backups", err) ||
        !appliance_path(appliance, appliance->config.telemetry_dir, &store, err))
        return false;
    struct need needs[FOLDERS] = {
        {releases.text, (uint64_t)space->release_bytes, 0},
        {file_exists(backups.text) ? backups.text : appliance->root, (uint64_t)space->backup_bytes, 0},
        {space->store_bytes > 0 ? store.text : releases.text, (uint64_t)space->store_bytes, 0},
    };
    for (size_t i = 0; i < FOLDERS; i++) {
        struct stat about;
        if (stat(needs[i].folder, &about) != 0)
            return error_set_errno(err, "%s", needs[i].folder);
        needs[i].disk = about.st_dev;
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        if (!check_disk(needs, i, err))
            return false;
    }
    return true;
}
