#include "collector/alarm_rows.h"

#include "collector/stride_search.h"

static const char insert_sql[] =
    "INSERT INTO alarms (alarm_id, seq, channel_id, severity, message, raised_us, resolved_us, side)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char update_sql[] = "UPDATE alarms SET seq = ?1, resolved_us = ?2 WHERE alarm_id = ?3";
static const char find_sql[] = "SELECT 1 FROM alarms WHERE alarm_id = ?1";

bool alarm_rows_open(struct alarm_rows *rows, sqlite3 *db, struct error *err)
{
    rows->db = db;
    rows->insert = db_prepare(db, insert_sql, err);
    rows->update = rows->insert == NULL ? NULL : db_prepare(db, update_sql, err);
    rows->find = rows->update == NULL ? NULL : db_prepare(db, find_sql, err);
    return rows->find != NULL;
}

void alarm_rows_close(struct alarm_rows *rows)
{
    db_finalize(rows->insert);
    db_finalize(rows->update);
    db_finalize(rows->find);
}

/* ---- writing ---- */

void alarm_rows_need_channels(struct alarm_judge *judge, struct channel_table *channels)
{
    size_t count;
    const struct alarm *waiting = alarm_judge_waiting(judge, &count);
    for (size_t i = 0; i < count; i++) {
        if (!waiting[i].stored)
            channel_table_need(channels, waiting[i].channel);
    }
}

static void bind_time(sqlite3_stmt *stmt, int index, int64_t time_us)
{
    if (time_us == INT64_MIN)
        db_bind_null(stmt, index);
    else
        db_bind_i64(stmt, index, time_us);
}

/* 0 is no id. */
static bool ask_taken(void *context, int64_t id, bool *inside, struct error *err)
{
    sqlite3_stmt *find = context;
    db_bind_i64(find, 1, id);
    enum db_step step = id == 0 ? DB_STEP_DONE : db_step(find, err);
    *inside = step == DB_STEP_ROW || id == 0;
    if (step == DB_STEP_ROW)
        db_reset(find);
    return step != DB_STEP_FAILED;
}

static bool insert(struct alarm_rows *rows, struct alarm *alarm, const struct channel *channel, int64_t seq,
                   struct error *err)
{
    sqlite3_stmt *stmt = rows->insert;
    char message[STORE_MESSAGE_BYTES];
    int64_t id = alarm->alarm_id != 0 ? alarm->alarm_id : alarm->raised_us;
    if (id < rows->taken_from || id >= rows->taken_until)
        rows->taken_from = rows->taken_until = id;
    id = rows->taken_until;
    const struct stride_question question = {ask_taken, rows->find};
    bool taken;
    if (!ask_taken(rows->find, id, &taken, err) || (taken && !stride_search(&question, id, &id, err)))
        return false;
    alarm_message(message, &channel->known, &channel->limits, alarm->side, alarm->value);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, channel->known.channel_id);
    db_bind_view(stmt, 4, view_of(alarm_severity_name(channel->limits.severity)));
    db_bind_view(stmt, 5, view_of(message));
    db_bind_i64(stmt, 6, alarm->raised_us);
    bind_time(stmt, 7, alarm->ended_us);
    db_bind_view(stmt, 8, view_of(alarm_side_name(alarm->side)));
    db_bind_i64(stmt, 1, id);
    rows->taken_until = id + 1;
    alarm->given_id = id;
    return db_run(stmt, err);
}

static bool update(struct alarm_rows *rows, struct alarm *alarm, int64_t seq, struct error *err)
{
    db_bind_i64(rows->update, 1, seq);
    bind_time(rows->update, 2, alarm->ended_us);
    db_bind_i64(rows->update, 3, alarm->alarm_id);
    alarm->given_id = alarm->alarm_id;
    return db_run(rows->update, err);
}

bool alarm_rows_write(struct alarm_rows *rows, struct alarm_judge *judge, struct channel_table *channels,
                      int64_t *next_seq, struct error *err)
{
    size_t count;
    struct alarm *waiting = alarm_judge_waiting(judge, &count);
    for (size_t i = 0; i < count; i++) {
        struct alarm *alarm = &waiting[i];
        bool ok = alarm->stored
                      ? update(rows, alarm, *next_seq, err)
                      : insert(rows, alarm, channel_table_at(channels, alarm->channel), *next_seq, err);
        if (!ok)
            return error_wrap(err, "an alarm");
        ++*next_seq;
    }
    return true;
}

void alarm_rows_rolled_back(struct alarm_rows *rows)
{
    rows->taken_from = rows->taken_until = 0;
}

/* ---- reading ---- */

/* alarm_id, raised_us, side, the channel's name. An alarm that somebody else wrote may lack the last two. */
static struct alarm stored_of(sqlite3_stmt *stmt, struct channel_table *channels, bool *complete)
{
    const char *side = db_column_text(stmt, 2);
    const char *name = db_column_text(stmt, 3);
    struct alarm alarm = {.alarm_id = db_column_i64(stmt, 0),
                          .raised_us = db_column_i64(stmt, 1),
                          .ended_us = INT64_MIN,
                          .channel = CHANNEL_NONE};
    *complete = side != NULL && name != NULL && alarm_side_parse(view_of(side), &alarm.side);
    if (*complete)
        alarm.channel = channel_table_index_of(channels, view_of(name));
    return alarm;
}

bool alarm_rows_load(sqlite3 *db, struct channel_table *channels, int64_t now_us, struct alarm_judge *judge,
                     size_t *ended, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(db,
                   "SELECT alarm_id, raised_us, side, name FROM alarms LEFT JOIN channels USING (channel_id)"
                   " WHERE resolved_us IS NULL AND alarm_id <> 0 ORDER BY alarm_id",
                   err);
    if (stmt == NULL)
        return false;
    enum db_step step;
    *ended = 0;
    while ((step = db_step(stmt, err)) == DB_STEP_ROW) {
        bool complete;
        struct alarm stored = stored_of(stmt, channels, &complete);
        if (complete && alarm_judge_adopt(judge, &stored))
            continue;
        if (!alarm_judge_end(judge, &stored, now_us, err))
            return false;
        ++*ended;
    }
    return step == DB_STEP_DONE;
}
