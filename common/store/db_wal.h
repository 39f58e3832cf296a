/* The WAL of a connection that does its own checkpoints, as the one writer of a file should. Knows no tables.
 * Threads: as the connection. */
#ifndef COMMON_STORE_DB_WAL_H
#define COMMON_STORE_DB_WAL_H

#include "common/store/db.h"

/* Turns SQLite's own checkpoints off, also the one at the close; the -wal file stays when it is closed.
 * *pages: set after each commit to what is in the WAL; must live as long as the connection. */
void db_wal_take_over(sqlite3 *db, int *pages);

enum db_checkpoint {
    DB_CHECKPOINT_PASSIVE,  /* what no reader holds back, without waiting */
    DB_CHECKPOINT_RESTART,  /* all of it, so that the WAL begins again at its start: waits for readers */
    DB_CHECKPOINT_TRUNCATE, /* the same, and the file becomes empty */
};
/* Waits at most wait_ms for readers; that they held it back is no error. */
bool db_checkpoint(sqlite3 *db, enum db_checkpoint kind, int wait_ms, struct error *err) MUST_USE;

#endif
