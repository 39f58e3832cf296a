#include "collector/store_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/alarm_rows.h"
#include "collector/store_files.h"
#include "collector/store_reader.h"
#include "collector/stride_search.h"
#include "common/base/text.h"
#include "common/store/db_wal.h"

/* Times known to be taken in one channel: an input that gives one time again and again costs no search. */
struct taken {
    int64_t from_us, until_us; /* from inclusive, until exclusive; empty when equal */
};

enum statement {
    ADD_READING,
    FIND_READING,
    ADD_CHANNEL,
    UPDATE_CHANNEL,
    SET_META,
    GET_META,
    STATEMENT_COUNT,
};

static const char *const statement_sql[STATEMENT_COUNT] = {
    [ADD_READING] = "INSERT INTO readings (seq, time_us, channel_id, value) VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT (time_us, channel_id) DO NOTHING",
    [FIND_READING] = "SELECT 1 FROM readings WHERE time_us = ?1 AND channel_id = ?2",
    [ADD_CHANNEL] = "INSERT INTO channels (unit, phys_min, phys_max, description, name)"
                    " VALUES (?1, ?2, ?3, ?4, ?5)",
    [UPDATE_CHANNEL] = "UPDATE channels SET unit = ?1, phys_min = ?2, phys_max = ?3, description = ?4"
                       " WHERE name = ?5",
    [SET_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                 " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [GET_META] = "SELECT value FROM meta WHERE key = ?1",
};

struct store_writer {
    struct store_writer_spec spec;
    struct path path;
    char store_id[STORE_ID_BYTES];
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct alarm_rows alarm_rows;
    int64_t next_seq;
    int64_t page_bytes;
    int wal_pages; /* after the last commit */
    bool wal_warned;
    struct taken taken[STORE_CHANNELS_MAX]; /* by the channel table's index */
};

/* ---- opening and closing ---- */

static bool configure(struct store_writer *writer, struct error *err)
{
    /* The -wal file stays, and with it its blocks on a full disk. */
    db_wal_take_over(writer->db, &writer->wal_pages);
    db_set_busy_ms(writer->db, STORE_BUSY_MS);
    /* Debian's SQLite overwrites what is deleted: that would write every page a second time. */
    return db_exec(writer->db, "PRAGMA secure_delete=OFF", err);
}

/* What others rely on must be there. The newest time is asked for to touch the page that is written next:
 * damage there is better known now. */
static bool read_identity(struct store_writer *writer, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(
        writer->db,
        "SELECT (SELECT CAST(value AS TEXT) FROM meta WHERE key = 'store_id'),"
        " max(1, (SELECT value FROM meta WHERE key = 'next_seq'),"
        " (SELECT ifnull(max(seq), 0) + 1 FROM readings), (SELECT ifnull(max(seq), 0) + 1 FROM alarms)),"
        " (SELECT max(time_us) FROM readings)",
        err);
    enum db_step step = stmt == NULL ? DB_STEP_FAILED : db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    if (!db_column_copy(stmt, 0, writer->store_id, sizeof(writer->store_id), err))
        return false;
    writer->next_seq = db_column_i64(stmt, 1);
    return (writer->store_id[0] != '\0' && db_column_is_i64(stmt, 1)) ||
           error_set(err, ERR_CORRUPT, "it has no store_id and next_seq");
}

static bool open_file(struct store_writer *writer, struct error *err)
{
    struct stat status;
    if (stat(writer->path.text, &status) != 0)
        return error_set_errno(err, "telemetry store");
    /* A store is never published empty. SQLite would take the file for a new database and drop its -wal. */
    if (status.st_size == 0)
        return error_set(err, ERR_CORRUPT, "the file is empty");
    writer->db = db_open(writer->path.text, DB_WRITE, err);
    if (writer->db == NULL || !configure(writer, err) || !store_has_tables(writer->db, err) ||
        !migration_set_apply(writer->spec.migrations, writer->db, writer->spec.version, writer->spec.clock,
                             err) ||
        !read_identity(writer, err) ||
        !db_query_i64(writer->db, "PRAGMA page_size", 0, &writer->page_bytes, err))
        return false;
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        writer->statements[i] = db_prepare(writer->db, statement_sql[i], err);
        if (writer->statements[i] == NULL)
            return false;
    }
    return alarm_rows_open(&writer->alarm_rows, writer->db, err);
}

static struct store_writer *open_path(const struct store_writer_spec *spec, const struct path *path,
                                      struct error *err)
{
    struct store_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        error_set(err, ERR_MEMORY, "no memory for a store writer");
        return NULL;
    }
    writer->spec = *spec;
    writer->path = *path;
    if (open_file(writer, err))
        return writer;
    error_wrap(err, "%s", path->text);
    store_writer_abandon(writer);
    return NULL;
}

/* When the store that is named is not there: its own name again when nothing of it is left, else the next. */
static struct store_writer *make_first(const struct store_writer_spec *spec, const struct path *current,
                                       struct error *err)
{
    if (!store_file_is_free(current->text))
        return store_writer_open_next(spec, err);
    if (!store_file_make(spec, current->text, err))
        return NULL;
    return open_path(spec, current, err);
}

struct store_writer *store_writer_open(const struct store_writer_spec *spec, struct error *err)
{
    struct path current;
    struct stat status;
    if (!store_current_path(spec->folder, &current, err))
        return NULL;
    if (lstat(current.text, &status) != 0)
        return make_first(spec, &current, err);
    return open_path(spec, &current, err);
}

struct store_writer *store_writer_open_next(const struct store_writer_spec *spec, struct error *err)
{
    struct path path;
    if (!store_file_free_path(spec->folder, false, &path, err) || !store_file_make(spec, path.text, err) ||
        !store_file_name_current(spec->folder, path.text, err))
        return NULL;
    return open_path(spec, &path, err);
}

void store_writer_abandon(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        db_finalize(writer->statements[i]);
    alarm_rows_close(&writer->alarm_rows);
    db_close(writer->db);
    free(writer);
}

void store_writer_close(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    struct error err;
    if (!db_checkpoint(writer->db, DB_CHECKPOINT_TRUNCATE, STORE_BUSY_MS, &err))
        log_warn(writer->spec.log, "the last checkpoint failed, the next start makes up for it: %s",
                 err.text);
    store_writer_abandon(writer);
}

/* ---- a tick's transaction ---- */

static bool write_channel(struct store_writer *writer, struct channel *channel, struct error *err)
{
    struct store_channel *known = &channel->known;
    sqlite3_stmt *stmt = writer->statements[channel->stored ? UPDATE_CHANNEL : ADD_CHANNEL];
    db_bind_view(stmt, 1, view_of(known->unit));
    db_bind_double(stmt, 2, known->phys_min);
    db_bind_double(stmt, 3, known->phys_max);
    db_bind_view(stmt, 4, view_of(known->description));
    db_bind_view(stmt, 5, view_of(known->name));
    if (!db_run(stmt, err))
        return error_wrap(err, "channel %s", known->name);
    if (!channel->stored)
        known->channel_id = db_last_id(writer->db);
    return true;
}

static bool write_channels(struct store_writer *writer, struct channel_table *channels, struct error *err)
{
    if (!channel_table_is_dirty(channels))
        return true;
    for (uint32_t i = 0; i < channel_table_count(channels); i++) {
        struct channel *channel = channel_table_at(channels, i);
        if (channel->dirty && !write_channel(writer, channel, err))
            return false;
    }
    return true;
}

struct place {
    sqlite3_stmt *find;
    int64_t channel_id;
};

static bool ask_taken(void *context, int64_t time_us, bool *inside, struct error *err)
{
    const struct place *place = context;
    db_bind_i64(place->find, 1, time_us);
    db_bind_i64(place->find, 2, place->channel_id);
    enum db_step step = db_step(place->find, err);
    *inside = step == DB_STEP_ROW;
    if (*inside)
        db_reset(place->find);
    return step != DB_STEP_FAILED;
}

/* time_us is taken: the next that is free. Many may be, of a sender whose clock stands. */
static bool next_free(struct store_writer *writer, int64_t channel_id, int64_t *time_us, struct error *err)
{
    struct place place = {writer->statements[FIND_READING], channel_id};
    const struct stride_question question = {ask_taken, &place};
    return stride_search(&question, *time_us, time_us, err);
}

static bool insert_reading(struct store_writer *writer, int64_t time_us, bool *inserted, struct error *err)
{
    sqlite3_stmt *stmt = writer->statements[ADD_READING];
    db_bind_i64(stmt, 2, time_us);
    if (!db_run(stmt, err))
        return false;
    *inserted = db_changes(writer->db) > 0;
    return true;
}

static bool write_reading(struct store_writer *writer, int64_t channel_id, const struct reading *reading,
                          struct error *err)
{
    sqlite3_stmt *stmt = writer->statements[ADD_READING];
    struct taken *taken = &writer->taken[reading->channel];
    int64_t time_us = reading->time_us;
    if (time_us < taken->from_us || time_us >= taken->until_us)
        *taken = (struct taken){time_us, time_us};
    time_us = taken->until_us;
    db_bind_i64(stmt, 1, writer->next_seq);
    db_bind_i64(stmt, 3, channel_id);
    db_bind_double(stmt, 4, reading->value);
    bool inserted;
    if (!insert_reading(writer, time_us, &inserted, err))
        return false;
    if (!inserted &&
        (!next_free(writer, channel_id, &time_us, err) || !insert_reading(writer, time_us, &inserted, err)))
        return false;
    taken->until_us = time_us + 1;
    writer->next_seq++;
    return true;
}

static bool write_all(struct store_writer *writer, struct channel_table *channels,
                      const struct reading *readings, size_t count, struct error *err)
{
    struct alarm_judge *alarms = writer->spec.alarms;
    if (alarms != NULL)
        alarm_rows_need_channels(alarms, channels);
    if (!write_channels(writer, channels, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t channel_id = channel_table_at(channels, readings[i].channel)->known.channel_id;
        if (!write_reading(writer, channel_id, &readings[i], err))
            return false;
    }
    if (alarms != NULL && !alarm_rows_write(&writer->alarm_rows, alarms, channels, &writer->next_seq, err))
        return false;
    return store_writer_set_meta(writer, "next_seq", writer->next_seq, err);
}

bool store_writer_write(struct store_writer *writer, struct channel_table *channels,
                        const struct reading *readings, size_t count, struct error *err)
{
    int64_t seq_before = writer->next_seq;
    if (!db_begin(writer->db, err))
        return false;
    if (write_all(writer, channels, readings, count, err) && db_wal_commit(writer->db, err)) {
        channel_table_committed(channels);
        if (writer->spec.alarms != NULL)
            alarm_judge_stored(writer->spec.alarms);
        return true;
    }
    db_rollback(writer->db);
    channel_table_rolled_back(channels);
    writer->next_seq = seq_before;
    alarm_rows_rolled_back(&writer->alarm_rows);
    memset(writer->taken, 0, sizeof(writer->taken)); /* what was taken in this transaction is free again */
    return false;
}

/* ---- checkpoints ---- */

static void tell_of_a_long_wal(struct store_writer *writer)
{
    bool is_long = writer->wal_pages >= WAL_WARN_PAGES;
    if (is_long && !writer->wal_warned)
        log_warn(writer->spec.log,
                 "%s-wal grows: a reader has held one transaction for long (an open database shell?)",
                 writer->path.text);
    writer->wal_warned = is_long;
}

bool store_writer_checkpoint(struct store_writer *writer, bool now, struct error *err)
{
    if (!now && writer->wal_pages < CHECKPOINT_PAGES)
        return true;
    bool restart = writer->wal_pages >= WAL_RESTART_PAGES;
    bool ok = db_checkpoint(writer->db, restart ? DB_CHECKPOINT_RESTART : DB_CHECKPOINT_PASSIVE,
                            WAL_RESTART_MS, err);
    db_set_busy_ms(writer->db, STORE_BUSY_MS);
    tell_of_a_long_wal(writer);
    return ok;
}

/* ---- the rest ---- */

bool store_writer_load_channels(struct store_writer *writer, struct channel_table *channels,
                                struct error *err)
{
    struct store_channel *rows = NULL;
    size_t count = 0;
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(writer->spec.folder, err);
    if (reader == NULL || !store_channels(reader, &rows, &count, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = channel_table_load(channels, &rows[i], err);
    free(rows);
    return ok;
}

bool store_writer_load_alarms(struct store_writer *writer, struct channel_table *channels, size_t *ended,
                              struct error *err)
{
    return alarm_rows_load(writer->db, channels, clock_utc_us(writer->spec.clock), writer->spec.alarms, ended,
                           err);
}

bool store_writer_meta(struct store_writer *writer, const char *key, int64_t fallback, int64_t *out,
                       struct error *err)
{
    sqlite3_stmt *stmt = writer->statements[GET_META];
    db_bind_view(stmt, 1, view_of(key));
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    bool present = step == DB_STEP_ROW && db_column_is_i64(stmt, 0);
    *out = present ? db_column_i64(stmt, 0) : fallback;
    db_reset(stmt);
    return true;
}

bool store_writer_set_meta(struct store_writer *writer, const char *key, int64_t value, struct error *err)
{
    sqlite3_stmt *stmt = writer->statements[SET_META];
    db_bind_view(stmt, 1, view_of(key));
    db_bind_i64(stmt, 2, value);
    return db_run(stmt, err);
}

bool store_writer_size(struct store_writer *writer, struct store_size *out, struct error *err)
{
    int64_t pages = 0;
    int64_t free_pages = 0;
    if (!db_query_i64(writer->db, "PRAGMA page_count", 0, &pages, err) ||
        !db_query_i64(writer->db, "PRAGMA freelist_count", 0, &free_pages, err))
        return false;
    out->used_bytes = (pages - free_pages) * writer->page_bytes;
    out->file_bytes = pages * writer->page_bytes;
    return true;
}

sqlite3 *store_writer_db(struct store_writer *writer)
{
    return writer->db;
}

const char *store_writer_id(const struct store_writer *writer)
{
    return writer->store_id;
}

const char *store_writer_path(const struct store_writer *writer)
{
    return writer->path.text;
}

int64_t store_writer_next_seq(const struct store_writer *writer)
{
    return writer->next_seq;
}

bool store_writer_is_replacement(const struct store_writer *writer)
{
    struct path first;
    struct stat status;
    return path_join(&first, writer->spec.folder, "telemetry.db", NULL) &&
           strcmp(first.text, writer->path.text) != 0 && lstat(first.text, &status) == 0;
}
