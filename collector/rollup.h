/* Roll-ups: of each channel and each stretch of ROLLUP_S seconds with readings the least and the greatest
 * value. They are made from the readings that the store already has, in transactions of their own with the
 * seq up to which they go (meta's `rollup_seq`): a crash leaves readings that are folded the next time, and
 * an older store catches up by itself. Knows nothing of schedules. Threads: the writer's. */
#ifndef COLLECTOR_ROLLUP_H
#define COLLECTOR_ROLLUP_H

#include "collector/rollup_stretch.h"
#include "collector/store_writer.h"

enum { ROLLUP_STEP_ROWS = 50 * 1000 }; /* of one transaction; at most as many buckets, 2 MiB of memory */

struct rollup {
    int64_t forgotten_us; /* roll-ups before this are gone; INT64_MIN: not known */
};

/* Folds the next readings, up to ROLLUP_STEP_ROWS. *behind: there may be more. */
bool rollup_step(struct store_writer *writer, bool *behind, struct error *err) MUST_USE;

/* Deletes the roll-ups of stretches whose readings are gone. rollup: zeroed state of one open store, begun
 * with {INT64_MIN}. */
bool rollup_forget(struct rollup *rollup, struct store_writer *writer, struct error *err) MUST_USE;

#endif
