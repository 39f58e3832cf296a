/* The telemetry store as its one writer sees it: made whole under a temporary name, one transaction a tick,
 * its own checkpoints. Knows nothing of inputs, disks that are full or what to do about a damaged file.
 * Threads: one at a time.
 *
 * The WAL: SQLite's own checkpoints are off. After a commit that leaves CHECKPOINT_PAGES in it the writer
 * moves what it can (PASSIVE); above WAL_RESTART_PAGES it also waits WAL_RESTART_MS for readers to let go
 * (RESTART), so that reading transactions that merely overlap cannot make it grow: readers of our own hold
 * one for milliseconds. A foreign reader that never ends its transaction is told of in the log. */
#ifndef COLLECTOR_STORE_WRITER_H
#define COLLECTOR_STORE_WRITER_H

#include "collector/alarm_judge.h"
#include "collector/batch.h"
#include "collector/channel_table.h"
#include "common/app/migration_set.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    CHECKPOINT_PAGES = 1000,      /* 4 MiB */
    WAL_RESTART_PAGES = 4 * 1024, /* 16 MiB */
    WAL_WARN_PAGES = 16 * 1024,   /* 64 MiB */
    WAL_RESTART_MS = 50,
    STORE_BUSY_MS = 1000, /* the writer's wait for somebody else's write (a migration) */
};

struct store_writer;

struct store_writer_spec {
    const char *folder;  /* TELEMETRY_DIR */
    const char *version; /* for the ledger */
    const struct migration_set *migrations;
    const struct clock *clock;
    const struct log *log;
    struct alarm_judge *alarms; /* what waits there is written with the readings; NULL: there are none */
};                              /* all borrowed for as long as the writer is open */

/* Opens the current store; the first one is made. Errors: ERR_CORRUPT: what is there is damaged or is no
 * store, and was left as it is. */
struct store_writer *store_writer_open(const struct store_writer_spec *spec, struct error *err) MUST_USE;
/* Begins the next store (telemetry-2.db ...) with an id of its own and names it in current_store. No file
 * that exists is touched. */
struct store_writer *store_writer_open_next(const struct store_writer_spec *spec, struct error *err) MUST_USE;
void store_writer_close(struct store_writer *writer); /* checkpoints; NULL is fine */
/* As close, but touches the damaged file no more. */
void store_writer_abandon(struct store_writer *writer);

/* The channels that the store has, into the table. */
bool store_writer_load_channels(struct store_writer *writer, struct channel_table *channels,
                                struct error *err) MUST_USE;

/* The alarms that last, into the judge; what can end no more ends now. *ended: how many. */
bool store_writer_load_alarms(struct store_writer *writer, struct channel_table *channels, size_t *ended,
                              struct error *err) MUST_USE;

/* One transaction: channels that the store does not know yet, the readings, the alarms that wait, next_seq. A
 * time that is taken for its channel is moved on by 1 us until it is free. All or nothing. */
bool store_writer_write(struct store_writer *writer, struct channel_table *channels,
                        const struct reading *readings, size_t count, struct error *err) MUST_USE;

/* Moves the WAL into the file when it is long enough; `now`: at any length. */
bool store_writer_checkpoint(struct store_writer *writer, bool now, struct error *err) MUST_USE;

/* A number in meta; fallback when it is not there. */
bool store_writer_meta(struct store_writer *writer, const char *key, int64_t fallback, int64_t *out,
                       struct error *err) MUST_USE;
bool store_writer_set_meta(struct store_writer *writer, const char *key, int64_t value,
                           struct error *err) MUST_USE;

struct store_size {
    int64_t used_bytes; /* pages in use; free ones inside the file are used again before it grows */
    int64_t file_bytes;
};
bool store_writer_size(struct store_writer *writer, struct store_size *out, struct error *err) MUST_USE;

sqlite3 *store_writer_db(struct store_writer *writer); /* for retention.c */
const char *store_writer_id(const struct store_writer *writer);
const char *store_writer_path(const struct store_writer *writer);
int64_t store_writer_next_seq(const struct store_writer *writer);
/* A damaged store of an earlier time still lies beside this one. */
bool store_writer_is_replacement(const struct store_writer *writer);

#endif
