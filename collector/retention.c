#include "collector/retention.h"

#include "collector/stride_search.h"

static bool run_for_seq(sqlite3 *db, const char *sql, int64_t seq, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, sql, err);
    if (stmt == NULL)
        return false;
    db_bind_i64(stmt, 1, seq);
    return db_run(stmt, err);
}

/* Alarms that are over go with the readings of their time; one that lasts stays. */
static bool delete_in_transaction(sqlite3 *db, int64_t seq, int64_t *deleted, struct error *err)
{
    if (!run_for_seq(db, "DELETE FROM readings WHERE seq <= ?1", seq, err))
        return false;
    *deleted = db_changes(db);
    return run_for_seq(db, "DELETE FROM alarms WHERE seq <= ?1 AND resolved_us IS NOT NULL", seq, err);
}

static bool delete_through(sqlite3 *db, int64_t seq, int64_t *deleted, struct error *err)
{
    int64_t gone = 0;
    if (!db_begin(db, err))
        return false;
    if (!delete_in_transaction(db, seq, &gone, err)) {
        db_rollback(db);
        return false;
    }
    if (!db_commit(db, err))
        return false;
    *deleted = gone;
    return true;
}

/* The number that the query gives for its parameters; INT64_MIN: none. */
static bool ask(sqlite3 *db, const char *sql, const int64_t *values, int count, int64_t *out,
                struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, sql, err);
    if (stmt == NULL)
        return false;
    for (int i = 0; i < count; i++)
        db_bind_i64(stmt, i + 1, values[i]);
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    bool present = step == DB_STEP_ROW && !db_column_is_null(stmt, 0);
    *out = present ? db_column_i64(stmt, 0) : INT64_MIN;
    return true;
}

#define FRONT "(SELECT seq, time_us FROM readings ORDER BY seq LIMIT 5000)"
_Static_assert(RETENTION_CHUNK_ROWS == 5000, "as in the SQL");

/* ?1 before, ?2 now, ?3 the earliest time that is judged: the last old reading of the oldest chunk that has
 * no young one in front of it. */
static const char last_old[] =
    "SELECT max(seq) FROM " FRONT " WHERE time_us >= ?3 AND time_us < ?1 AND seq <"
    " (SELECT ifnull(min(seq), 9223372036854775807) FROM " FRONT " WHERE time_us >= ?1 AND time_us <= ?2)";

/* The last seq of the oldest chunk; INT64_MIN: there is nothing. */
static bool chunk_end(sqlite3 *db, int64_t *seq, struct error *err)
{
    return ask(db, "SELECT max(seq) FROM " FRONT, NULL, 0, seq, err);
}

/* The stamp of the first reading at or behind seq; INT64_MIN: there is none. */
static bool time_at(sqlite3 *db, int64_t seq, int64_t *time_us, struct error *err)
{
    return ask(db, "SELECT time_us FROM readings WHERE seq >= ?1 ORDER BY seq LIMIT 1", &seq, 1, time_us,
               err);
}

static bool is_unjudgeable(int64_t time_us, int64_t now_us)
{
    return time_us != INT64_MIN && (time_us < RETENTION_EARLIEST_US || time_us > now_us);
}

struct block {
    sqlite3 *db;
    int64_t now_us;
};

static bool ask_unjudgeable(void *context, int64_t seq, bool *inside, struct error *err)
{
    const struct block *block = context;
    int64_t time_us;
    if (!time_at(block->db, seq, &time_us, err))
        return false;
    *inside = is_unjudgeable(time_us, block->now_us);
    return true;
}

/* A block of readings from seq on that cannot be judged: the stamp behind it. INT64_MIN: nothing is behind
 * it. */
static bool time_behind_block(sqlite3 *db, int64_t seq, int64_t now_us, int64_t *time_us, struct error *err)
{
    struct block block = {db, now_us};
    const struct stride_question question = {ask_unjudgeable, &block};
    int64_t behind;
    return stride_search(&question, seq, &behind, err) && time_at(db, behind, time_us, err);
}

/* The stamp of the oldest reading; when it cannot be judged, that of the next one that can: each was written
 * after those with a lower seq. INT64_MIN: there is none. */
static bool front_time(sqlite3 *db, int64_t now_us, int64_t *time_us, struct error *err)
{
    int64_t seq;
    return ask(db, "SELECT min(seq) FROM readings", NULL, 0, &seq, err) && time_at(db, seq, time_us, err) &&
           (!is_unjudgeable(*time_us, now_us) || time_behind_block(db, seq, now_us, time_us, err));
}

/* When the oldest chunk holds nothing that is known to be old. */
static bool front_is_old(sqlite3 *db, int64_t before_us, int64_t now_us, bool *old, struct error *err)
{
    int64_t time_us;
    if (!front_time(db, now_us, &time_us, err))
        return false;
    *old = time_us != INT64_MIN && time_us < before_us;
    return true;
}

bool retention_oldest_us(struct store_writer *writer, int64_t now_us, int64_t *time_us, struct error *err)
{
    return front_time(store_writer_db(writer), now_us, time_us, err);
}

bool retention_by_age(struct store_writer *writer, int64_t before_us, int64_t now_us, int64_t *deleted,
                      struct error *err)
{
    sqlite3 *db = store_writer_db(writer);
    const int64_t times[] = {before_us, now_us, RETENTION_EARLIEST_US};
    int64_t seq;
    bool old = true; /* of what is in front of seq */
    *deleted = 0;
    if (!ask(db, last_old, times, 3, &seq, err))
        return false;
    if (seq == INT64_MIN && !(front_is_old(db, before_us, now_us, &old, err) && chunk_end(db, &seq, err)))
        return false;
    return !old || seq == INT64_MIN || delete_through(db, seq, deleted, err);
}

/* min and max together in one SELECT would read every row. */
static const char middle_seq[] =
    "SELECT (SELECT min(seq) FROM readings) / 2 + (SELECT max(seq) FROM readings) / 2";

bool retention_make_room(struct store_writer *writer, int64_t *deleted, struct error *err)
{
    sqlite3 *db = store_writer_db(writer);
    int64_t seq;
    int64_t middle;
    *deleted = 0;
    if (!chunk_end(db, &seq, err) || !ask(db, middle_seq, NULL, 0, &middle, err))
        return false;
    if (seq > middle)
        seq = middle;
    return seq == INT64_MIN || delete_through(db, seq, deleted, err);
}

bool retention_by_size(struct store_writer *writer, int64_t max_bytes, int64_t *deleted, struct error *err)
{
    struct store_size size;
    *deleted = 0;
    if (!store_writer_size(writer, &size, err))
        return false;
    return size.used_bytes <= max_bytes || retention_make_room(writer, deleted, err);
}
