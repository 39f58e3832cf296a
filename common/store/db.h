/* SQLite connections, statements and transactions with our errors. Knows no tables.
 * Threads: a connection belongs to one thread at a time (SQLITE_OPEN_NOMUTEX). */
#ifndef COMMON_STORE_DB_H
#define COMMON_STORE_DB_H

#include <math.h>
#include <sqlite3.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum { DB_BUSY_MS = 10 * 1000 };

enum db_mode {
    DB_READ,   /* must exist */
    DB_WRITE,  /* must exist */
    DB_CREATE, /* made when missing, mode 0640 */
};

/* WAL and synchronous=FULL for the writing modes, foreign keys on, trusted_schema off, busy time-out.
 * Errors: ERR_NOT_FOUND, ERR_CORRUPT (no database, or damaged), ERR_IO. */
sqlite3 *db_open(const char *path, enum db_mode mode, struct error *err) MUST_USE;
void db_close(sqlite3 *db); /* NULL is fine */

/* Fills err from the connection: SQLITE_FULL is ERR_SPACE, SQLITE_CORRUPT and SQLITE_NOTADB are ERR_CORRUPT,
 * SQLITE_BUSY is ERR_BUSY, SQLITE_NOMEM is ERR_MEMORY, others ERR_IO. Always false. */
bool db_error(sqlite3 *db, struct error *err, const char *format, ...) PRINTF_LIKE(3, 4);

/* One or several statements, results ignored. */
bool db_exec(sqlite3 *db, const char *sql, struct error *err) MUST_USE;

/* SQLITE_PREPARE_PERSISTENT. */
sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql, struct error *err) MUST_USE;

/* Steps. DB_STEP_ROW, DB_STEP_DONE (the statement is reset then, ready for use again) or
 * DB_STEP_FAILED with err set (reset too). */
enum db_step { DB_STEP_FAILED, DB_STEP_DONE, DB_STEP_ROW };
enum db_step db_step(sqlite3_stmt *stmt, struct error *err) MUST_USE;
/* Runs a statement that gives no rows. */
bool db_run(sqlite3_stmt *stmt, struct error *err) MUST_USE;
/* The first column of the first row of a query as a whole number; fallback when there is no row or it is
 * NULL. */
bool db_query_i64(sqlite3 *db, const char *sql, int64_t fallback, int64_t *out, struct error *err) MUST_USE;

bool db_begin(sqlite3 *db, struct error *err) MUST_USE;  /* BEGIN IMMEDIATE */
bool db_commit(sqlite3 *db, struct error *err) MUST_USE; /* rolls back when it fails */
void db_rollback(sqlite3 *db);                           /* no harm outside a transaction */

/* ---- values: index from 1, column from 0, as SQLite counts them ---- */
/* Copied. When no memory is left for that, the next step fails with ERR_MEMORY: nothing runs with a NULL in
 * the text's place. */
void db_bind_view(sqlite3_stmt *stmt, int index, struct view text);
static inline void db_bind_i64(sqlite3_stmt *stmt, int index, int64_t value)
{
    sqlite3_bind_int64(stmt, index, value);
}
/* NaN becomes NULL. */
static inline void db_bind_double(sqlite3_stmt *stmt, int index, double value)
{
    sqlite3_bind_double(stmt, index, value);
}
static inline void db_bind_null(sqlite3_stmt *stmt, int index)
{
    sqlite3_bind_null(stmt, index);
}

static inline bool db_column_is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}
static inline int64_t db_column_i64(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt, column);
}
/* NULL becomes NaN. */
static inline double db_column_double(sqlite3_stmt *stmt, int column)
{
    return db_column_is_null(stmt, column) ? (double)NAN : sqlite3_column_double(stmt, column);
}
/* NULL: the column is NULL, or there was no memory left: then the next step fails. Valid until that. */
static inline const char *db_column_text(sqlite3_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt, column);
}

/* The text of a column of the one row that is asked for; "" when it is NULL. Errors: ERR_CORRUPT (longer than
 * out_bytes - 1), ERR_MEMORY. */
bool db_column_copy(sqlite3_stmt *stmt, int column, char *out, size_t out_bytes, struct error *err) MUST_USE;

/* Makes a statement ready for use again before it came to its end. */
static inline void db_reset(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
}
/* Rows that the last INSERT, UPDATE or DELETE changed. */
static inline int64_t db_changes(sqlite3 *db)
{
    return sqlite3_changes64(db);
}

/* The rowid of the last INSERT. */
static inline int64_t db_last_id(sqlite3 *db)
{
    return sqlite3_last_insert_rowid(db);
}
static inline bool db_column_is_i64(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_INTEGER;
}
static inline void db_finalize(sqlite3_stmt *stmt) /* NULL is fine */
{
    sqlite3_finalize(stmt);
}
/* How long a statement waits for somebody else's lock. */
static inline void db_set_busy_ms(sqlite3 *db, int ms)
{
    sqlite3_busy_timeout(db, ms);
}

static inline void scope_db(sqlite3 **db)
{
    db_close(*db);
}
static inline void scope_stmt(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}
#define SCOPE_DB   SCOPE(scope_db)
#define SCOPE_STMT SCOPE(scope_stmt)

#endif
