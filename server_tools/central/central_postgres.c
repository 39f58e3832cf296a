/* The central store in PostgreSQL: opening, vehicles, cursors, channels, the journal. */
#include "server_tools/central/central_postgres.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/store/pg_migrate.h"
#include "server_tools/central/central_postgres_lines.h"

extern const struct asset central_postgres_migrations[];

enum { LINE_MAX_BYTES = 64 * 1024, SECONDS_TEXT_BYTES = 16 };

/* ---- parameters ---- */

const char *param_i64(char out[PARAM_BYTES], int64_t value)
{
    snprintf(out, PARAM_BYTES, "%" PRId64, value);
    return out;
}

/* PostgreSQL's year before 0001 is 0001 BC, RFC 3339's is 0000. */
const char *param_time(char out[PARAM_BYTES], int64_t utc_us)
{
    if (utc_us == INT64_MIN)
        return NULL;
    rfc3339_format_us(out, utc_us);
    if (memcmp(out, "0000", strlen("0000")) == 0) {
        memcpy(out, "0001", strlen("0001"));
        memcpy(out + strlen(out), " BC", sizeof(" BC"));
    }
    return out;
}

const char *param_text(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

bool postgres_run(struct pg *pg, const char *sql, const char *const *params, size_t count, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, sql, params, count, false, err);
    return result != NULL;
}

/* The first column of the statement's first row; *found false when it gives none. */
static bool one_i64(struct central_postgres *self, const char *sql, const char *const *params, size_t count,
                    int64_t *out, bool *found, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result = pg_query(self->pg, sql, params, count, false, err);
    if (result == NULL)
        return false;
    *found = pg_rows(result) > 0;
    return !*found || pg_i64(result, 0, 0, out, err);
}

static bool need_i64(struct central_postgres *self, const char *sql, const char *const *params, size_t count,
                     int64_t *out, struct error *err)
{
    bool found;
    return one_i64(self, sql, params, count, out, &found, err) &&
           (found || error_set(err, ERR_INTERNAL, "no row where one must be"));
}

/* ---- vehicles ---- */

#define VEHICLE_PARAMS 8
#define VEHICLE_UPDATES                                                                                      \
    "host = coalesce($2, vehicles.host), agent_port = coalesce($3::int, vehicles.agent_port),"               \
    " agent_id = coalesce($4, vehicles.agent_id),"                                                           \
    " software_version = coalesce($5, vehicles.software_version),"                                           \
    " last_seen_at = coalesce($6::timestamptz, vehicles.last_seen_at),"                                      \
    " last_sync_at = coalesce($7::timestamptz, vehicles.last_sync_at),"                                      \
    " sync_status = coalesce($8, vehicles.sync_status)"

/* Two statements, for an INSERT takes a number of the sequence even where it comes to an UPDATE. */
static bool postgres_vehicle(struct central *central, const struct central_vehicle *vehicle,
                             int64_t *vehicle_id, struct error *err)
{
    static const char update[] =
        "UPDATE vehicles SET " VEHICLE_UPDATES " WHERE client_id = $1 RETURNING vehicle_id";
    static const char insert[] =
        "INSERT INTO vehicles (client_id, name, host, agent_port, agent_id, software_version, last_seen_at,"
        " last_sync_at, sync_status, transport) VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, 'agent')"
        " ON CONFLICT (client_id) DO UPDATE SET " VEHICLE_UPDATES " RETURNING vehicle_id";
    struct central_postgres *self = postgres_of(central);
    char port[PARAM_BYTES];
    char seen[PARAM_BYTES];
    char synced[PARAM_BYTES];
    const char *const params[VEHICLE_PARAMS] = {
        vehicle->client_id,
        param_text(vehicle->host),
        vehicle->agent_port > 0 ? param_i64(port, vehicle->agent_port) : NULL,
        param_text(vehicle->agent_id),
        param_text(vehicle->software_version),
        param_time(seen, vehicle->last_seen_us),
        param_time(synced, vehicle->last_sync_us),
        param_text(vehicle->sync_status),
    };
    bool found;
    if (!one_i64(self, update, params, VEHICLE_PARAMS, vehicle_id, &found, err))
        return false;
    return found || need_i64(self, insert, params, VEHICLE_PARAMS, vehicle_id, err);
}

static bool postgres_agent(struct central *central, int64_t vehicle_id, char agent_id[SHA256_HEX_BYTES],
                           struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id)};
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(postgres_of(central)->pg,
                 "SELECT agent_id FROM vehicles WHERE vehicle_id = $1 AND agent_id IS NOT NULL", params,
                 COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    if (pg_rows(result) == 0 || !text_copy(agent_id, SHA256_HEX_BYTES, pg_value(result, 0, 0)))
        agent_id[0] = '\0'; /* none, or somebody else's word */
    return true;
}

bool postgres_begin_for(struct central_postgres *self, int64_t vehicle_id, struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id)};
    if (!pg_begin(self->pg, err))
        return false;
    if (postgres_run(self->pg, "SELECT FROM vehicles WHERE vehicle_id = $1 FOR NO KEY UPDATE", params,
                     COUNT_OF(params), err))
        return true;
    pg_rollback(self->pg);
    return false;
}

/* ---- the lock ---- */

/* A lock_timeout of the URL's own (options=-c lock_timeout=...) counts in place of ours. */
static bool wait_for_lock(struct central_postgres *self, const char *const *params, size_t count,
                          struct error *err)
{
    char wait[SECONDS_TEXT_BYTES];
    snprintf(wait, sizeof(wait), "%ds", CENTRAL_LOCK_WAIT_S);
    const char *const wait_params[] = {wait};
    return postgres_run(self->pg,
                        "SELECT set_config('lock_timeout', $1, true)"
                        " WHERE current_setting('lock_timeout') = '0'",
                        wait_params, COUNT_OF(wait_params), err) &&
           postgres_run(self->pg, "SELECT pg_advisory_lock($1::int, $2::int)", params, count, err);
}

static bool postgres_lock(struct central *central, int64_t vehicle_id, struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    char number[PARAM_BYTES];
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(number, LOCK_VEHICLE), param_i64(id, vehicle_id)};
    struct error problem;
    if (!pg_begin(self->pg, err))
        return false;
    if (wait_for_lock(self, params, COUNT_OF(params), &problem))
        return pg_commit(self->pg, err); /* the lock stays: it is the session's */
    pg_rollback(self->pg);
    if (problem.code == ERR_BUSY)
        return error_set(
            err, ERR_BUSY,
            "another import of this vehicle goes on for longer than %d s: try again when it is over",
            CENTRAL_LOCK_WAIT_S);
    if (err != NULL)
        *err = problem;
    return false;
}

static void postgres_unlock(struct central *central, int64_t vehicle_id)
{
    char number[PARAM_BYTES];
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(number, LOCK_VEHICLE), param_i64(id, vehicle_id)};
    if (!postgres_run(postgres_of(central)->pg, "SELECT pg_advisory_unlock($1::int, $2::int)", params,
                      COUNT_OF(params), NULL))
        return; /* the connection broke, and the lock with it */
}

/* ---- cursors ---- */

static bool postgres_cursor(struct central *central, int64_t vehicle_id, const char *store_id,
                            const char *stream, int64_t *seq, struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id), store_id, stream};
    int64_t value = 0;
    bool found;
    if (!one_i64(postgres_of(central),
                 "SELECT seq FROM sync_cursor WHERE vehicle_id = $1 AND store_id = $2 AND stream = $3",
                 params, COUNT_OF(params), &value, &found, err))
        return false;
    *seq = value;
    return true;
}

/* A line for one of the functions of central_postgres_lines.h. */
static const char *one_line(struct buf *json, struct json_writer *line)
{
    json_end_array(line);
    return buf_text(json);
}

static struct json_writer begin_lines(struct buf *json)
{
    struct json_writer lines;
    json_writer_init(&lines, json);
    json_array(&lines, NULL);
    return lines;
}

bool postgres_move_cursor(struct pg *pg, int64_t vehicle_id, const char *store_id, const char *stream,
                          int64_t last_seq, struct error *err)
{
    if (store_id == NULL)
        return true;
    SCOPE_BUF struct buf json = BUF_LIMIT(LINE_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    line_cursor(&lines, vehicle_id, store_id, stream, last_seq);
    const char *line = one_line(&json, &lines);
    return buf_check(&json, "a cursor", err) && postgres_move_cursors(pg, line, err);
}

/* ---- channels ---- */

/* It need not wait for the disk: the commit of the rows that use it does, and takes it along. */
static bool make_channel(struct central_postgres *self, int64_t vehicle_id, struct view name,
                         struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(LINE_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    json_object(&lines, NULL);
    json_i64(&lines, "vehicle_id", vehicle_id);
    json_string_view(&lines, "name", name);
    json_end_object(&lines);
    const char *channels = one_line(&json, &lines);
    if (!buf_check(&json, "a channel's name", err) || !postgres_begin_for(self, vehicle_id, err))
        return false;
    if (pg_exec(self->pg, "SET LOCAL synchronous_commit = off", err) &&
        postgres_make_channels(self->pg, channels, err))
        return pg_commit(self->pg, err);
    pg_rollback(self->pg);
    return false;
}

static bool postgres_channel(struct central *central, int64_t vehicle_id, struct view name,
                             int64_t *channel_id, struct error *err)
{
    static const char find[] = "SELECT channel_id FROM channel_config WHERE vehicle_id = $1 AND name = $2";
    struct central_postgres *self = postgres_of(central);
    char id[PARAM_BYTES];
    SCOPE_FREE char *text = strndup(name.data, name.size);
    if (text == NULL)
        return error_set(err, ERR_MEMORY, "no memory left");
    const char *const params[] = {param_i64(id, vehicle_id), text};
    bool found;
    if (!one_i64(self, find, params, COUNT_OF(params), channel_id, &found, err))
        return false;
    if (found)
        return true;
    return make_channel(self, vehicle_id, name, err) &&
           need_i64(self, find, params, COUNT_OF(params), channel_id, err);
}

/* ---- the journal ---- */

static bool write_journal(struct central_postgres *self, const struct central_journal *entry,
                          struct error *err)
{
    char id[PARAM_BYTES];
    char forget[PARAM_BYTES];
    const char *const params[] = {
        param_i64(id, entry->vehicle_id),
        param_time(forget, clock_utc_us(self->central.clock) - CENTRAL_JOURNAL_KEPT_US)};
    SCOPE_BUF struct buf json = BUF_LIMIT(LINE_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    line_journal(&lines, entry);
    const char *line = one_line(&json, &lines);
    return buf_check(&json, "a journal entry", err) && postgres_write_journal(self->pg, line, err) &&
           postgres_run(self->pg, "DELETE FROM sync_journal WHERE vehicle_id = $1 AND finished_at < $2",
                        params, COUNT_OF(params), err);
}

static bool postgres_journal(struct central *central, const struct central_journal *entry, struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    if (!postgres_begin_for(self, entry->vehicle_id, err))
        return false;
    if (write_journal(self, entry, err))
        return pg_commit(self->pg, err);
    pg_rollback(self->pg);
    return false;
}

static bool postgres_count(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                           struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id)};
    int64_t row_count = 0;
    if (rows != NULL && !need_i64(self, "SELECT count(*) FROM measurements WHERE vehicle_id = $1", params, 1,
                                  &row_count, err))
        return false;
    if (!need_i64(self, "SELECT count(*) FROM channel_config WHERE vehicle_id = $1", params, 1, channels,
                  err))
        return false;
    if (rows != NULL)
        *rows = row_count;
    return true;
}

/* ---- open and close ---- */

static void postgres_close(struct central *central)
{
    struct central_postgres *self = postgres_of(central);
    pg_close(self->pg);
    free(self);
}

static const struct central_driver postgres_driver = {
    .close = postgres_close,
    .vehicle = postgres_vehicle,
    .agent = postgres_agent,
    .cursor = postgres_cursor,
    .lock = postgres_lock,
    .unlock = postgres_unlock,
    .channel = postgres_channel,
    .add = postgres_add,
    .describe = postgres_describe,
    .add_alarms = postgres_add_alarms,
    .journal = postgres_journal,
    .count = postgres_count,
};

bool postgres_prepare_plans(struct pg *pg, struct error *err)
{
    return pg_exec(
        pg,
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;"
        "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3",
        err);
}

/* Names and messages are UTF-8: in any other encoding some could not be kept. */
static bool check_encoding(struct pg *pg, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT current_setting('server_encoding')", NULL, 0, false, err);
    if (result == NULL)
        return false;
    struct view encoding = pg_value(result, 0, 0);
    return view_is(encoding, "UTF8") ||
           error_set(err, ERR_USAGE,
                     "the database's encoding is %.*s: make one with `CREATE DATABASE name ENCODING 'UTF8'"
                     " TEMPLATE template0`",
                     VIEW_ARG(encoding));
}

bool postgres_prepare(struct pg *pg, struct error *err)
{
    return check_encoding(pg, err) && pg_exec(pg, "SET app.user_role = 'superuser'", err);
}

bool postgres_migrate(struct pg *pg, int64_t *known, struct error *err)
{
    SCOPE_FREE struct central_migrations *migrations = malloc(sizeof(*migrations));
    if (migrations == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the central store");
    if (!central_migrations_load(central_postgres_migrations, migrations, err))
        return false;
    *known = (int64_t)migrations->count;
    return pg_migrate(pg, migrations->items, migrations->count, LOCK_MIGRATIONS, TELEHAUL_VERSION, err);
}

static bool open_parts(struct central_postgres *self, const char *url, struct error *err)
{
    int64_t known;
    self->pg = pg_open(url, "telehaul", err);
    return self->pg != NULL && postgres_prepare(self->pg, err) && postgres_prepare_plans(self->pg, err) &&
           postgres_migrate(self->pg, &known, err);
}

struct central *central_postgres_open(const char *url, const struct clock *clock, struct error *err)
{
    struct central_postgres *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the central store");
        return NULL;
    }
    self->central = (struct central){.driver = &postgres_driver, .clock = clock};
    if (!open_parts(self, url, err)) {
        postgres_close(&self->central);
        return NULL;
    }
    return (struct central *)self; /* its first part, as postgres_of has it */
}
