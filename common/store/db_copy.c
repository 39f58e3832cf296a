#include "common/store/db_copy.h"

#include <fcntl.h>

#include "common/store/db.h"

/* The copy is whole or thrown away: it needs no journal of its own, and one fsync at its end. */
static sqlite3 *open_copy(const char *path, struct error *err)
{
    SCOPE_DB sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                        NULL) != SQLITE_OK) {
        db_error(db, err, "%s", path);
        return NULL;
    }
    sqlite3_extended_result_codes(db, 1);
    if (!db_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", err))
        return NULL;
    return POINTER_TAKE(db);
}

static bool copy_pages(sqlite3 *from, sqlite3 *to, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return db_error(to, err, "copy");
    sqlite3_backup_step(backup, -1);
    return sqlite3_backup_finish(backup) == SQLITE_OK || db_error(to, err, "copy");
}

static bool sync_copy(const char *path, struct error *err)
{
    SCOPE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || error_set_errno(err, "fsync %s", path);
}

bool db_copy(const char *from, const char *to, struct error *err)
{
    SCOPE_DB sqlite3 *source = db_open(from, DB_READ, err);
    SCOPE_DB sqlite3 *copy = source == NULL ? NULL : open_copy(to, err);
    if (copy == NULL)
        return false;
    return (copy_pages(source, copy, err) && sync_copy(to, err)) || error_wrap(err, "copy of %s", from);
}
