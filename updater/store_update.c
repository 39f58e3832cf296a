#include "updater/store_update.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/app/migration_set.h"
#include "common/app/store_file.h"
#include "common/store/db_copy.h"
#include "common/store/db_wal.h"

static const char snapshot_name[] = ".update_snapshot.db";

/* ---- as the folder's owner ---- */

struct other_user {
    bool changed;
    uid_t uid; /* to come back to */
    gid_t gid;
};

static void scope_other_user(const struct other_user *user)
{
    if (user->changed && (seteuid(user->uid) != 0 || setegid(user->gid) != 0))
        abort(); /* going on as the wrong user could do anything */
}

/* Only root can be somebody else, and only root needs to. */
static bool become_owner(const char *folder, struct other_user *out, struct error *err)
{
    struct stat about;
    SCOPE_FD int fd = file_open(folder, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return false;
    if (fstat(fd, &about) != 0)
        return error_set_errno(err, "%s", folder);
    if (geteuid() != 0 || about.st_uid == 0)
        return true;
    struct other_user before = {true, geteuid(), getegid()};
    if (setegid(about.st_gid) != 0 || seteuid(about.st_uid) != 0) {
        error_set_errno(err, "become the owner of %s", folder);
        scope_other_user(&before);
        return false;
    }
    *out = before;
    return true;
}

/* ---- finding ---- */

static int64_t bytes_with_log(const char *file)
{
    struct path log;
    int64_t bytes = file_size_bytes(file);
    int64_t logged = path_printf(&log, NULL, "%s-wal", file) ? file_size_bytes(log.text) : -1;
    return bytes + (logged > 0 ? logged : 0);
}

bool store_find(const struct appliance *appliance, struct store_place *out, struct error *err)
{
    struct store_place found = {.there = false};
    if (!appliance_path(appliance, appliance->config.telemetry_dir, &found.folder, err))
        return false;
    if (file_exists(found.folder.text)) {
        if (!store_current_path(found.folder.text, &found.file, err))
            return false;
        found.there = file_exists(found.file.text);
        found.bytes = found.there ? bytes_with_log(found.file.text) : 0;
    }
    *out = found;
    return true;
}

/* ---- copying ---- */

static bool make_snapshot(const struct store_place *store, const char *path, struct error *err)
{
    SCOPE_FD int made = file_create(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
    return made >= 0 && db_copy(store->file.text, path, err);
}

int store_snapshot(const struct store_place *store, struct error *err)
{
    struct path path;
    SCOPE(scope_other_user) struct other_user user = {.changed = false};
    if (!become_owner(store->folder.text, &user, err) ||
        !path_join(&path, store->folder.text, snapshot_name, err) || !file_remove(path.text, err))
        return -1;
    bool copied = make_snapshot(store, path.text, err);
    SCOPE_FD int fd = copied ? file_open(path.text, O_RDONLY | O_NOFOLLOW, err) : -1;
    if (!file_remove(path.text, copied && fd >= 0 ? err : NULL))
        return -1;
    return fd_take(&fd);
}

bool store_sweep(const struct store_place *store, struct error *err)
{
    struct path path;
    SCOPE(scope_other_user) struct other_user user = {.changed = false};
    return !file_exists(store->folder.text) ||
           (become_owner(store->folder.text, &user, err) &&
            path_join(&path, store->folder.text, snapshot_name, err) && file_remove(path.text, err));
}

/* ---- migrating ---- */

/* The collector alone checkpoints. */
static bool migrate_file(const char *file, const struct migration_set *set, const char *version,
                         const struct clock *clock, struct error *err)
{
    int pages_in_log = 0;
    size_t count;
    const struct migration *migrations = migration_set_items(set, &count);
    SCOPE_DB sqlite3 *db = db_open(file, DB_WRITE, err);
    if (db == NULL)
        return false;
    db_wal_take_over(db, &pages_in_log);
    struct error cause = {.code = ERR_NONE};
    if (migrate_db_adding(db, migrations, count, version, clock, &cause))
        return true;
    if (cause.code == ERR_CHANGED) /* the ledger has it with another text */
        return error_refuse(err, ERR_INPUT, "bad_migration", "%s: %s", file, cause.text);
    if (err != NULL)
        *err = cause;
    return error_wrap(err, "%s", file);
}

bool store_migrate(const struct store_place *store, const char *release_folder, const char *version,
                   const struct clock *clock, struct error *err)
{
    struct path folder;
    if (!path_join(&folder, release_folder, "migrations", err))
        return false;
    SCOPE_MIGRATION_SET struct migration_set *set = migration_set_load(folder.text, err);
    SCOPE(scope_other_user) struct other_user user = {.changed = false};
    return set != NULL && become_owner(store->folder.text, &user, err) &&
           migrate_file(store->file.text, set, version, clock, err);
}
