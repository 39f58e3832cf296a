#include "collector/store_reader.h"

#include <math.h>
#include <stdlib.h>

#include "collector/rollup_stretch.h"

/* One point on its way. */
struct slot {
    double min, max;
    bool used;
};

/* Readings and roll-ups of one range, as they are scanned. */
struct scan {
    int64_t channel_id;
    int64_t from_us, to_us;
    int64_t first_us; /* where the first slot begins */
    int64_t step_us;
    struct slot *slots;
    size_t slot_count;
    /* single readings, while they are few enough; NULL: not asked for */
    struct history_point *singles;
    size_t max_singles;
    uint64_t readings;
};

static void merge(struct scan *scan, int64_t time_us, double min, double max)
{
    struct slot *slot = &scan->slots[(time_us - scan->first_us) / scan->step_us];
    if (!slot->used)
        *slot = (struct slot){NAN, NAN, true};
    slot->min = fmin(slot->min, min);
    slot->max = fmax(slot->max, max);
}

static bool is_inside(const struct scan *scan, int64_t time_us)
{
    return time_us >= scan->from_us && time_us < scan->to_us;
}

/* The sink of the readings. */
static bool take_reading(void *context, int64_t seq, int64_t time_us, int64_t channel_id, double value)
{
    struct scan *scan = context;
    (void)seq;
    if (channel_id != scan->channel_id || !is_inside(scan, time_us))
        return true;
    if (scan->singles != NULL && scan->readings < scan->max_singles)
        scan->singles[scan->readings] = (struct history_point){time_us, value, value};
    scan->readings++;
    merge(scan, time_us, value, value);
    return true;
}

/* The sink of the roll-ups: each comes twice, with its least and with its greatest value. A stretch that
 * begins before the range is drawn at its beginning. */
static bool take_rollup(void *context, int64_t unused, int64_t start_us, int64_t unused_too, double value)
{
    struct scan *scan = context;
    (void)unused;
    (void)unused_too;
    merge(scan, start_us < scan->first_us ? scan->first_us : start_us, value, value);
    return true;
}

/* ---- the queries ---- */

static bool scan_readings(struct store_reader *reader, struct scan *scan, struct error *err)
{
    const int64_t values[] = {scan->from_us, scan->to_us, scan->channel_id};
    return store_sink_run(reader,
                          "SELECT emit(seq, time_us, channel_id, value) FROM readings"
                          " WHERE time_us >= ?1 AND time_us < ?2 AND channel_id = ?3",
                          values, 3, take_reading, scan, err);
}

/* Those that are not folded yet. */
static bool scan_tail(struct store_reader *reader, struct scan *scan, int64_t after_seq, struct error *err)
{
    return store_sink_run(reader, "SELECT emit(seq, time_us, channel_id, value) FROM readings WHERE seq > ?1",
                          &after_seq, 1, take_reading, scan, err);
}

static bool scan_rollups(struct store_reader *reader, struct scan *scan, struct error *err)
{
    const int64_t values[] = {scan->channel_id, rollup_start_us(scan->from_us), scan->to_us};
    return store_sink_run(reader,
                          "SELECT emit(0, start_us, 0, min), emit(0, start_us, 0, max) FROM rollups"
                          " WHERE channel_id = ?1 AND start_us >= ?2 AND start_us < ?3",
                          values, 3, take_rollup, scan, err);
}

/* The seq up to which readings are folded; 0: none, as in a store that no collector of this version has had.
 */
static bool folded_seq(struct store_reader *reader, int64_t *seq, struct error *err)
{
    return db_query_i64(reader->db,
                        "SELECT value FROM meta WHERE key = 'rollup_seq'"
                        " AND (SELECT count(*) FROM sqlite_schema WHERE name = 'rollups') = 1",
                        0, seq, err);
}

static bool scan_in_snapshot(struct store_reader *reader, struct scan *scan, struct error *err)
{
    int64_t seq = 0;
    if (scan->singles == NULL && !folded_seq(reader, &seq, err))
        return false;
    if (seq == 0)
        return scan_readings(reader, scan, err);
    return scan_rollups(reader, scan, err) && scan_tail(reader, scan, seq, err);
}

/* ---- the answer ---- */

static size_t take_slots(const struct scan *scan, struct history_point *points)
{
    size_t count = 0;
    for (size_t i = 0; i < scan->slot_count; i++) {
        const struct slot *slot = &scan->slots[i];
        if (slot->used)
            points[count++] =
                (struct history_point){scan->first_us + (int64_t)i * scan->step_us, slot->min, slot->max};
    }
    return count;
}

/* Steps of whole roll-ups where that loses no detail, else any. */
static void choose_steps(struct scan *scan, size_t max_points)
{
    int64_t width_us = scan->to_us - scan->from_us;
    int64_t points = (int64_t)max_points - 1; /* the first and the last may be cut */
    bool long_range = width_us / points >= ROLLUP_US;
    scan->step_us = width_us / points + 1;
    scan->first_us = scan->from_us;
    if (long_range) {
        scan->step_us = (scan->step_us + ROLLUP_US - 1) / ROLLUP_US * ROLLUP_US;
        scan->first_us = rollup_start_us(scan->from_us);
        scan->singles = NULL;
    }
    scan->slot_count = (size_t)((scan->to_us - 1 - scan->first_us) / scan->step_us) + 1;
}

static int by_time(const void *a, const void *b)
{
    const struct history_point *left = a;
    const struct history_point *right = b;
    return (left->time_us > right->time_us) - (left->time_us < right->time_us);
}

/* The readings themselves where they are few enough, else what each step has. */
static void take_points(const struct scan *scan, struct history_point *points, size_t max_points,
                        struct history *out)
{
    bool single = scan->singles != NULL && scan->readings <= max_points;
    *out = (struct history){.step_us = single ? 0 : scan->step_us};
    if (single) {
        out->count = (size_t)scan->readings;
        qsort(points, out->count, sizeof(*points), by_time);
    } else {
        out->count = take_slots(scan, points);
    }
}

bool store_history(struct store_reader *reader, int64_t channel_id, int64_t from_us, int64_t to_us,
                   struct history_point *points, size_t max_points, struct history *out, struct error *err)
{
    if (to_us <= from_us || max_points < 2 || max_points > HISTORY_POINTS_MAX)
        return error_set(err, ERR_USAGE, "a history of %zu points from %lld to %lld", max_points,
                         (long long)from_us, (long long)to_us);
    struct scan scan = {.channel_id = channel_id,
                        .from_us = from_us,
                        .to_us = to_us,
                        .singles = points,
                        .max_singles = max_points};
    choose_steps(&scan, max_points);
    scan.slots = calloc(scan.slot_count, sizeof(*scan.slots));
    if (scan.slots == NULL)
        return error_set(err, ERR_MEMORY, "a history");
    bool ok = store_snapshot_begin(reader, err);
    if (ok) {
        ok = scan_in_snapshot(reader, &scan, err);
        store_snapshot_end(reader);
    }
    if (ok)
        take_points(&scan, points, max_points, out);
    free(scan.slots);
    return ok;
}
