/* What a machine says of its channels and its alarms, into PostgreSQL: sent as one JSON text, so that a
 * thousand channels cost as many round trips as one. */
#include "common/net/json_writer.h"
#include "server_tools/central/central_postgres.h"

#define WORDS_MAX_BYTES ((size_t)64 * 1024 * 1024)

static void write_word(struct json_writer *writer, const char *key, struct view text)
{
    if (text.size == 0)
        json_null(writer, key);
    else
        json_string_view(writer, key, text);
}

static void write_time(struct json_writer *writer, const char *key, int64_t utc_us)
{
    char text[PARAM_BYTES];
    const char *time = param_time(text, utc_us);
    if (time == NULL)
        json_null(writer, key);
    else
        json_string(writer, key, time);
}

/* ---- channels ---- */

static void write_channels(struct buf *json, const struct central_description *channels, size_t count)
{
    struct json_writer writer;
    json_writer_init(&writer, json);
    json_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&writer, NULL);
        write_word(&writer, "name", channels[i].name);
        write_word(&writer, "unit", channels[i].unit);
        json_double(&writer, "min_value", channels[i].min_value);
        json_double(&writer, "max_value", channels[i].max_value);
        write_word(&writer, "description", channels[i].description);
        json_end_object(&writer);
    }
    json_end_array(&writer);
}

/* $1 vehicle, $2 JSON, $3 as of when, $4 now. `said`: of a channel named twice the last; `known`: those that
 * are not known from later on (a later time than now is of a clock that was ahead). */
#define DESCRIBED                                                                                            \
    "WITH said AS (SELECT DISTINCT ON (name) name, unit, min_value, max_value, description"                  \
    " FROM ROWS FROM (json_to_recordset($2::json) AS (name text, unit text, min_value double precision,"     \
    " max_value double precision, description text)) WITH ORDINALITY"                                        \
    " AS said (name, unit, min_value, max_value, description, nr) ORDER BY name, nr DESC),"                  \
    " known AS (SELECT * FROM channel_config WHERE vehicle_id = $1::int AND (synced_at IS NULL"              \
    " OR synced_at <= $3::timestamptz OR synced_at > $4::timestamptz))"

static const char keep_changes[] = DESCRIBED
    "INSERT INTO channel_changes (vehicle_id, change_id, channel_id, unit, min_value, max_value, description,"
    " held_until, seen_at) SELECT $1, (SELECT coalesce(max(change_id), 0) FROM channel_changes"
    " WHERE vehicle_id = $1) + row_number() OVER (ORDER BY known.channel_id), known.channel_id, known.unit,"
    " known.min_value, known.max_value, known.description,"
    " (SELECT last_sync_at FROM vehicles WHERE vehicle_id = $1), $3 FROM known JOIN said USING (name)"
    " WHERE known.synced_at IS NOT NULL AND (known.unit, known.min_value, known.max_value, known.description)"
    " IS DISTINCT FROM (said.unit, said.min_value, said.max_value, said.description)";

/* Of channels that are known from later on: what they were then, unless that is known. */
static const char keep_older[] = DESCRIBED
    ", later AS (SELECT * FROM channel_config WHERE vehicle_id = $1 AND synced_at > $3 AND synced_at <= $4)"
    "INSERT INTO channel_changes (vehicle_id, change_id, channel_id, unit, min_value, max_value, description,"
    " held_until, seen_at) SELECT $1, (SELECT coalesce(max(change_id), 0) FROM channel_changes"
    " WHERE vehicle_id = $1) + row_number() OVER (ORDER BY later.channel_id), later.channel_id, said.unit,"
    " said.min_value, said.max_value, said.description, $3, coalesce((SELECT min(seen_at) FROM "
    "channel_changes"
    " WHERE vehicle_id = $1 AND channel_id = later.channel_id AND seen_at > $3), later.synced_at)"
    " FROM later JOIN said USING (name) WHERE (later.unit, later.min_value, later.max_value, "
    "later.description)"
    " IS DISTINCT FROM (said.unit, said.min_value, said.max_value, said.description) AND NOT EXISTS (SELECT"
    " FROM channel_changes AS was WHERE was.vehicle_id = $1 AND was.channel_id = later.channel_id"
    " AND was.seen_at > $3 AND (was.unit, was.min_value, was.max_value, was.description)"
    " IS NOT DISTINCT FROM (said.unit, said.min_value, said.max_value, said.description))";

static const char update_channels[] =
    DESCRIBED "UPDATE channel_config AS config SET unit = said.unit, min_value = said.min_value,"
              " max_value = said.max_value, description = said.description, synced_at = $3 FROM known JOIN "
              "said USING (name)"
              " WHERE config.vehicle_id = $1 AND config.channel_id = known.channel_id AND $4 IS NOT NULL";

static bool describe(struct central_postgres *self, int64_t vehicle_id, int64_t as_of_us, const char *json,
                     int64_t *changed, struct error *err)
{
    char id[PARAM_BYTES];
    char as_of[PARAM_BYTES];
    char now[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id), json, param_time(as_of, as_of_us),
                                  param_time(now, clock_utc_us(self->central.clock))};
    if (!postgres_make_channels(self->pg, vehicle_id, json, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *kept =
        pg_query(self->pg, keep_changes, params, COUNT_OF(params), false, err);
    if (kept == NULL)
        return false;
    *changed = pg_changes(kept);
    return postgres_run(self->pg, keep_older, params, COUNT_OF(params), err) &&
           postgres_run(self->pg, update_channels, params, COUNT_OF(params), err);
}

bool postgres_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                       const struct central_description *channels, size_t count, int64_t *changed,
                       struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    int64_t changes;
    SCOPE_BUF struct buf json = BUF_LIMIT(WORDS_MAX_BYTES);
    write_channels(&json, channels, count);
    const char *text = buf_text(&json);
    if (!buf_check(&json, "the descriptions of channels", err) || !postgres_begin_for(self, vehicle_id, err))
        return false;
    if (!describe(self, vehicle_id, as_of_us, text, &changes, err)) {
        pg_rollback(self->pg);
        return false;
    }
    if (!pg_commit(self->pg, err))
        return false;
    *changed = changes;
    return true;
}

/* ---- alarms ---- */

static void write_alarms(struct buf *json, const struct central_alarm *alarms, size_t count)
{
    struct json_writer writer;
    json_writer_init(&writer, json);
    json_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&writer, NULL);
        json_i64(&writer, "alarm_id", alarms[i].alarm_id);
        write_word(&writer, "name", alarms[i].channel);
        json_string_view(&writer, "severity", alarms[i].severity);
        json_string_view(&writer, "message", alarms[i].message);
        write_time(&writer, "raised_at", alarms[i].raised_us);
        write_time(&writer, "resolved_at", alarms[i].resolved_us);
        json_end_object(&writer);
    }
    json_end_array(&writer);
}

/* $1 vehicle, $2 JSON. An alarm that comes twice counts by its first line and its latest end. */
#define ALARMED                                                                                              \
    "WITH lines AS (SELECT * FROM ROWS FROM (json_to_recordset($2::json) AS (alarm_id bigint, name text,"    \
    " severity text, message text, raised_at timestamptz, resolved_at timestamptz)) WITH ORDINALITY"         \
    " AS line (alarm_id, name, severity, message, raised_at, resolved_at, nr)),"                             \
    " ends AS (SELECT alarm_id, max(resolved_at) AS resolved_at FROM lines WHERE resolved_at IS NOT NULL"    \
    " GROUP BY alarm_id) "

static const char add_new[] = ALARMED
    "INSERT INTO alarms_log (vehicle_id, alarm_id, channel_id, severity, message, raised_at, resolved_at)"
    " SELECT DISTINCT ON (lines.alarm_id) $1::int, lines.alarm_id, config.channel_id, lines.severity, "
    "lines.message,"
    " lines.raised_at, ends.resolved_at FROM lines LEFT JOIN ends USING (alarm_id)"
    " LEFT JOIN channel_config AS config ON config.vehicle_id = $1 AND config.name = lines.name"
    " ORDER BY lines.alarm_id, lines.nr ON CONFLICT DO NOTHING";

static const char take_ends[] =
    ALARMED "UPDATE alarms_log SET resolved_at = ends.resolved_at FROM ends WHERE vehicle_id = $1::int"
            " AND alarms_log.alarm_id = ends.alarm_id AND (alarms_log.resolved_at IS NULL OR "
            "alarms_log.resolved_at < ends.resolved_at)";

static bool add_lines(struct central_postgres *self, int64_t vehicle_id, const char *json, int64_t *added,
                      struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, vehicle_id), json};
    if (!postgres_make_channels(self->pg, vehicle_id, json, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *made =
        pg_query(self->pg, add_new, params, COUNT_OF(params), false, err);
    if (made == NULL)
        return false;
    *added = pg_changes(made);
    return postgres_run(self->pg, take_ends, params, COUNT_OF(params), err);
}

bool postgres_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                         const struct central_alarm *alarms, size_t count, int64_t *added, struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    int64_t new_alarms;
    SCOPE_BUF struct buf json = BUF_LIMIT(WORDS_MAX_BYTES);
    write_alarms(&json, alarms, count);
    const char *text = buf_text(&json);
    if (!buf_check(&json, "alarms", err) || !postgres_begin_for(self, vehicle_id, err))
        return false;
    if (!add_lines(self, vehicle_id, text, &new_alarms, err) ||
        !postgres_move_cursor(self->pg, vehicle_id, store_id, "alarms", last_seq, err)) {
        pg_rollback(self->pg);
        return false;
    }
    if (!pg_commit(self->pg, err))
        return false;
    *added = new_alarms;
    return true;
}
