/* PostgreSQL connections, statements, COPY and transactions with our errors. Knows no tables.
 * Threads: a connection belongs to one thread at a time. Errors of all: ERR_UNREACHABLE (no server, or the
 * connection broke), ERR_DENIED (log-in, permissions), ERR_SPACE (class 53100), ERR_BUSY (lock or statement
 * time-out, serialisation, deadlock), ERR_CHANGED (23505, unique violation), ERR_MEMORY, ERR_INPUT (22xxx),
 * ERR_IO for the rest; the text has PostgreSQL's own message and never a password. */
#ifndef COMMON_STORE_PG_H
#define COMMON_STORE_PG_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum { PG_CONNECT_TIMEOUT_S = 10, PG_COPY_BUFFER_BYTES = 256 * 1024 };

struct pg;

/* url: postgresql://... ; a password may come from PGPASSWORD, ~/.pgpass. application: application_name.
 * client_encoding UTF8, time zone UTC, TCP keep-alives, connect time-out. */
struct pg *pg_open(const char *url, const char *application, struct error *err) MUST_USE;
void pg_close(struct pg *pg); /* NULL is fine */
/* The URL with its password as ***; for messages. */
void pg_hide_password(const char *url, char *out, size_t out_bytes);

/* One or several statements, results ignored. */
bool pg_exec(struct pg *pg, const char *sql, struct error *err) MUST_USE;

struct pg_result;
/* One statement; params as text, NULL is NULL. binary: the results come in PostgreSQL's binary format. */
struct pg_result *pg_query(struct pg *pg, const char *sql, const char *const *params, size_t count,
                           bool binary, struct error *err) MUST_USE;
void pg_result_free(struct pg_result *result); /* NULL is fine */
size_t pg_rows(const struct pg_result *result);
int64_t pg_changes(const struct pg_result *result); /* rows that an INSERT, UPDATE ... touched */
bool pg_is_null(const struct pg_result *result, size_t row, size_t column);
struct view pg_value(const struct pg_result *result, size_t row, size_t column); /* NUL behind it */
/* A text result as a whole number. Errors: ERR_INTERNAL when it is none. */
bool pg_i64(const struct pg_result *result, size_t row, size_t column, int64_t *out,
            struct error *err) MUST_USE;

bool pg_begin(struct pg *pg, struct error *err) MUST_USE;
bool pg_commit(struct pg *pg, struct error *err) MUST_USE; /* rolls back when it fails */
void pg_rollback(struct pg *pg);                           /* no harm outside a transaction */

/* COPY ... FROM STDIN: begins, takes bytes, ends. After a failure of put the copy is over. */
bool pg_copy_begin(struct pg *pg, const char *sql, struct error *err) MUST_USE;
bool pg_copy_put(struct pg *pg, struct view bytes, struct error *err) MUST_USE;
bool pg_copy_end(struct pg *pg, int64_t *rows, struct error *err) MUST_USE;
void pg_copy_cancel(struct pg *pg);

/* COPY ... TO STDOUT: pg_copy_begin_out, then rows one by one; *row empty: the end. Valid until the next. */
bool pg_copy_begin_out(struct pg *pg, const char *sql, struct error *err) MUST_USE;
bool pg_copy_get(struct pg *pg, struct view *row, struct error *err) MUST_USE;

/* Makes what another thread waits for in this connection fail with ERR_CANCELLED. Safe from any thread. */
void pg_cancel(struct pg *pg);
/* Ends the connection under whoever waits in it, who gets ERR_UNREACHABLE, and the server's side of it, even
 * when that waits for us to read: without asking the server, so it never waits itself and needs no answer.
 * Safe from any thread. */
void pg_break(struct pg *pg);

static inline void scope_pg(struct pg **pg)
{
    pg_close(*pg);
}
static inline void scope_pg_result(struct pg_result **result)
{
    pg_result_free(*result);
}
#define SCOPE_PG        SCOPE(scope_pg)
#define SCOPE_PG_RESULT SCOPE(scope_pg_result)

#endif
