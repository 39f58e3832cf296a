/* A batch of rows in memory as the SQLite table `batch(channel_id, time_us, value)`, so that one INSERT ...
 * SELECT takes all of them: twice as fast as binding row by row. Read-only. Threads: its connection's. */
#ifndef SERVER_TOOLS_CENTRAL_SQLITE_BATCH_H
#define SERVER_TOOLS_CENTRAL_SQLITE_BATCH_H

#include "common/store/db.h"
#include "server_tools/central/central.h"

/* What `batch` shows now; must outlive the connection. */
struct sqlite_batch {
    const struct central_row *rows; /* borrowed */
    size_t count;
};

/* Makes the table on this connection; it is in no schema. */
bool sqlite_batch_register(sqlite3 *db, struct sqlite_batch *batch, struct error *err) MUST_USE;

#endif
