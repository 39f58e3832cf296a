#include "collector/store_reader.h"

/* stmt gives count, min and max of seq. */
static bool range_in_snapshot(struct store_reader *reader, sqlite3_stmt *stmt, int64_t since_us,
                              struct store_range *out, struct error *err)
{
    int64_t numbers[3];
    struct store_range range = {
        .first_seq = 1, .first_time_us = INT64_MIN, .last_time_us = INT64_MIN, .since_us = since_us};
    if (!store_query_numbers(stmt, 0, numbers, 3, err))
        return false;
    if (numbers[0] > 0) {
        range.count = numbers[0];
        range.first_seq = numbers[1];
        range.last_seq = numbers[2];
        if (!store_time_of(reader, range.first_seq, &range.first_time_us, err) ||
            !store_time_of(reader, range.last_seq, &range.last_time_us, err))
            return false;
    }
    *out = range;
    return true;
}

static sqlite3_stmt *limited(struct store_reader *reader, int64_t after, int64_t since_us, int64_t limit)
{
    sqlite3_stmt *stmt = reader->queries[QUERY_RANGE_LIMITED];
    db_bind_i64(stmt, 1, after);
    db_bind_i64(stmt, 2, since_us);
    db_bind_i64(stmt, 3, limit);
    return stmt;
}

static bool after_in_snapshot(struct store_reader *reader, int64_t after, int64_t limit,
                              struct store_range *out, struct error *err)
{
    if (limit > 0)
        return range_in_snapshot(reader, limited(reader, after, INT64_MIN, limit), INT64_MIN, out, err);
    int64_t first_seq;
    if (!db_query_i64(reader->db, "SELECT min(seq) FROM readings", INT64_MAX, &first_seq, err))
        return false;
    /* Counting a whole table reads page headers alone: four times as fast. */
    sqlite3_stmt *stmt = reader->queries[after < first_seq ? QUERY_RANGE_ALL : QUERY_RANGE_AFTER];
    if (after >= first_seq)
        db_bind_i64(stmt, 1, after);
    return range_in_snapshot(reader, stmt, INT64_MIN, out, err);
}

bool store_range_after(struct store_reader *reader, int64_t after, int64_t limit, struct store_range *out,
                       struct error *err)
{
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = after_in_snapshot(reader, after, limit, out, err);
    store_snapshot_end(reader);
    return ok;
}

static bool since_in_snapshot(struct store_reader *reader, int64_t since_us, int64_t limit,
                              struct store_range *out, struct error *err)
{
    if (limit == 0) {
        sqlite3_stmt *all = reader->queries[QUERY_RANGE_SINCE];
        db_bind_i64(all, 1, since_us);
        return range_in_snapshot(reader, all, since_us, out, err);
    }
    sqlite3_stmt *first = reader->queries[QUERY_RANGE_SINCE_FIRST];
    int64_t first_seq;
    db_bind_i64(first, 1, since_us);
    if (!store_query_numbers(first, INT64_MAX, &first_seq, 1, err))
        return false;
    return range_in_snapshot(reader, limited(reader, first_seq - 1, since_us, limit), since_us, out, err);
}

bool store_range_since(struct store_reader *reader, int64_t since_us, int64_t limit, struct store_range *out,
                       struct error *err)
{
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = since_in_snapshot(reader, since_us, limit, out, err);
    store_snapshot_end(reader);
    return ok;
}

bool store_range_read(struct store_reader *reader, const struct store_range *range, int64_t after,
                      struct store_row *rows, size_t max_rows, size_t *count, struct error *err)
{
    if (after < range->first_seq - 1)
        after = range->first_seq - 1;
    reader->chunk = (struct chunk){.rows = rows, .max_rows = max_rows, .last_seq = range->last_seq};
    if (after < range->last_seq) {
        bool all = range->since_us == INT64_MIN;
        sqlite3_stmt *stmt = reader->queries[all ? QUERY_READ : QUERY_READ_SINCE];
        db_bind_i64(stmt, 1, after);
        if (!all)
            db_bind_i64(stmt, 2, range->since_us);
        if (!db_sink_run(stmt, &reader->sink, err))
            return false;
    }
    *count = reader->chunk.count;
    return true;
}
