/* The inside of a store reader, shared by the files that make up telemetry_store.h alone. */
#ifndef COLLECTOR_STORE_READER_H
#define COLLECTOR_STORE_READER_H

#include <sys/types.h>

#include "collector/telemetry_store.h"
#include "common/store/db_sink.h"

enum query {
    QUERY_STATE,
    QUERY_RANGE_ALL,
    QUERY_RANGE_AFTER,
    QUERY_RANGE_SINCE,
    QUERY_RANGE_SINCE_FIRST,
    QUERY_RANGE_LIMITED,
    QUERY_TIME_OF,
    QUERY_READ,
    QUERY_READ_SINCE,
    QUERY_NEWEST,
    QUERY_COUNT,
};

/* Where a chunk's rows go. */
struct chunk {
    struct store_row *rows;
    size_t count, max_rows;
    int64_t last_seq; /* none behind it */
};

struct store_reader {
    sqlite3 *db;
    sqlite3_stmt *queries[QUERY_COUNT];
    struct chunk chunk;
    struct db_sink sink;
    char store_id[STORE_ID_BYTES];
    char folder[PATH_LIMIT_BYTES];
    char path[PATH_LIMIT_BYTES];
    dev_t device;
    ino_t inode;
    /* store_latest: sorted by channel_id; all readings up to latest_seq are in it. */
    struct store_row *latest;
    size_t latest_count, latest_capacity;
    int64_t latest_seq;
};

/* What others rely on must be there. Errors: ERR_CORRUPT. */
bool store_has_tables(sqlite3 *db, struct error *err) MUST_USE;

/* One read transaction over several queries. */
bool store_snapshot_begin(struct store_reader *reader, struct error *err) MUST_USE;
void store_snapshot_end(struct store_reader *reader);

/* The first row's columns as numbers; a column that is NULL, and every one when there is no row, is
 * `fallback`. */
bool store_query_numbers(sqlite3_stmt *stmt, int64_t fallback, int64_t *out, int columns,
                         struct error *err) MUST_USE;
/* Runs a statement of emit() with these numbers as its parameters; its rows go to `row`, not to the reader's
 * own sink. */
typedef bool store_sink_row(void *context, int64_t a, int64_t b, int64_t c, double d);
bool store_sink_run(struct store_reader *reader, const char *sql, const int64_t *values, int count,
                    store_sink_row *row, void *context, struct error *err) MUST_USE;
/* The time of the reading with this seq; INT64_MIN when it is gone. */
bool store_time_of(struct store_reader *reader, int64_t seq, int64_t *time_us, struct error *err) MUST_USE;

/* A column's text, "" for NULL, cut to what there is room for. */
void store_column_copy(char *out, size_t out_bytes, sqlite3_stmt *stmt, int column);

/* The row of a query for seq, time_us, channel_id, value. */
struct store_row store_row_of(sqlite3_stmt *stmt);

#endif
