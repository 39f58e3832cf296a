/* When the disk will be full at the rate of the last hour. Knows numbers only. Threads: one at a time. */
#ifndef COLLECTOR_GROWTH_H
#define COLLECTOR_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GROWTH_PERIOD_S = 60,
    GROWTH_SAMPLES = 61,     /* an hour */
    GROWTH_MIN_SAMPLES = 11, /* ten minutes: before, nothing is foretold */
};

struct growth {
    int64_t monotonic_us[GROWTH_SAMPLES];
    int64_t used_bytes[GROWTH_SAMPLES];
    size_t count, next;
};

/* Once a GROWTH_PERIOD_S. */
void growth_add(struct growth *growth, int64_t monotonic_us, int64_t used_bytes);

/* Bytes a day; 0 when the store does not grow or not enough is known. */
double growth_a_day(const struct growth *growth);

struct growth_limits {
    uint64_t room_bytes;         /* on the disk and free inside the file */
    int64_t used_bytes;          /* by the store */
    int64_t max_bytes;           /* MAX_STORE_BYTES; 0: none */
    double days_until_retention; /* until the oldest reading is deleted for its age; below 0: never */
};
/* False: it will not be full, because it does not grow or a limit comes first; or nobody knows yet. */
bool growth_days_until_full(const struct growth *growth, const struct growth_limits *limits, double *days);

#endif
