#include "collector/store_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"

/* The two QUERY_READ give their rows to a sink, which ends them when it has what was asked for: an upper
 * bound or a LIMIT in the SQL would cost a sixth of the speed. `+time_us` keeps the planner on seq. */
static const char *const query_sql[QUERY_COUNT] = {
    [QUERY_STATE] = "SELECT (SELECT value FROM meta WHERE key = 'next_seq'), (SELECT min(seq) FROM readings),"
                    " (SELECT max(seq) FROM readings)", /* together in one SELECT they would read every row */
    [QUERY_RANGE_ALL] = "SELECT count(*), (SELECT min(seq) FROM readings), (SELECT max(seq) FROM readings)"
                        " FROM readings",
    [QUERY_RANGE_AFTER] = "SELECT count(*), min(seq), max(seq) FROM readings WHERE seq > ?1",
    [QUERY_RANGE_SINCE] = "SELECT count(*), min(seq), max(seq) FROM readings WHERE time_us > ?1",
    [QUERY_RANGE_SINCE_FIRST] = "SELECT min(seq) FROM readings WHERE time_us > ?1",
    [QUERY_RANGE_LIMITED] =
        "SELECT count(*), min(seq), max(seq) FROM"
        " (SELECT seq FROM readings WHERE seq > ?1 AND +time_us > ?2 ORDER BY seq LIMIT ?3)",
    [QUERY_TIME_OF] = "SELECT time_us FROM readings WHERE seq = ?1",
    [QUERY_READ] = "SELECT emit(seq, time_us, channel_id, value) FROM readings WHERE seq > ?1",
    [QUERY_READ_SINCE] = "SELECT emit(seq, time_us, channel_id, value) FROM readings"
                         " WHERE seq > ?1 AND +time_us > ?2",
    [QUERY_NEWEST] = "SELECT seq, time_us, channel_id, value FROM readings WHERE seq > ?1"
                     " ORDER BY seq DESC LIMIT ?2",
};

/* ---- opening ---- */

/* The sink of the two QUERY_READ. */
static bool take_row(void *context, int64_t seq, int64_t time_us, int64_t channel_id, double value)
{
    struct chunk *chunk = context;
    if (chunk->count == chunk->max_rows || seq > chunk->last_seq)
        return false;
    chunk->rows[chunk->count++] = (struct store_row){seq, time_us, channel_id, value};
    return true;
}

static bool read_store_id(struct store_reader *reader, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(reader->db, "SELECT CAST(value AS TEXT) FROM meta WHERE key = 'store_id'", err);
    enum db_step step = stmt == NULL ? DB_STEP_FAILED : db_step(stmt, err);
    if (step == DB_STEP_FAILED ||
        (step == DB_STEP_ROW && !db_column_copy(stmt, 0, reader->store_id, sizeof(reader->store_id), err)))
        return false;
    return reader->store_id[0] != '\0' || error_set(err, ERR_CORRUPT, "no store_id in it");
}

bool store_has_tables(sqlite3 *db, struct error *err)
{
    int64_t tables = 0;
    return db_query_i64(db,
                        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"
                        " ('meta', 'channels', 'readings', 'alarms')",
                        0, &tables, err) &&
           (tables == 4 || error_set(err, ERR_CORRUPT, "it is no telemetry store"));
}

static bool open_file(struct store_reader *reader, struct error *err)
{
    struct stat status;
    if (stat(reader->path, &status) != 0)
        return error_set_errno(err, "telemetry store");
    if (status.st_size == 0) /* not even opened: SQLite would remove the -wal of an empty file */
        return error_set(err, ERR_CORRUPT, "the file is empty");
    reader->device = status.st_dev;
    reader->inode = status.st_ino;
    reader->db = db_open(reader->path, DB_READ, err);
    if (reader->db == NULL)
        return false;
    reader->sink = (struct db_sink){.row = take_row, .context = &reader->chunk};
    if (!db_sink_register(reader->db, &reader->sink, err))
        return false;
    if (!store_has_tables(reader->db, err) || !read_store_id(reader, err))
        return false;
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        reader->queries[i] = db_prepare(reader->db, query_sql[i], err);
        if (reader->queries[i] == NULL)
            return false;
    }
    return true;
}

static bool open_current(struct store_reader *reader, const char *folder, struct error *err)
{
    struct path path;
    if (!text_copy(reader->folder, sizeof(reader->folder), view_of(folder)))
        return error_set(err, ERR_LIMIT, "%.64s...: the path is too long", folder);
    if (!store_current_path(folder, &path, err))
        return false;
    memcpy(reader->path, path.text, sizeof(reader->path));
    return open_file(reader, err) || error_wrap(err, "%s", reader->path);
}

struct store_reader *store_reader_open(const char *folder, struct error *err)
{
    struct store_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        error_set(err, ERR_MEMORY, "no memory for a store reader");
        return NULL;
    }
    if (open_current(reader, folder, err))
        return reader;
    store_reader_close(reader);
    return NULL;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < QUERY_COUNT; i++)
        db_finalize(reader->queries[i]);
    db_close(reader->db);
    free(reader->latest);
    free(reader);
}

const char *store_reader_id(const struct store_reader *reader)
{
    return reader->store_id;
}

bool store_reader_is_stale(const struct store_reader *reader)
{
    struct path path;
    struct stat status;
    if (!store_current_path(reader->folder, &path, NULL) || stat(path.text, &status) != 0)
        return true;
    return strcmp(path.text, reader->path) != 0 || status.st_dev != reader->device ||
           status.st_ino != reader->inode;
}

/* ---- reading ---- */

bool store_snapshot_begin(struct store_reader *reader, struct error *err)
{
    return db_exec(reader->db, "BEGIN", err);
}

void store_snapshot_end(struct store_reader *reader)
{
    db_rollback(reader->db); /* nothing was written */
}

bool store_query_numbers(sqlite3_stmt *stmt, int64_t fallback, int64_t *out, int columns, struct error *err)
{
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    for (int i = 0; i < columns; i++) {
        bool present = step == DB_STEP_ROW && !db_column_is_null(stmt, i);
        out[i] = present ? db_column_i64(stmt, i) : fallback;
    }
    db_reset(stmt);
    return true;
}

bool store_sink_run(struct store_reader *reader, const char *sql, const int64_t *values, int count,
                    store_sink_row *row, void *context, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(reader->db, sql, err);
    if (stmt == NULL)
        return false;
    for (int i = 0; i < count; i++)
        db_bind_i64(stmt, i + 1, values[i]);
    const struct db_sink before = reader->sink;
    reader->sink.row = row;
    reader->sink.context = context;
    bool ok = db_sink_run(stmt, &reader->sink, err);
    reader->sink = before;
    return ok;
}

bool store_time_of(struct store_reader *reader, int64_t seq, int64_t *time_us, struct error *err)
{
    sqlite3_stmt *stmt = reader->queries[QUERY_TIME_OF];
    db_bind_i64(stmt, 1, seq);
    return store_query_numbers(stmt, INT64_MIN, time_us, 1, err);
}

static bool state_in_snapshot(struct store_reader *reader, struct store_state *out, struct error *err)
{
    int64_t numbers[3]; /* next_seq, min and max seq */
    struct store_state state = {.first_time_us = INT64_MIN, .last_time_us = INT64_MIN};
    if (!store_query_numbers(reader->queries[QUERY_STATE], 0, numbers, 3, err))
        return false;
    state.next_seq = numbers[0];
    if (numbers[2] > 0) {
        state.readings = numbers[2] - numbers[1] + 1;
        if (!store_time_of(reader, numbers[1], &state.first_time_us, err) ||
            !store_time_of(reader, numbers[2], &state.last_time_us, err))
            return false;
    }
    *out = state;
    return true;
}

bool store_reader_state(struct store_reader *reader, struct store_state *out, struct error *err)
{
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = state_in_snapshot(reader, out, err);
    store_snapshot_end(reader);
    return ok;
}

/* ---- channels ---- */

void store_column_copy(char *out, size_t out_bytes, sqlite3_stmt *stmt, int column)
{
    const char *text = db_column_text(stmt, column);
    snprintf(out, out_bytes, "%s", text == NULL ? "" : text);
}

struct store_row store_row_of(sqlite3_stmt *stmt)
{
    return (struct store_row){
        .seq = db_column_i64(stmt, 0),
        .time_us = db_column_i64(stmt, 1),
        .channel_id = db_column_i64(stmt, 2),
        .value = db_column_double(stmt, 3),
    };
}

static void channel_of(struct store_channel *out, sqlite3_stmt *stmt)
{
    out->channel_id = db_column_i64(stmt, 0);
    store_column_copy(out->name, sizeof(out->name), stmt, 1);
    store_column_copy(out->unit, sizeof(out->unit), stmt, 2);
    out->phys_min = db_column_double(stmt, 3);
    out->phys_max = db_column_double(stmt, 4);
    store_column_copy(out->description, sizeof(out->description), stmt, 5);
}

bool store_channels(struct store_reader *reader, struct store_channel **out, size_t *count, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(
        reader->db,
        "SELECT channel_id, name, unit, phys_min, phys_max, description FROM channels ORDER BY channel_id",
        err);
    if (stmt == NULL)
        return false;
    SCOPE_FREE struct store_channel *channels = NULL;
    size_t used = 0;
    size_t capacity = 0;
    enum db_step step;
    while ((step = db_step(stmt, err)) == DB_STEP_ROW) {
        if (used == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            void *grown = reallocarray(channels, capacity, sizeof(*channels));
            if (grown == NULL)
                return error_set(err, ERR_MEMORY, "no memory for the channels");
            channels = grown;
        }
        channel_of(&channels[used++], stmt);
    }
    if (step == DB_STEP_FAILED)
        return false;
    *out = POINTER_TAKE(channels);
    *count = used;
    return true;
}
