/* Brings readings into the store whatever happens to it: a full disk, a damaged file, somebody else's lock.
 * What cannot be written waits in memory, oldest dropped first; alarms outlast the readings that raised them
 * (alarm_judge.h). Then it tidies up: checkpoints, retention,
 * the reserve. Knows nothing of inputs. Threads: one at a time.
 *
 * A full disk: a write that is refused is tried again when room was made for it (disk_room.h), then in
 * pieces. */
#ifndef COLLECTOR_RECORDER_H
#define COLLECTOR_RECORDER_H

#include "collector/alarm_judge.h"
#include "collector/clock_guard.h"
#include "collector/disk_room.h"
#include "collector/growth.h"
#include "collector/retention.h"

enum {
    PENDING_MAX_READINGS = 200 * 1000,              /* at most 6 MiB of memory */
    RECORDER_PIECE_READINGS = RETENTION_CHUNK_ROWS, /* of one transaction on a full disk */
    RECORDER_PIECES_MS = 1000,                      /* at once; what is left waits for the next tick */
    RETENTION_SIZE_S = 10, /* how often size and age are looked at; seldom by age, so that few exports find */
    RETENTION_AGE_S = 600, /* readings gone that they had counted */
    RETENTION_BUDGET_MS = 100,              /* of one tick */
    RETENTION_WRITTEN_READINGS = 20 * 1000, /* so many have come in: it looks at once */
    ROLLUP_PERIOD_S = 10,                   /* how often new readings are folded into the roll-ups */
    ROLLUP_BUDGET_MS = 50,                  /* of one tick */
};

enum record_state {
    RECORD_OK,
    RECORD_REPLACED, /* ok, and a damaged store lies beside it */
    RECORD_FULL,     /* no space: readings wait in memory */
    RECORD_FAILING,  /* another failure: readings wait in memory */
};

struct recorder;

struct recorder_spec {
    struct store_writer_spec store;
    struct channel_table *channels; /* borrowed; with their CHANNEL lines, whose limits hold for the run */
    int64_t retention_days;         /* 0: not by age */
    int64_t max_store_bytes;        /* 0: not by size */
};

struct recorder *recorder_new(const struct recorder_spec *spec, struct error *err) MUST_USE;
/* Writes what waits, checkpoints, closes. NULL is fine. */
void recorder_free(struct recorder *recorder);

/* Where the sampler puts a tick's readings. */
struct batch *recorder_batch(struct recorder *recorder);

/* Once a tick: the clock, the transaction, the tidying. True when a state has changed. */
bool recorder_tick(struct recorder *recorder);

/* Between ticks, when much waits: the transaction and a checkpoint when one is due. True when nothing waits
 * any more. */
bool recorder_flush(struct recorder *recorder);

struct recorder_status {
    enum record_state state;
    const char *store_id; /* NULL: none is open */
    const char *path;
    struct error error; /* of the last failure, while it lasts */
    struct store_size size;
    size_t waiting;   /* readings in memory */
    uint64_t dropped; /* readings lost because too many waited */
    enum disk_state disk;
    uint64_t free_bytes;
    struct alarm_summary alarms;
    double days_until_full; /* below 0: never, or not known */
};
void recorder_status(const struct recorder *recorder, struct recorder_status *out);
const struct clock_guard *recorder_clock(const struct recorder *recorder);

#endif
