/* An array of structs as a read-only SQLite table that is in no schema, so that one INSERT ... SELECT takes
 * all of it: twice as fast as binding row by row. Knows nothing of what the rows mean. Threads: its
 * connection's. */
#ifndef COMMON_STORE_DB_ROWS_H
#define COMMON_STORE_DB_ROWS_H

#include "common/store/db.h"

enum db_rows_type {
    DB_ROWS_I32,
    DB_ROWS_I64,
    DB_ROWS_DOUBLE, /* NaN is NULL */
};

struct db_rows_column {
    const char *name;
    enum db_rows_type type;
    size_t offset; /* offsetof in the struct */
};

/* Borrowed by the connection until it is closed. rows and count may change between statements. */
struct db_rows {
    const struct db_rows_column *columns;
    size_t column_count;
    size_t row_bytes; /* sizeof the struct */
    const void *rows;
    size_t count;
};

/* Makes the table on this connection. name: an SQL name. */
bool db_rows_register(sqlite3 *db, const char *name, struct db_rows *table, struct error *err) MUST_USE;

#endif
