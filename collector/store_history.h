/* What one channel did over a range of time, in at most so many points with the least and the greatest value
 * of each, so that no spike disappears. Long ranges are read from the roll-ups that the collector keeps
 * (collector/rollup.h), short ones from the readings. Threads: a reader belongs to one thread at a time. */
#ifndef COLLECTOR_STORE_HISTORY_H
#define COLLECTOR_STORE_HISTORY_H

#include "collector/telemetry_store.h"

enum { HISTORY_POINTS_MAX = 4000 };

struct history_point {
    int64_t time_us; /* of a point that is one reading: its own; else the point's beginning */
    double min, max; /* NaN: there were only nulls */
};

struct history {
    int64_t step_us; /* 0: every point is one reading */
    size_t count;
};

/* from_us <= time < to_us. points: room for max_points (2 to HISTORY_POINTS_MAX), filled in order of time;
 * stretches without readings have no points. */
bool store_history(struct store_reader *reader, int64_t channel_id, int64_t from_us, int64_t to_us,
                   struct history_point *points, size_t max_points, struct history *out,
                   struct error *err) MUST_USE;

#endif
