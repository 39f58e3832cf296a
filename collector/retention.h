/* Deletes the oldest readings: by age, by size, and to make room on a full disk. Always from the lowest seq
 * up, in chunks, so that a tick stays short. Knows nothing of disks or reserves. Threads: one at a time.
 *
 * Pages that it frees are used again inside the file (auto_vacuum is off: moving pages to shrink a file that
 * grows again would double the writing), so MAX_STORE_BYTES counts pages in use. */
#ifndef COLLECTOR_RETENTION_H
#define COLLECTOR_RETENTION_H

#include "collector/store_writer.h"

enum { RETENTION_CHUNK_ROWS = 5000 }; /* near 10 ms */

/* A reading stamped earlier was stamped by a clock that had not been set: its age cannot be judged. */
#define RETENTION_EARLIEST_US (INT64_C(1704067200) * 1000000) /* 2024-01-01 */

/* Readings older than before_us go. now_us: those stamped later cannot be judged either; they go with the
 * first reading behind them that is old. *deleted: a full chunk means that there may be more. */
bool retention_by_age(struct store_writer *writer, int64_t before_us, int64_t now_us, int64_t *deleted,
                      struct error *err) MUST_USE;
/* The stamp that tells when age will take the oldest reading; INT64_MIN: there is none. */
bool retention_oldest_us(struct store_writer *writer, int64_t now_us, int64_t *time_us,
                         struct error *err) MUST_USE;
/* Until at most max_bytes are in use, a chunk a call. */
bool retention_by_size(struct store_writer *writer, int64_t max_bytes, int64_t *deleted,
                       struct error *err) MUST_USE;
/* The oldest chunk, but never more than the older half of what there is. */
bool retention_make_room(struct store_writer *writer, int64_t *deleted, struct error *err) MUST_USE;

#endif
