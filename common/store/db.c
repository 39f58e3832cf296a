#include "common/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DB_FILE_MODE = 0640, JOURNAL_MODE_BYTES = 16 };

static bool is_space_errno(int number)
{
    return number == ENOSPC || number == EDQUOT;
}

static enum error_code code_of(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db);
    switch (extended & 0xff) {
    case SQLITE_FULL:
        return ERR_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        /* The wal-index grows by writing to its file; SQLite keeps no errno of that. */
        if (extended == SQLITE_IOERR_SHMSIZE || is_space_errno(sqlite3_system_errno(db)))
            return ERR_SPACE;
        return ERR_IO;
    default:
        return ERR_IO;
    }
}

bool db_error(sqlite3 *db, struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    enum error_code code = db == NULL ? ERR_MEMORY : code_of(db);
    error_set(err, code, "%s", db == NULL ? "out of memory" : sqlite3_errmsg(db));
    char what[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    return error_wrap(err, "%s", what);
}

/* SQLite would make the file as the umask says; we say what it is. */
static bool make_file(const char *path, struct error *err)
{
    SCOPE_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, DB_FILE_MODE);
    return fd >= 0 || error_set_errno(err, "%s", path);
}

/* No WAL (a file system without shared memory) would mean readers that block the writer. */
static bool use_wal(sqlite3 *db, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, "PRAGMA journal_mode=WAL", err);
    if (stmt == NULL)
        return false;
    switch (db_step(stmt, err)) {
    case DB_STEP_FAILED:
        return false;
    case DB_STEP_DONE:
        return error_set(err, ERR_IO, "the database gives no WAL mode");
    case DB_STEP_ROW:
        break;
    }
    char mode[JOURNAL_MODE_BYTES];
    if (!db_column_copy(stmt, 0, mode, sizeof(mode), err))
        return false;
    if (strcmp(mode, "wal") != 0)
        return error_set(err, ERR_IO, "no WAL mode on this file system");
    return true;
}

static bool configure(sqlite3 *db, enum db_mode mode, struct error *err)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, DB_BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* Until it is known to be sound: a checkpoint at a close would write to a damaged file. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Reading the schema version touches the file: what is no database is noticed here. */
    if (!db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA schema_version;", err))
        return false;
    if (mode == DB_READ)
        return true;
    if (!use_wal(db, err) || !db_exec(db, "PRAGMA synchronous=FULL", err))
        return false;
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return true;
}

sqlite3 *db_open(const char *path, enum db_mode mode, struct error *err)
{
    struct stat status;
    if (mode == DB_CREATE && !make_file(path, err))
        return NULL;
    if (stat(path, &status) != 0) {
        error_set_errno(err, "%s", path);
        return NULL;
    }
    SCOPE_DB sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        db_error(db, err, "%s", path);
        return NULL;
    }
    if (!configure(db, mode, err)) {
        error_wrap(err, "%s", path);
        return NULL;
    }
    return POINTER_TAKE(db);
}

void db_close(sqlite3 *db)
{
    sqlite3_close_v2(db);
}

bool db_exec(sqlite3 *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_error(db, err, "database");
    return true;
}

sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        db_error(db, err, "database");
        return NULL;
    }
    return stmt;
}

/* ---- a value that could not be bound stops the next step of its connection ---- */

static int stop_at_once(void *context)
{
    (void)context;
    return 1;
}

static void stop_next_step(sqlite3_stmt *stmt)
{
    sqlite3_progress_handler(sqlite3_db_handle(stmt), 1, stop_at_once, NULL);
}

static bool was_stopped(sqlite3_stmt *stmt, int result)
{
    if (result != SQLITE_INTERRUPT)
        return false;
    sqlite3_progress_handler(sqlite3_db_handle(stmt), 0, NULL, NULL);
    return true;
}

enum db_step db_step(sqlite3_stmt *stmt, struct error *err)
{
    int result = sqlite3_step(stmt);
    if (result == SQLITE_ROW)
        return DB_STEP_ROW;
    if (was_stopped(stmt, result))
        error_set(err, ERR_MEMORY, "database: no memory left for a value");
    else if (result != SQLITE_DONE)
        db_error(sqlite3_db_handle(stmt), err, "database");
    sqlite3_reset(stmt);
    return result == SQLITE_DONE ? DB_STEP_DONE : DB_STEP_FAILED;
}

bool db_run(sqlite3_stmt *stmt, struct error *err)
{
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_ROW)
        sqlite3_reset(stmt);
    return step != DB_STEP_FAILED;
}

bool db_query_i64(sqlite3 *db, const char *sql, int64_t fallback, int64_t *out, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, sql, err);
    if (stmt == NULL)
        return false;
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    bool present = step == DB_STEP_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL;
    *out = present ? sqlite3_column_int64(stmt, 0) : fallback;
    return true;
}

bool db_begin(sqlite3 *db, struct error *err)
{
    return db_exec(db, "BEGIN IMMEDIATE", err);
}

bool db_commit(sqlite3 *db, struct error *err)
{
    if (db_exec(db, "COMMIT", err))
        return true;
    db_rollback(db);
    return false;
}

void db_rollback(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

void db_bind_view(sqlite3_stmt *stmt, int index, struct view text)
{
    if (text.size > INT_MAX || sqlite3_bind_text(stmt, index, text.data == NULL ? "" : text.data,
                                                 (int)text.size, SQLITE_TRANSIENT) != SQLITE_OK)
        stop_next_step(stmt);
}

bool db_column_copy(sqlite3_stmt *stmt, int column, char *out, size_t out_bytes, struct error *err)
{
    const char *text = db_column_text(stmt, column);
    if (text == NULL && sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM)
        return error_set(err, ERR_MEMORY, "database: no memory left for a text");
    size_t size = text == NULL ? 0 : strlen(text);
    if (size >= out_bytes)
        return error_set(err, ERR_CORRUPT, "a text of %zu bytes where at most %zu belong", size,
                         out_bytes - 1);
    memcpy(out, text == NULL ? "" : text, size + 1);
    return true;
}
