/* What a machine says of its channels and its alarms, into SQLite. */
#include "server_tools/central/central_sqlite.h"

/* ---- channels ---- */

struct description {
    int64_t vehicle_id, channel_id, as_of_us;
    const struct central_description *said;
};

/* The parameters that its statements share. */
static sqlite3_stmt *bind(struct central_sqlite *self, enum central_sqlite_query query,
                          const struct description *about)
{
    sqlite3_stmt *stmt = self->stmts[query];
    db_bind_i64(stmt, 1, about->vehicle_id);
    db_bind_i64(stmt, 2, about->channel_id);
    sqlite_bind_time(stmt, 3, about->as_of_us);
    return stmt;
}

static sqlite3_stmt *bind_words(struct central_sqlite *self, enum central_sqlite_query query,
                                const struct description *about)
{
    sqlite3_stmt *stmt = bind(self, query, about);
    sqlite_bind_text(stmt, 5, about->said->unit);
    db_bind_double(stmt, 6, about->said->min_value);
    db_bind_double(stmt, 7, about->said->max_value);
    sqlite_bind_text(stmt, 8, about->said->description);
    return stmt;
}

/* later: what is known is from later on than what is said. same: it says the same. */
static bool compare(struct central_sqlite *self, const struct description *about, bool *known, bool *later,
                    bool *same, struct error *err)
{
    sqlite3_stmt *stmt = bind_words(self, Q_DESCRIBED, about);
    sqlite_bind_time(stmt, 4, clock_utc_us(self->central.clock));
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    if (step == DB_STEP_DONE)
        return error_set(err, ERR_INTERNAL, "a channel that has just been found is gone");
    *known = db_column_i64(stmt, 0) != 0;
    *later = db_column_i64(stmt, 1) != 0; /* NULL is 0 */
    *same = db_column_i64(stmt, 2) != 0;
    db_reset(stmt);
    return true;
}

static bool describe(struct central_sqlite *self, const struct description *about, int64_t *changed,
                     struct error *err)
{
    bool known = false;
    bool later = false;
    bool same = false;
    if (!compare(self, about, &known, &later, &same, err))
        return false;
    if (later) /* what it was then may be what readings of then mean */
        return same || db_run(bind_words(self, Q_KEEP_OLDER, about), err);
    if (known && !same) {
        if (!db_run(bind(self, Q_KEEP_CHANGE, about), err))
            return false;
        (*changed)++;
    }
    return db_run(bind_words(self, Q_DESCRIBE, about), err);
}

static bool describe_all(struct central_sqlite *self, struct description *about,
                         const struct central_description *channels, size_t count, int64_t *changed,
                         struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        about->said = &channels[i];
        if (!sqlite_channel(&self->central, about->vehicle_id, channels[i].name, &about->channel_id, err) ||
            !describe(self, about, changed, err))
            return error_wrap(err, "channel `%.*s`", VIEW_ARG(channels[i].name));
    }
    return true;
}

bool sqlite_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                     const struct central_description *channels, size_t count, int64_t *changed,
                     struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    struct description about = {.vehicle_id = vehicle_id, .as_of_us = as_of_us};
    int64_t changes = 0;
    if (!db_begin(self->db, err))
        return false;
    if (!describe_all(self, &about, channels, count, &changes, err)) {
        db_rollback(self->db);
        return false;
    }
    if (!db_commit(self->db, err))
        return false;
    *changed = changes;
    return true;
}

/* ---- alarms ---- */

static bool add_new(struct central_sqlite *self, int64_t vehicle_id, const struct central_alarm *alarm,
                    int64_t *added, struct error *err)
{
    int64_t channel_id = 0;
    if (alarm->channel.size > 0 &&
        !sqlite_channel(&self->central, vehicle_id, alarm->channel, &channel_id, err))
        return false;
    sqlite3_stmt *stmt = self->stmts[Q_ADD_ALARM];
    db_bind_i64(stmt, 1, vehicle_id);
    db_bind_i64(stmt, 2, alarm->alarm_id);
    if (alarm->channel.size > 0)
        db_bind_i64(stmt, 3, channel_id);
    else
        db_bind_null(stmt, 3);
    db_bind_view(stmt, 4, alarm->severity);
    db_bind_view(stmt, 5, alarm->message);
    db_bind_i64(stmt, 6, alarm->raised_us);
    db_bind_null(stmt, 7);
    if (!db_run(stmt, err))
        return false;
    *added += db_changes(self->db);
    return true;
}

static bool take_end(struct central_sqlite *self, int64_t vehicle_id, const struct central_alarm *alarm,
                     struct error *err)
{
    if (alarm->resolved_us == INT64_MIN)
        return true;
    sqlite3_stmt *stmt = self->stmts[Q_END_ALARM];
    db_bind_i64(stmt, 1, vehicle_id);
    db_bind_i64(stmt, 2, alarm->alarm_id);
    db_bind_i64(stmt, 3, alarm->resolved_us);
    return db_run(stmt, err);
}

static bool add_all(struct central_sqlite *self, int64_t vehicle_id, const struct central_alarm *alarms,
                    size_t count, int64_t *added, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!add_new(self, vehicle_id, &alarms[i], added, err) ||
            !take_end(self, vehicle_id, &alarms[i], err))
            return error_wrap(err, "alarm %lld", (long long)alarms[i].alarm_id);
    }
    return true;
}

bool sqlite_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                       const struct central_alarm *alarms, size_t count, int64_t *added, struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    int64_t new_alarms = 0;
    if (!db_begin(self->db, err))
        return false;
    if (!add_all(self, vehicle_id, alarms, count, &new_alarms, err) ||
        !sqlite_move_cursor(self, vehicle_id, store_id, "alarms", last_seq, err)) {
        db_rollback(self->db);
        return false;
    }
    if (!db_commit(self->db, err))
        return false;
    *added = new_alarms;
    return true;
}
