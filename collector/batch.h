/* Readings that wait to be written, oldest first. Knows nothing of who gave them. Threads: one at a time. */
#ifndef COLLECTOR_BATCH_H
#define COLLECTOR_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

struct reading {
    int64_t time_us;
    double value;     /* finite, or NaN for null */
    uint32_t channel; /* index into the channel table */
    bool kept;        /* its sender was made to wait for it: it is never dropped */
};

struct batch {
    struct reading *items;
    size_t count, capacity;
};

void batch_clear(struct batch *batch);
/* False: no memory. */
bool batch_add(struct batch *batch, const struct reading *reading) MUST_USE;
/* count: at most what there is. */
void batch_drop_first(struct batch *batch, size_t count);
/* Drops the oldest that may be dropped so that at most max_count are left; returns how many it dropped. */
size_t batch_trim(struct batch *batch, size_t max_count);
/* Puts those from `first` on in order of time; those of one time stay as they are. Without memory they all
 * do. */
void batch_sort(struct batch *batch, size_t first);

#endif
