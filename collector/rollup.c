#include "collector/rollup.h"

#include <math.h>
#include <stdlib.h>

#include "common/store/db_sink.h"
#include "common/store/db_wal.h"

enum { ROLLUP_CHANNEL_ID_MAX = 1 << 20, FIRST_CAPACITY = 256 };

static const char key_seq[] = "rollup_seq";

struct bucket {
    int64_t channel_id;
    int64_t start_us;
    double min, max;
};

/* What one step makes of its readings. */
struct fold {
    struct bucket *buckets;
    size_t count, capacity;
    uint32_t *newest; /* by channel_id: index + 1 of its newest bucket; 0: it has none yet */
    int64_t channels; /* ids below this */
    int64_t rows;
    int64_t last_seq;
    bool no_memory;
};

static void fold_clear(struct fold *fold)
{
    free(fold->buckets);
    free(fold->newest);
}
#define SCOPE_FOLD SCOPE(fold_clear)

/* ---- reading ---- */

/* Readings come nearly in order of time, so the newest bucket of a channel is nearly always the one; another
 * bucket of the same stretch is merged when it is written. */
static struct bucket *bucket_of(struct fold *fold, int64_t channel_id, int64_t start_us)
{
    uint32_t newest = fold->newest[channel_id];
    if (newest != 0 && fold->buckets[newest - 1].start_us == start_us)
        return &fold->buckets[newest - 1];
    if (fold->count == fold->capacity) {
        size_t capacity = fold->capacity == 0 ? FIRST_CAPACITY : 2 * fold->capacity;
        void *grown = reallocarray(fold->buckets, capacity, sizeof(*fold->buckets));
        if (grown == NULL)
            return NULL;
        fold->buckets = grown;
        fold->capacity = capacity;
    }
    struct bucket *bucket = &fold->buckets[fold->count++];
    *bucket = (struct bucket){channel_id, start_us, NAN, NAN};
    fold->newest[channel_id] = (uint32_t)fold->count;
    return bucket;
}

static bool take_row(void *context, int64_t seq, int64_t time_us, int64_t channel_id, double value)
{
    struct fold *fold = context;
    if (fold->rows == ROLLUP_STEP_ROWS)
        return false;
    if (channel_id >= 0 && channel_id < fold->channels) {
        struct bucket *bucket = bucket_of(fold, channel_id, rollup_start_us(time_us));
        if (bucket == NULL) {
            fold->no_memory = true;
            return false;
        }
        bucket->min = fmin(bucket->min, value);
        bucket->max = fmax(bucket->max, value);
    }
    fold->rows++;
    fold->last_seq = seq;
    return true;
}

static bool read_rows(sqlite3 *db, struct fold *fold, int64_t after_seq, struct error *err)
{
    struct db_sink sink = {.row = take_row, .context = fold};
    if (!db_query_i64(db, "SELECT max(channel_id) + 1 FROM channels", 0, &fold->channels, err))
        return false;
    if (fold->channels > ROLLUP_CHANNEL_ID_MAX)
        return error_set(err, ERR_CORRUPT, "channel_id %lld is out of range", (long long)fold->channels - 1);
    fold->newest = calloc((size_t)fold->channels + 1, sizeof(*fold->newest));
    if (fold->newest == NULL)
        return error_set(err, ERR_MEMORY, "the roll-ups");
    if (!db_sink_register(db, &sink, err))
        return false;
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(db, "SELECT emit(seq, time_us, channel_id, value) FROM readings WHERE seq > ?1", err);
    if (stmt == NULL)
        return false;
    db_bind_i64(stmt, 1, after_seq);
    if (!db_sink_run(stmt, &sink, err))
        return false;
    return !fold->no_memory || error_set(err, ERR_MEMORY, "the roll-ups");
}

/* ---- writing ---- */

static bool write_buckets(sqlite3 *db, const struct fold *fold, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(db,
                   "INSERT INTO rollups (channel_id, start_us, min, max) VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT (channel_id, start_us) DO UPDATE SET"
                   " min = coalesce(min(min, excluded.min), min, excluded.min),"
                   " max = coalesce(max(max, excluded.max), max, excluded.max)",
                   err);
    if (stmt == NULL)
        return false;
    for (size_t i = 0; i < fold->count; i++) {
        const struct bucket *bucket = &fold->buckets[i];
        db_bind_i64(stmt, 1, bucket->channel_id);
        db_bind_i64(stmt, 2, bucket->start_us);
        db_bind_double(stmt, 3, bucket->min);
        db_bind_double(stmt, 4, bucket->max);
        if (!db_run(stmt, err))
            return false;
    }
    return true;
}

bool rollup_step(struct store_writer *writer, bool *behind, struct error *err)
{
    SCOPE_FOLD struct fold fold = {0};
    sqlite3 *db = store_writer_db(writer);
    int64_t after_seq;
    if (!store_writer_meta(writer, key_seq, 0, &after_seq, err) || !read_rows(db, &fold, after_seq, err))
        return false;
    *behind = fold.rows == ROLLUP_STEP_ROWS;
    if (fold.rows == 0)
        return true;
    if (!db_begin(db, err))
        return false;
    if (write_buckets(db, &fold, err) && store_writer_set_meta(writer, key_seq, fold.last_seq, err))
        return db_wal_commit(db, err);
    db_rollback(db);
    return false;
}

/* ---- forgetting ---- */

static bool forget_before(sqlite3 *db, int64_t before_us, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(
        db,
        "DELETE FROM rollups WHERE (channel_id, start_us) IN (SELECT channel_id, start_us FROM channels"
        " CROSS JOIN rollups USING (channel_id) WHERE start_us < ?1 LIMIT 20000)",
        err);
    if (stmt == NULL)
        return false;
    db_bind_i64(stmt, 1, before_us);
    return db_run(stmt, err);
}

bool rollup_forget(struct rollup *rollup, struct store_writer *writer, struct error *err)
{
    sqlite3 *db = store_writer_db(writer);
    int64_t oldest_us;
    if (!db_query_i64(db, "SELECT min(time_us) FROM readings", INT64_MAX, &oldest_us, err))
        return false;
    int64_t before_us = oldest_us == INT64_MAX ? INT64_MAX : rollup_start_us(oldest_us);
    if (before_us <= rollup->forgotten_us)
        return true;
    if (!forget_before(db, before_us, err))
        return false;
    if (db_changes(db) == 0)
        rollup->forgotten_us = before_us;
    return true;
}
