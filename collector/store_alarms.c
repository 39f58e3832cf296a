/* Alarms as readers see them. Statements are prepared a call: they are few, and so are the calls. */
#include "collector/store_reader.h"

enum alarm_query {
    QUERY_AFTER,   /* every alarm behind a seq: from the index of seq alone */
    QUERY_SINCE,   /* by time: from the index of times alone (migration 0003), so `+seq` */
    QUERY_LIMITED, /* both, and no more than so many */
};

#define NUMBERS "SELECT count(*), min(seq), max(seq) FROM "
/* Raised or resolved later than ?2. */
#define LATER "(raised_us > ?2 OR resolved_us > ?2)"

static const char *const range_sql[] = {
    [QUERY_AFTER] = NUMBERS "alarms WHERE seq > ?1",
    [QUERY_SINCE] = NUMBERS "alarms WHERE +seq > ?1 AND " LATER,
    [QUERY_LIMITED] = NUMBERS "(SELECT seq FROM alarms WHERE seq > ?1 AND " LATER " ORDER BY seq LIMIT ?3)",
};

#define COLUMNS "SELECT alarm_id, seq, channel_id, severity, message, raised_us, resolved_us FROM alarms"

static const char read_sql[] = COLUMNS " WHERE seq > ?1 AND " LATER " AND seq <= ?3 ORDER BY seq LIMIT ?4";
static const char between_sql[] =
    COLUMNS " WHERE raised_us <= ?2 AND (resolved_us IS NULL OR resolved_us >= ?1)"
            " ORDER BY raised_us DESC, alarm_id DESC LIMIT ?3";
static const char in_sql[] = COLUMNS " WHERE (raised_us, alarm_id) > (?1, ?2) AND raised_us < ?4"
                                     " AND (raised_us >= ?3 OR (resolved_us >= ?3 AND resolved_us < ?4))"
                                     " ORDER BY raised_us, alarm_id LIMIT ?5";

static sqlite3_stmt *prepare(struct store_reader *reader, const char *sql, const int64_t *values, int count,
                             struct error *err)
{
    sqlite3_stmt *stmt = db_prepare(reader->db, sql, err);
    for (int i = 0; stmt != NULL && i < count; i++)
        db_bind_i64(stmt, i + 1, values[i]);
    return stmt;
}

/* ---- the range ---- */

/* The time of what gave it this seq. */
static bool time_of_alarm(struct store_reader *reader, int64_t seq, int64_t *time_us, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt =
        prepare(reader, "SELECT ifnull(resolved_us, raised_us) FROM alarms WHERE seq = ?1", &seq, 1, err);
    return stmt != NULL && store_query_numbers(stmt, INT64_MIN, time_us, 1, err);
}

static bool range_in_snapshot(struct store_reader *reader, int64_t after, int64_t since_us, int64_t limit,
                              struct store_range *out, struct error *err)
{
    const int64_t values[] = {after, since_us, limit};
    int64_t numbers[3];
    struct store_range range = {
        .first_seq = 1, .first_time_us = INT64_MIN, .last_time_us = INT64_MIN, .since_us = since_us};
    enum alarm_query query = limit > 0 ? QUERY_LIMITED : since_us == INT64_MIN ? QUERY_AFTER : QUERY_SINCE;
    SCOPE_STMT sqlite3_stmt *stmt = prepare(reader, range_sql[query], values, (int)query + 1, err);
    if (stmt == NULL || !store_query_numbers(stmt, 0, numbers, 3, err))
        return false;
    if (numbers[0] > 0) {
        range.count = numbers[0];
        range.first_seq = numbers[1];
        range.last_seq = numbers[2];
        if (!time_of_alarm(reader, range.first_seq, &range.first_time_us, err) ||
            !time_of_alarm(reader, range.last_seq, &range.last_time_us, err))
            return false;
    }
    *out = range;
    return true;
}

bool store_alarm_range(struct store_reader *reader, int64_t after, int64_t since_us, int64_t limit,
                       struct store_range *out, struct error *err)
{
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = range_in_snapshot(reader, after, since_us, limit, out, err);
    store_snapshot_end(reader);
    return ok;
}

/* ---- alarms ---- */

static void alarm_of(struct store_alarm *out, sqlite3_stmt *stmt)
{
    out->alarm_id = db_column_i64(stmt, 0);
    out->seq = db_column_i64(stmt, 1);
    out->channel_id = db_column_i64(stmt, 2);
    store_column_copy(out->severity, sizeof(out->severity), stmt, 3);
    store_column_copy(out->message, sizeof(out->message), stmt, 4);
    out->raised_us = db_column_i64(stmt, 5);
    out->resolved_us = db_column_is_null(stmt, 6) ? INT64_MIN : db_column_i64(stmt, 6);
}

/* The statement gives no more rows than there is room for. */
static bool read_alarms(sqlite3_stmt *stmt, struct store_alarm *alarms, size_t *count, struct error *err)
{
    size_t used = 0;
    enum db_step step;
    while ((step = db_step(stmt, err)) == DB_STEP_ROW)
        alarm_of(&alarms[used++], stmt);
    if (step == DB_STEP_FAILED)
        return false;
    *count = used;
    return true;
}

bool store_alarm_range_read(struct store_reader *reader, const struct store_range *range, int64_t after,
                            struct store_alarm *alarms, size_t max_alarms, size_t *count, struct error *err)
{
    if (after < range->first_seq - 1)
        after = range->first_seq - 1;
    const int64_t values[] = {after, range->since_us, range->last_seq, (int64_t)max_alarms};
    SCOPE_STMT sqlite3_stmt *stmt = prepare(reader, read_sql, values, COUNT_OF(values), err);
    return stmt != NULL && read_alarms(stmt, alarms, count, err);
}

bool store_alarms_between(struct store_reader *reader, int64_t from_us, int64_t to_us,
                          struct store_alarm *alarms, size_t max_alarms, size_t *count, struct error *err)
{
    const int64_t values[] = {from_us, to_us, (int64_t)max_alarms};
    SCOPE_STMT sqlite3_stmt *stmt = prepare(reader, between_sql, values, COUNT_OF(values), err);
    return stmt != NULL && read_alarms(stmt, alarms, count, err);
}

bool store_alarms_in(struct store_reader *reader, int64_t from_us, int64_t to_us,
                     const struct store_alarm *after, struct store_alarm *alarms, size_t max_alarms,
                     size_t *count, struct error *err)
{
    const int64_t values[] = {
        after == NULL ? INT64_MIN : after->raised_us,
        after == NULL ? INT64_MIN : after->alarm_id,
        from_us,
        to_us,
        (int64_t)max_alarms,
    };
    SCOPE_STMT sqlite3_stmt *stmt = prepare(reader, in_sql, values, COUNT_OF(values), err);
    return stmt != NULL && read_alarms(stmt, alarms, count, err);
}
