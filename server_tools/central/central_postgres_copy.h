/* Readings into a table of PostgreSQL by COPY BINARY. Knows the four columns that every table of readings has
 * (vehicle_id, channel_id, time, value); nothing of what is in it already. Threads: the connection's. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_COPY_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_COPY_H

#include "common/store/pg.h"
#include "server_tools/central/central.h"

/* Named wherever rows go in: the operator's own columns behind them are nobody's business. */
#define READING_COLUMNS "vehicle_id, channel_id, time, value"

#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01T00:00:00Z: where timestamptz counts from */

struct row_copy {
    struct pg *pg;
    char *buffer, *at, *full;
};

/* buffer: PG_COPY_BUFFER_BYTES, borrowed until the end. What fails leaves a copy that pg_rollback ends. */
bool row_copy_begin(struct row_copy *copy, struct pg *pg, char *buffer, const char *table,
                    struct error *err) MUST_USE;
bool row_copy_put(struct row_copy *copy, int64_t vehicle_id, const struct central_row *row,
                  struct error *err) MUST_USE;
/* rows: that went in. Errors: ERR_CHANGED (one of them is there already). */
bool row_copy_end(struct row_copy *copy, int64_t *rows, struct error *err) MUST_USE;

#endif
