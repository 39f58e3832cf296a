#include "server_tools/central/central_postgres_lines.h"

#include "server_tools/central/central_postgres.h"

/* ---- lines ---- */

void line_text(struct json_writer *line, const char *key, struct view text)
{
    if (text.size == 0)
        json_null(line, key);
    else
        json_string_view(line, key, text);
}

void line_time(struct json_writer *line, const char *key, int64_t utc_us)
{
    char text[PARAM_BYTES];
    const char *time = param_time(text, utc_us);
    if (time == NULL)
        json_null(line, key);
    else
        json_string(line, key, time);
}

static void begin_line(struct json_writer *lines, int64_t vehicle_id)
{
    json_object(lines, NULL);
    json_i64(lines, "vehicle_id", vehicle_id);
}

void line_description(struct json_writer *lines, int64_t vehicle_id, int64_t as_of_us,
                      const struct central_description *channel)
{
    begin_line(lines, vehicle_id);
    line_time(lines, "as_of", as_of_us);
    line_text(lines, "name", channel->name);
    line_text(lines, "unit", channel->unit);
    json_double(lines, "min_value", channel->min_value);
    json_double(lines, "max_value", channel->max_value);
    line_text(lines, "description", channel->description);
    json_end_object(lines);
}

void line_alarm(struct json_writer *lines, int64_t vehicle_id, const struct central_alarm *alarm,
                int32_t remote_id)
{
    begin_line(lines, vehicle_id);
    json_i64(lines, "alarm_id", alarm->alarm_id);
    line_text(lines, "name", alarm->channel);
    if (alarm->channel.size == 0 && remote_id >= 0)
        json_i64(lines, "remote_id", remote_id);
    json_string_view(lines, "severity", alarm->severity);
    json_string_view(lines, "message", alarm->message);
    line_time(lines, "raised_at", alarm->raised_us);
    line_time(lines, "resolved_at", alarm->resolved_us);
    json_end_object(lines);
}

void line_journal(struct json_writer *lines, const struct central_journal *entry)
{
    begin_line(lines, entry->vehicle_id);
    line_time(lines, "started_at", entry->started_us);
    line_time(lines, "finished_at", entry->finished_us);
    json_string(lines, "status", entry->status);
    json_i64(lines, "rows_written", entry->rows_written);
    json_i64(lines, "bytes", entry->bytes);
    json_string(lines, "note", entry->note);
    json_end_object(lines);
}

void line_cursor(struct json_writer *lines, int64_t vehicle_id, const char *store_id, const char *stream,
                 int64_t seq)
{
    begin_line(lines, vehicle_id);
    json_string(lines, "store_id", store_id);
    json_string(lines, "stream", stream);
    json_i64(lines, "seq", seq);
    json_end_object(lines);
}

static bool run_lines(struct pg *pg, const char *sql, const char *lines, struct error *err)
{
    const char *const params[] = {lines};
    return postgres_run(pg, sql, params, COUNT_OF(params), err);
}

/* ---- channels ---- */

bool postgres_make_channels(struct pg *pg, const char *lines, struct error *err)
{
    return run_lines(
        pg,
        "INSERT INTO channel_config (vehicle_id, channel_id, name)"
        " SELECT vehicle_id, (SELECT coalesce(max(channel_id), 0) FROM channel_config AS known"
        " WHERE known.vehicle_id = said.vehicle_id)"
        " + row_number() OVER (PARTITION BY vehicle_id ORDER BY min(nr)), name"
        " FROM ROWS FROM (json_to_recordset($1::json) AS (vehicle_id integer, name text))"
        " WITH ORDINALITY AS said (vehicle_id, name, nr)"
        " WHERE name IS NOT NULL AND NOT EXISTS (SELECT FROM channel_config AS known"
        " WHERE known.vehicle_id = said.vehicle_id AND known.name = said.name) GROUP BY vehicle_id, name",
        lines, err);
}

/* $1 lines, $2 now. `said`: of a channel named twice the last; `known`: those that are not known from later
 * on (a later time than now is of a clock that was ahead). */
#define DESCRIBED                                                                                            \
    "WITH said AS (SELECT DISTINCT ON (vehicle_id, name) *"                                                  \
    " FROM ROWS FROM (json_to_recordset($1::json) AS (vehicle_id integer, as_of timestamptz, name text,"     \
    " unit text, min_value double precision, max_value double precision, description text))"                 \
    " WITH ORDINALITY AS said (vehicle_id, as_of, name, unit, min_value, max_value, description, nr)"        \
    " ORDER BY vehicle_id, name, nr DESC),"                                                                  \
    " known AS (SELECT config.* FROM channel_config AS config JOIN said USING (vehicle_id, name)"            \
    " WHERE config.synced_at IS NULL OR config.synced_at <= said.as_of"                                      \
    " OR config.synced_at > $2::timestamptz)"

/* Numbers on from the vehicle's last change. */
#define CHANGE_INTO                                                                                          \
    "INSERT INTO channel_changes (vehicle_id, change_id, channel_id, unit, min_value, max_value,"            \
    " description, held_until, seen_at) "
#define CHANGE_NUMBER(source)                                                                                \
    source ".vehicle_id, (SELECT coalesce(max(change_id), 0) FROM channel_changes AS was"                    \
           " WHERE was.vehicle_id = " source ".vehicle_id)"                                                  \
           " + row_number() OVER (PARTITION BY " source ".vehicle_id ORDER BY " source                       \
           ".channel_id), " source ".channel_id, "
#define WORDS_OF(source) source ".unit, " source ".min_value, " source ".max_value, " source ".description"

static const char keep_changes[] = DESCRIBED CHANGE_INTO "SELECT " CHANGE_NUMBER("known") WORDS_OF(
    "known") ", (SELECT last_sync_at FROM vehicles WHERE vehicles.vehicle_id = known.vehicle_id), said.as_of"
             " FROM known JOIN said USING (vehicle_id, name)"
             " WHERE known.synced_at IS NOT NULL AND (" WORDS_OF("known") ") IS DISTINCT FROM (" WORDS_OF(
                 "said") ")";

/* Of channels that are known from later on: what they were then, unless that is known. */
static const char keep_older[] = DESCRIBED
    ", later AS (SELECT config.* FROM channel_config AS config JOIN said USING (vehicle_id, name)"
    " WHERE config.synced_at > said.as_of AND config.synced_at <= $2) " CHANGE_INTO
    "SELECT " CHANGE_NUMBER("later") WORDS_OF(
        "said") ", said.as_of, coalesce((SELECT min(seen_at) FROM channel_changes AS was"
                " WHERE was.vehicle_id = later.vehicle_id AND was.channel_id = later.channel_id"
                " AND was.seen_at > said.as_of), later.synced_at)"
                " FROM later JOIN said USING (vehicle_id, name)"
                " WHERE (" WORDS_OF("later") ") IS DISTINCT FROM (" WORDS_OF(
                    "said") ")"
                            " AND NOT EXISTS (SELECT FROM channel_changes AS was WHERE was.vehicle_id = "
                            "later.vehicle_id"
                            " AND was.channel_id = later.channel_id AND was.seen_at > said.as_of"
                            " AND (" WORDS_OF("was") ") IS NOT DISTINCT FROM (" WORDS_OF("said") "))";

static const char update_channels[] =
    DESCRIBED "UPDATE channel_config AS config SET unit = said.unit, min_value = said.min_value,"
              " max_value = said.max_value, description = said.description, synced_at = said.as_of"
              " FROM known JOIN said USING (vehicle_id, name)"
              " WHERE config.vehicle_id = known.vehicle_id AND config.channel_id = known.channel_id";

bool postgres_describe_channels(struct pg *pg, const char *lines, int64_t now_us, int64_t *changed,
                                struct error *err)
{
    char now[PARAM_BYTES];
    const char *const params[] = {lines, param_time(now, now_us)};
    SCOPE_PG_RESULT struct pg_result *kept = pg_query(pg, keep_changes, params, COUNT_OF(params), false, err);
    if (kept == NULL)
        return false;
    if (changed != NULL)
        *changed = pg_changes(kept);
    return postgres_run(pg, keep_older, params, COUNT_OF(params), err) &&
           postgres_run(pg, update_channels, params, COUNT_OF(params), err);
}

/* ---- alarms ---- */

/* $1 lines. An alarm that comes twice counts by its first line and its latest end. */
#define ALARMED                                                                                              \
    "WITH lines AS (SELECT * FROM ROWS FROM (json_to_recordset($1::json) AS (vehicle_id integer,"            \
    " alarm_id bigint, name text, remote_id integer, severity text, message text, raised_at timestamptz,"    \
    " resolved_at timestamptz)) WITH ORDINALITY"                                                             \
    " AS line (vehicle_id, alarm_id, name, remote_id, severity, message, raised_at, resolved_at, nr)),"      \
    " ends AS (SELECT vehicle_id, alarm_id, max(resolved_at) AS resolved_at FROM lines"                      \
    " WHERE resolved_at IS NOT NULL GROUP BY vehicle_id, alarm_id)"

static const char add_new[] =
    ALARMED ", made AS (INSERT INTO alarms_log (vehicle_id, alarm_id, channel_id, severity, message,"
            " raised_at, resolved_at) SELECT DISTINCT ON (lines.vehicle_id, lines.alarm_id) lines.vehicle_id,"
            " lines.alarm_id, coalesce(named.channel_id, numbered.channel_id), lines.severity, lines.message,"
            " lines.raised_at, ends.resolved_at FROM lines LEFT JOIN ends USING (vehicle_id, alarm_id)"
            " LEFT JOIN channel_config AS named ON named.vehicle_id = lines.vehicle_id"
            " AND named.name = lines.name"
            " LEFT JOIN channel_config AS numbered ON numbered.vehicle_id = lines.vehicle_id"
            " AND numbered.remote_id = lines.remote_id"
            " ORDER BY lines.vehicle_id, lines.alarm_id, lines.nr, numbered.channel_id"
            " ON CONFLICT DO NOTHING RETURNING vehicle_id)"
            " SELECT vehicle_id, count(*) FROM made GROUP BY vehicle_id";

static const char take_ends[] =
    ALARMED " UPDATE alarms_log SET resolved_at = ends.resolved_at FROM ends"
            " WHERE alarms_log.vehicle_id = ends.vehicle_id AND alarms_log.alarm_id = ends.alarm_id"
            " AND (alarms_log.resolved_at IS NULL OR alarms_log.resolved_at < ends.resolved_at)";

struct pg_result *postgres_write_alarms(struct pg *pg, const char *lines, struct error *err)
{
    const char *const params[] = {lines};
    SCOPE_PG_RESULT struct pg_result *made = pg_query(pg, add_new, params, COUNT_OF(params), false, err);
    if (made == NULL || !run_lines(pg, take_ends, lines, err))
        return NULL;
    return POINTER_TAKE(made);
}

/* ---- the journal, cursors ---- */

bool postgres_write_journal(struct pg *pg, const char *lines, struct error *err)
{
    return run_lines(pg,
                     "INSERT INTO sync_journal (vehicle_id, journal_id, started_at, finished_at, status,"
                     " rows_written, bytes, note) SELECT vehicle_id, (SELECT coalesce(max(journal_id), 0) + 1"
                     " FROM sync_journal AS known WHERE known.vehicle_id = line.vehicle_id), started_at,"
                     " finished_at, status, rows_written, bytes, note FROM json_to_recordset($1::json)"
                     " AS line (vehicle_id integer, started_at timestamptz, finished_at timestamptz,"
                     " status text, rows_written bigint, bytes bigint, note text)",
                     lines, err);
}

/* One that is there already writes nothing, so that nothing has to reach the disk for repeated rows. */
bool postgres_move_cursors(struct pg *pg, const char *lines, struct error *err)
{
    return run_lines(
        pg,
        "INSERT INTO sync_cursor (vehicle_id, store_id, stream, seq)"
        " SELECT * FROM json_to_recordset($1::json)"
        " AS line (vehicle_id integer, store_id text, stream text, seq bigint)"
        " WHERE NOT EXISTS (SELECT FROM sync_cursor AS known WHERE known.vehicle_id = line.vehicle_id"
        " AND known.store_id = line.store_id AND known.stream = line.stream"
        " AND known.seq >= line.seq) ON CONFLICT (vehicle_id, store_id, stream)"
        " DO UPDATE SET seq = greatest(sync_cursor.seq, excluded.seq)",
        lines, err);
}
