/* Readings in the order of time, from the index of (time_us, channel_id). */
#include "collector/store_reader.h"

struct window_scan {
    const struct store_window *window;
    struct store_row *rows; /* NULL: they are counted alone */
    size_t count, max_rows;
};

/* The sink of both queries. Rows that came after the window was opened are passed over. */
static bool take_row(void *context, int64_t seq, int64_t time_us, int64_t channel_id, double value)
{
    struct window_scan *scan = context;
    if (seq > scan->window->last_seq)
        return true;
    if (scan->count == scan->max_rows)
        return false;
    if (scan->rows != NULL)
        scan->rows[scan->count] = (struct store_row){seq, time_us, channel_id, value};
    scan->count++;
    return true;
}

static bool open_in_snapshot(struct store_reader *reader, int64_t max_rows, struct store_window *window,
                             struct error *err)
{
    const int64_t values[] = {window->from_us, window->to_us};
    struct window_scan scan = {.window = window, .max_rows = (size_t)max_rows + 1};
    if (!db_query_i64(reader->db, "SELECT max(seq) FROM readings", 0, &window->last_seq, err) ||
        !store_sink_run(
            reader,
            "SELECT emit(seq, time_us, channel_id, 0) FROM readings WHERE time_us >= ?1 AND time_us < ?2",
            values, 2, take_row, &scan, err))
        return false;
    window->truncated = scan.count > (size_t)max_rows;
    window->count = window->truncated ? max_rows : (int64_t)scan.count;
    return true;
}

bool store_window_open(struct store_reader *reader, int64_t from_us, int64_t to_us, int64_t max_rows,
                       struct store_window *out, struct error *err)
{
    struct store_window window = {.from_us = from_us, .to_us = to_us};
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = open_in_snapshot(reader, max_rows, &window, err);
    store_snapshot_end(reader);
    if (ok)
        *out = window;
    return ok;
}

bool store_window_read(struct store_reader *reader, const struct store_window *window,
                       const struct store_row *after, struct store_row *rows, size_t max_rows, size_t *count,
                       struct error *err)
{
    const int64_t values[] = {
        after == NULL ? window->from_us : after->time_us,
        after == NULL ? INT64_MIN : after->channel_id,
        window->to_us,
    };
    struct window_scan scan = {.window = window, .rows = rows, .max_rows = max_rows};
    if (!store_sink_run(
            reader,
            "SELECT emit(seq, time_us, channel_id, value) FROM readings"
            " WHERE (time_us, channel_id) > (?1, ?2) AND time_us < ?3 ORDER BY time_us, channel_id",
            values, 3, take_row, &scan, err))
        return false;
    *count = scan.count;
    return true;
}
