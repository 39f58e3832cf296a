/* The central store as one SQLite file. Its SQL is listed below and prepared whole when it is opened. */
#include "server_tools/central/central_sqlite.h"

#include <libgen.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/os/file.h"

extern const struct asset central_sqlite_migrations[];

enum { FOLDER_MODE = 0750 };

static const char *const queries[QUERIES] = {
    [Q_VEHICLE] =
        "INSERT INTO vehicles (client_id, name, host, agent_port, agent_id, software_version, last_seen_at,"
        " last_sync_at, sync_status) VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (client_id) DO UPDATE SET host = coalesce(excluded.host, host),"
        " agent_port = coalesce(excluded.agent_port, agent_port),"
        " agent_id = coalesce(excluded.agent_id, agent_id),"
        " software_version = coalesce(excluded.software_version, software_version),"
        " last_seen_at = coalesce(excluded.last_seen_at, last_seen_at),"
        " last_sync_at = coalesce(excluded.last_sync_at, last_sync_at),"
        " sync_status = coalesce(excluded.sync_status, sync_status) RETURNING vehicle_id",
    [Q_AGENT] = "SELECT agent_id FROM vehicles WHERE vehicle_id = ?1 AND agent_id IS NOT NULL",
    [Q_CURSOR] = "SELECT seq FROM sync_cursor WHERE vehicle_id = ?1 AND store_id = ?2 AND stream = ?3",
    [Q_MOVE_CURSOR] = "INSERT INTO sync_cursor (vehicle_id, store_id, stream, seq) VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
    [Q_CHANNEL] = "SELECT channel_id FROM channel_config WHERE vehicle_id = ?1 AND name = ?2",
    [Q_MAKE_CHANNEL] = "INSERT INTO channel_config (vehicle_id, channel_id, name) SELECT ?1,"
                       " coalesce(max(channel_id), 0) + 1, ?2 FROM channel_config WHERE vehicle_id = ?1"
                       " ON CONFLICT DO UPDATE SET name = name RETURNING channel_id",
    [Q_ADD] = "INSERT OR IGNORE INTO measurements (vehicle_id, channel_id, time_us, value)"
              " SELECT ?1, channel_id, time_us, value FROM batch",
    [Q_JOURNAL] =
        "INSERT INTO sync_journal (vehicle_id, journal_id, started_at, finished_at, status, rows_written,"
        " bytes, note) SELECT ?1, coalesce(max(journal_id), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7"
        " FROM sync_journal WHERE vehicle_id = ?1",
    [Q_FORGET_JOURNAL] = "DELETE FROM sync_journal WHERE vehicle_id = ?1 AND finished_at < ?2",
    [Q_DESCRIBED] =
        "SELECT synced_at IS NOT NULL, synced_at > ?3 AND synced_at <= ?4, unit IS ?5 AND min_value IS ?6"
        " AND max_value IS ?7 AND description IS ?8 FROM channel_config WHERE vehicle_id = ?1 AND channel_id "
        "= ?2",
    [Q_KEEP_CHANGE] =
        "INSERT INTO channel_changes (vehicle_id, change_id, channel_id, unit, min_value, max_value,"
        " description, held_until, seen_at) SELECT ?1, (SELECT coalesce(max(change_id), 0) + 1 FROM"
        " channel_changes WHERE vehicle_id = ?1), channel_id, unit, min_value, max_value, description,"
        " (SELECT last_sync_at FROM vehicles WHERE vehicle_id = ?1), ?3 FROM channel_config"
        " WHERE vehicle_id = ?1 AND channel_id = ?2",
    [Q_KEEP_OLDER] =
        "INSERT INTO channel_changes (vehicle_id, change_id, channel_id, unit, min_value, max_value,"
        " description, held_until, seen_at) SELECT ?1, (SELECT coalesce(max(change_id), 0) + 1 FROM"
        " channel_changes WHERE vehicle_id = ?1), ?2, ?5, ?6, ?7, ?8, ?3, coalesce((SELECT min(seen_at) FROM"
        " channel_changes WHERE vehicle_id = ?1 AND channel_id = ?2 AND seen_at > ?3), (SELECT synced_at FROM"
        " channel_config WHERE vehicle_id = ?1 AND channel_id = ?2)) WHERE NOT EXISTS (SELECT 1 FROM"
        " channel_changes WHERE vehicle_id = ?1 AND channel_id = ?2 AND seen_at > ?3 AND unit IS ?5 AND"
        " min_value IS ?6 AND max_value IS ?7 AND description IS ?8)",
    [Q_DESCRIBE] = "UPDATE channel_config SET synced_at = ?3, unit = ?5, min_value = ?6, max_value = ?7, "
                   "description = ?8"
                   " WHERE vehicle_id = ?1 AND channel_id = ?2",
    [Q_ADD_ALARM] =
        "INSERT OR IGNORE INTO alarms_log (vehicle_id, alarm_id, channel_id, severity, message, raised_us,"
        " resolved_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [Q_END_ALARM] = "UPDATE alarms_log SET resolved_us = ?3 WHERE vehicle_id = ?1 AND alarm_id = ?2"
                    " AND (resolved_us IS NULL OR resolved_us < ?3)",
    [Q_COUNT_ROWS] = "SELECT count(*) FROM measurements WHERE vehicle_id = ?1",
    [Q_COUNT_CHANNELS] = "SELECT count(*) FROM channel_config WHERE vehicle_id = ?1",
};

static const struct db_rows_column batch_columns[] = {
    {"channel_id", DB_ROWS_I32, offsetof(struct central_row, channel_id)},
    {"time_us", DB_ROWS_I64, offsetof(struct central_row, time_us)},
    {"value", DB_ROWS_DOUBLE, offsetof(struct central_row, value)},
};

/* ---- open and close ---- */

static void sqlite_close(struct central *central)
{
    struct central_sqlite *self = sqlite_of(central);
    for (size_t i = 0; i < QUERIES; i++)
        db_finalize(self->stmts[i]);
    db_close(self->db);
    free(self);
}

static bool migrate(sqlite3 *db, const struct clock *clock, struct error *err)
{
    SCOPE_FREE struct central_migrations *migrations = malloc(sizeof(*migrations));
    if (migrations == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the central store");
    return central_migrations_load(central_sqlite_migrations, migrations, err) &&
           migrate_db(db, migrations->items, migrations->count, TELEHAUL_VERSION, clock, err);
}

static bool make_folder_of(const char *path, struct error *err)
{
    struct path copy;
    return path_printf(&copy, err, "%s", path) && folder_make_all(dirname(copy.text), FOLDER_MODE, err);
}

static bool prepare(struct central_sqlite *self, struct error *err)
{
    for (size_t i = 0; i < QUERIES; i++) {
        self->stmts[i] = db_prepare(self->db, queries[i], err);
        if (self->stmts[i] == NULL)
            return error_wrap(err, "query %zu", i);
    }
    return true;
}

static bool open_parts(struct central_sqlite *self, const char *path, const struct clock *clock,
                       struct error *err)
{
    if (!make_folder_of(path, err))
        return false;
    self->db = db_open(path, DB_CREATE, err);
    if (self->db == NULL)
        return false;
    if (!migrate(self->db, clock, err) || !db_rows_register(self->db, "batch", &self->batch, err) ||
        !prepare(self, err))
        return error_wrap(err, "%s", path);
    return true;
}

/* ---- small statements ---- */

void sqlite_bind_text(sqlite3_stmt *stmt, int index, struct view text)
{
    if (text.size == 0)
        db_bind_null(stmt, index);
    else
        db_bind_view(stmt, index, text);
}

void sqlite_bind_time(sqlite3_stmt *stmt, int index, int64_t utc_us)
{
    char text[RFC3339_US_BYTES];
    rfc3339_format_us(text, utc_us);
    if (utc_us == INT64_MIN)
        db_bind_null(stmt, index);
    else
        db_bind_view(stmt, index, view_of(text));
}

/* The first column of the statement's one row; *found false when it gives none. Runs it to its end. */
static bool one_i64(sqlite3_stmt *stmt, int64_t *out, bool *found, struct error *err)
{
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    *found = step == DB_STEP_ROW;
    if (!*found)
        return true;
    int64_t value = db_column_i64(stmt, 0);
    step = db_step(stmt, err);
    if (step == DB_STEP_ROW)
        db_reset(stmt);
    if (step != DB_STEP_DONE)
        return step != DB_STEP_FAILED && error_set(err, ERR_INTERNAL, "more than one row");
    *out = value;
    return true;
}

/* A row that must be there. */
bool sqlite_need_i64(sqlite3_stmt *stmt, int64_t *out, struct error *err)
{
    bool found = false;
    if (!one_i64(stmt, out, &found, err))
        return false;
    return found || error_set(err, ERR_INTERNAL, "no row where one must be");
}

static bool sqlite_vehicle(struct central *central, const struct central_vehicle *vehicle,
                           int64_t *vehicle_id, struct error *err)
{
    sqlite3_stmt *stmt = sqlite_of(central)->stmts[Q_VEHICLE];
    db_bind_view(stmt, 1, view_of(vehicle->client_id));
    sqlite_bind_text(stmt, 2, view_of(vehicle->host));
    if (vehicle->agent_port > 0)
        db_bind_i64(stmt, 3, vehicle->agent_port);
    else
        db_bind_null(stmt, 3);
    sqlite_bind_text(stmt, 4, view_of(vehicle->agent_id));
    sqlite_bind_text(stmt, 5, view_of(vehicle->software_version));
    sqlite_bind_time(stmt, 6, vehicle->last_seen_us);
    sqlite_bind_time(stmt, 7, vehicle->last_sync_us);
    sqlite_bind_text(stmt, 8, view_of(vehicle->sync_status));
    return sqlite_need_i64(stmt, vehicle_id, err);
}

static bool sqlite_agent(struct central *central, int64_t vehicle_id, char agent_id[SHA256_HEX_BYTES],
                         struct error *err)
{
    sqlite3_stmt *stmt = sqlite_of(central)->stmts[Q_AGENT];
    db_bind_i64(stmt, 1, vehicle_id);
    enum db_step step = db_step(stmt, err);
    if (step == DB_STEP_FAILED)
        return false;
    agent_id[0] = '\0';
    if (step == DB_STEP_DONE)
        return true;
    if (!text_copy(agent_id, SHA256_HEX_BYTES, view_of(db_column_text(stmt, 0))))
        agent_id[0] = '\0'; /* somebody else's word */
    db_reset(stmt);
    return true;
}

static bool sqlite_cursor(struct central *central, int64_t vehicle_id, const char *store_id,
                          const char *stream, int64_t *seq, struct error *err)
{
    sqlite3_stmt *stmt = sqlite_of(central)->stmts[Q_CURSOR];
    db_bind_i64(stmt, 1, vehicle_id);
    db_bind_view(stmt, 2, view_of(store_id));
    db_bind_view(stmt, 3, view_of(stream));
    int64_t value = 0;
    bool found;
    if (!one_i64(stmt, &value, &found, err))
        return false;
    *seq = value;
    return true;
}

bool sqlite_channel(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                    struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    bool found;
    for (int query = Q_CHANNEL; query <= Q_MAKE_CHANNEL; query++) {
        sqlite3_stmt *stmt = self->stmts[query];
        db_bind_i64(stmt, 1, vehicle_id);
        db_bind_view(stmt, 2, name);
        if (!one_i64(stmt, channel_id, &found, err))
            return false;
        if (found)
            return true;
    }
    return error_set(err, ERR_INTERNAL, "no channel was made");
}

/* ---- rows ---- */

static bool add_rows(struct central_sqlite *self, int64_t vehicle_id, const struct central_row *rows,
                     size_t count, int64_t *added, struct error *err)
{
    sqlite3_stmt *stmt = self->stmts[Q_ADD];
    self->batch.rows = rows;
    self->batch.count = count;
    db_bind_i64(stmt, 1, vehicle_id);
    bool ok = db_run(stmt, err);
    self->batch.count = 0;
    *added = db_changes(self->db);
    return ok;
}

bool sqlite_move_cursor(struct central_sqlite *self, int64_t vehicle_id, const char *store_id,
                        const char *stream, int64_t last_seq, struct error *err)
{
    if (store_id == NULL)
        return true;
    sqlite3_stmt *stmt = self->stmts[Q_MOVE_CURSOR];
    db_bind_i64(stmt, 1, vehicle_id);
    db_bind_view(stmt, 2, view_of(store_id));
    db_bind_view(stmt, 3, view_of(stream));
    db_bind_i64(stmt, 4, last_seq);
    return db_run(stmt, err);
}

static bool sqlite_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                       const struct central_row *rows, size_t count, int64_t *added, struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    int64_t new_rows;
    if (!db_begin(self->db, err))
        return false;
    if (!add_rows(self, vehicle_id, rows, count, &new_rows, err) ||
        !sqlite_move_cursor(self, vehicle_id, store_id, "readings", last_seq, err)) {
        db_rollback(self->db);
        return false;
    }
    if (!db_commit(self->db, err))
        return false;
    *added = new_rows;
    return true;
}

/* ---- journal ---- */

static bool write_journal(struct central_sqlite *self, const struct central_journal *entry, struct error *err)
{
    sqlite3_stmt *stmt = self->stmts[Q_JOURNAL];
    db_bind_i64(stmt, 1, entry->vehicle_id);
    sqlite_bind_time(stmt, 2, entry->started_us);
    sqlite_bind_time(stmt, 3, entry->finished_us);
    db_bind_view(stmt, 4, view_of(entry->status));
    db_bind_i64(stmt, 5, entry->rows_written);
    db_bind_i64(stmt, 6, entry->bytes);
    db_bind_view(stmt, 7, view_of(entry->note));
    if (!db_run(stmt, err))
        return false;
    stmt = self->stmts[Q_FORGET_JOURNAL];
    db_bind_i64(stmt, 1, entry->vehicle_id);
    sqlite_bind_time(stmt, 2, clock_utc_us(self->central.clock) - CENTRAL_JOURNAL_KEPT_US);
    return db_run(stmt, err);
}

static bool sqlite_journal(struct central *central, const struct central_journal *entry, struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    if (!db_begin(self->db, err))
        return false;
    if (write_journal(self, entry, err))
        return db_commit(self->db, err);
    db_rollback(self->db);
    return false;
}

static bool sqlite_count(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                         struct error *err)
{
    struct central_sqlite *self = sqlite_of(central);
    int64_t row_count = 0;
    db_bind_i64(self->stmts[Q_COUNT_ROWS], 1, vehicle_id);
    db_bind_i64(self->stmts[Q_COUNT_CHANNELS], 1, vehicle_id);
    if ((rows != NULL && !sqlite_need_i64(self->stmts[Q_COUNT_ROWS], &row_count, err)) ||
        !sqlite_need_i64(self->stmts[Q_COUNT_CHANNELS], channels, err))
        return false;
    if (rows != NULL)
        *rows = row_count;
    return true;
}

/* One writer at a time is what SQLite is, and a batch that another importer has added does nothing. */
static bool sqlite_lock(struct central *central, int64_t vehicle_id, struct error *err)
{
    (void)central;
    (void)vehicle_id;
    (void)err;
    return true;
}

static void sqlite_unlock(struct central *central, int64_t vehicle_id)
{
    (void)central;
    (void)vehicle_id;
}

static const struct central_driver sqlite_driver = {
    .close = sqlite_close,
    .vehicle = sqlite_vehicle,
    .agent = sqlite_agent,
    .cursor = sqlite_cursor,
    .lock = sqlite_lock,
    .unlock = sqlite_unlock,
    .channel = sqlite_channel,
    .add = sqlite_add,
    .describe = sqlite_describe,
    .add_alarms = sqlite_add_alarms,
    .journal = sqlite_journal,
    .count = sqlite_count,
};

struct central *central_sqlite_open(const char *path, const struct clock *clock, struct error *err)
{
    struct central_sqlite *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the central store");
        return NULL;
    }
    self->central = (struct central){.driver = &sqlite_driver, .clock = clock};
    self->batch = (struct db_rows){
        .columns = batch_columns,
        .column_count = COUNT_OF(batch_columns),
        .row_bytes = sizeof(struct central_row),
    };
    if (!open_parts(self, path, clock, err)) {
        sqlite_close(&self->central);
        return NULL;
    }
    return (struct central *)self; /* its first part, as sqlite_of has it */
}
