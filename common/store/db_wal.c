#include "common/store/db_wal.h"

/* A hook of our own also takes the place of SQLite's checkpoints. */
static int note_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    *(int *)context = pages;
    return SQLITE_OK;
}

void db_wal_take_over(sqlite3 *db, int *pages)
{
    int keep = 1;
    int grow_bytes = DB_WAL_GROW_BYTES;
    sqlite3_wal_hook(db, note_pages, pages);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &grow_bytes);
}

/* In a transaction: page_count is what it will be. */
static bool take_blocks(sqlite3 *db, struct error *err)
{
    int64_t pages = 0;
    int64_t page_bytes = 0;
    if (!db_query_i64(db, "PRAGMA page_count", 0, &pages, err) ||
        !db_query_i64(db, "PRAGMA page_size", 0, &page_bytes, err))
        return false;
    sqlite3_int64 bytes = pages * page_bytes;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_SIZE_HINT, &bytes) == SQLITE_OK ||
           error_set(err, ERR_SPACE, "no room on the disk for the database to grow");
}

bool db_wal_commit(sqlite3 *db, struct error *err)
{
    if (take_blocks(db, err))
        return db_commit(db, err);
    db_rollback(db);
    return false;
}

bool db_checkpoint(sqlite3 *db, enum db_checkpoint kind, int wait_ms, struct error *err)
{
    static const int modes[] = {
        [DB_CHECKPOINT_PASSIVE] = SQLITE_CHECKPOINT_PASSIVE,
        [DB_CHECKPOINT_RESTART] = SQLITE_CHECKPOINT_RESTART,
        [DB_CHECKPOINT_TRUNCATE] = SQLITE_CHECKPOINT_TRUNCATE,
    };
    sqlite3_busy_timeout(db, wait_ms);
    int result = sqlite3_wal_checkpoint_v2(db, NULL, modes[kind], NULL, NULL);
    sqlite3_busy_timeout(db, DB_BUSY_MS);
    return result == SQLITE_OK || result == SQLITE_BUSY || db_error(db, err, "checkpoint");
}
