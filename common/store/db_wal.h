/* The WAL of a connection that does its own checkpoints, as the one writer of a file should. Knows no tables.
 * Threads: as the connection. */
#ifndef COMMON_STORE_DB_WAL_H
#define COMMON_STORE_DB_WAL_H

#include "common/store/db.h"

/* Turns SQLite's own checkpoints off, also the one at the close; the -wal file stays when it is closed.
 * *pages: set after each commit to what is in the WAL; must live as long as the connection. */
void db_wal_take_over(sqlite3 *db, int *pages);

/* As db_commit, but first takes the disk's blocks for what the file grows by. A commit to the WAL alone needs
 * none: a checkpoint without them would fail again and again, the WAL could never begin anew, and not even
 * deleting would make room. (A file system that writes elsewhere than into a file's own blocks gives no such
 * promise.) Errors: ERR_SPACE. */
bool db_wal_commit(sqlite3 *db, struct error *err) MUST_USE;

enum { DB_WAL_GROW_BYTES = 256 * 1024 }; /* the file grows by so much at once */

enum db_checkpoint {
    DB_CHECKPOINT_PASSIVE,  /* what no reader holds back, without waiting */
    DB_CHECKPOINT_RESTART,  /* all of it, so that the WAL begins again at its start: waits for readers */
    DB_CHECKPOINT_TRUNCATE, /* the same, and the file becomes empty */
};
/* Waits at most wait_ms for readers; that they held it back is no error. */
bool db_checkpoint(sqlite3 *db, enum db_checkpoint kind, int wait_ms, struct error *err) MUST_USE;

#endif
