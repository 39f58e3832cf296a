/* All that is not readings of a group of jobs: alarms, what /status said, how far each vehicle is home, the
 * journal; a statement each for all of them. */
#include "server_tools/central/central_postgres_lines.h"
#include "server_tools/sync_service/writer_group.h"

static struct json_writer begin_lines(struct buf *json)
{
    struct json_writer lines;
    json_writer_init(&lines, json);
    json_array(&lines, NULL);
    return lines;
}

/* NULL: it failed. */
static const char *end_lines(struct json_writer *lines, struct buf *json, const char *what, struct error *err)
{
    json_end_array(lines);
    const char *text = buf_text(json);
    return buf_check(json, what, err) ? text : NULL;
}

/* ---- alarms ---- */

static bool count_alarms(const struct held_jobs *held, const struct pg_result *made, struct error *err)
{
    for (size_t row = 0; row < pg_rows(made); row++) {
        int64_t vehicle_id;
        int64_t added;
        if (!pg_i64(made, row, 0, &vehicle_id, err) || !pg_i64(made, row, 1, &added, err))
            return false;
        struct write_job *job = held_job_of(held, vehicle_id);
        if (job != NULL)
            job->alarms_added = added;
    }
    return true;
}

bool write_alarms(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    struct pg *pg = held->session->pg;
    size_t count = 0;
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        for (size_t k = 0; k < job->alarm_count; k++) {
            const struct job_alarm *alarm = &job->alarms[k];
            const struct central_alarm line = {.alarm_id = alarm->alarm_id,
                                               .channel = view_of(alarm->channel),
                                               .severity = view_of(alarm->severity),
                                               .message = view_of(alarm->message),
                                               .raised_us = alarm->raised_us,
                                               .resolved_us = alarm->resolved_us};
            line_alarm(&lines, job->vehicle_id, &line, alarm->remote_id);
        }
        count += job->alarm_count;
    }
    const char *text = end_lines(&lines, &json, "alarms", err);
    if (text == NULL)
        return false;
    if (count == 0)
        return true;
    if (!postgres_make_channels(pg, text, err) || !write_numbered_channels(pg, text, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *made = postgres_write_alarms(pg, text, err);
    return made != NULL && count_alarms(held, made, err);
}

/* ---- status and progress ---- */

static void line_number(struct json_writer *line, const char *key, int64_t value, int64_t none)
{
    if (value == none)
        json_null(line, key);
    else
        json_i64(line, key, value);
}

/* A sign that goes down: -1 us is -1 ms. */
static int64_t ms_of(int64_t us)
{
    return us / US_PER_MS - (us % US_PER_MS < 0);
}

static void write_state(struct json_writer *lines, const struct write_job *job, int64_t now_us)
{
    const struct job_status *status = &job->status;
    const struct job_progress *progress = &job->progress;
    bool compared = status->clock_offset_us != INT64_MIN;
    json_object(lines, NULL);
    json_i64(lines, "vehicle_id", job->vehicle_id);
    line_time(lines, "seen_at", status->seen_us);
    line_text(lines, "sync_status", view_of(status->sync_status));
    line_text(lines, "software_version", view_of(status->software_version));
    line_text(lines, "agent_id", view_of(status->agent_id));
    json_bool(lines, "moved", progress->window || progress->synced);
    line_time(lines, "last_sync_at", progress->window ? progress->last_sync_us : now_us);
    json_bool(lines, "windowed", progress->window);
    line_time(lines, "live_from", progress->live_from_us);
    line_time(lines, "live_to", progress->live_to_us);
    line_text(lines, "store_id", view_of(progress->store_id));
    line_number(lines, "live_after_seq", progress->live_after_seq, -1);
    line_number(lines, "live_seq", progress->live_seq, -1);
    line_number(lines, "offset_ms", compared ? ms_of(status->clock_offset_us) : INT64_MIN, INT64_MIN);
    line_time(lines, "checked_at",
              !compared                      ? INT64_MIN
              : status->seen_us != INT64_MIN ? status->seen_us
                                             : now_us);
    json_end_object(lines);
}

#define STATES                                                                                               \
    " FROM json_to_recordset($1::json) AS line (vehicle_id integer, seen_at timestamptz, sync_status text,"  \
    " software_version text, agent_id text, moved boolean, last_sync_at timestamptz, windowed boolean,"      \
    " live_from timestamptz, live_to timestamptz, store_id text, live_after_seq bigint, live_seq bigint,"    \
    " offset_ms bigint, checked_at timestamptz)"

/* An agent that is known is never replaced here: that is an operator's to say. */
static const char update_vehicles[] =
    "UPDATE vehicles AS here SET last_seen_at = coalesce(line.seen_at, here.last_seen_at),"
    " sync_status = coalesce(line.sync_status, here.sync_status),"
    " software_version = coalesce(line.software_version, here.software_version),"
    " agent_id = coalesce(here.agent_id, line.agent_id),"
    " last_sync_at = CASE WHEN line.moved THEN line.last_sync_at ELSE here.last_sync_at END" STATES
    " WHERE here.vehicle_id = line.vehicle_id AND (line.moved OR line.seen_at IS NOT NULL"
    " OR line.sync_status IS NOT NULL OR line.software_version IS NOT NULL OR line.agent_id IS NOT NULL)";

#define SAYS_MORE " (line.windowed OR line.store_id IS NOT NULL OR line.offset_ms IS NOT NULL)"

static const char make_states[] =
    "INSERT INTO vehicle_sync (vehicle_id) SELECT line.vehicle_id" STATES " WHERE" SAYS_MORE
    " AND NOT EXISTS (SELECT FROM vehicle_sync AS known WHERE known.vehicle_id = line.vehicle_id)"
    " ON CONFLICT DO NOTHING";

static const char update_states[] =
    "UPDATE vehicle_sync AS here SET"
    " live_from = CASE WHEN line.windowed THEN line.live_from ELSE here.live_from END,"
    " live_to = CASE WHEN line.windowed THEN line.live_to ELSE here.live_to END,"
    " store_id = coalesce(line.store_id, here.store_id),"
    " live_after_seq = CASE WHEN line.store_id IS NULL THEN here.live_after_seq ELSE line.live_after_seq END,"
    " live_seq = CASE WHEN line.store_id IS NULL THEN here.live_seq ELSE line.live_seq END,"
    " clock_offset_ms = coalesce(line.offset_ms, here.clock_offset_ms),"
    " clock_checked_at = coalesce(line.checked_at, here.clock_checked_at)" STATES
    " WHERE here.vehicle_id = line.vehicle_id AND" SAYS_MORE;

static bool update_all(struct pg *pg, const char *lines, struct error *err)
{
    const char *const params[] = {lines};
    return postgres_run(pg, update_vehicles, params, 1, err) &&
           postgres_run(pg, make_states, params, 1, err) && postgres_run(pg, update_states, params, 1, err);
}

static bool write_progress(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    for (size_t i = 0; i < held->count; i++)
        write_state(&lines, held->jobs[i], clock_utc_us(held->session->clock));
    const char *text = end_lines(&lines, &json, "the vehicles' progress", err);
    return text != NULL && update_all(held->session->pg, text, err);
}

/* ---- cursors, the journal ---- */

static bool write_cursors(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    size_t count = 0;
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        const struct job_progress *progress = &job->progress;
        bool readings = progress->store_id != NULL && progress->cursor_seq >= 0;
        bool alarms = progress->store_id != NULL && progress->alarms_seq >= 0;
        if (readings)
            line_cursor(&lines, job->vehicle_id, progress->store_id, "readings", progress->cursor_seq);
        if (alarms)
            line_cursor(&lines, job->vehicle_id, progress->store_id, "alarms", progress->alarms_seq);
        count += (size_t)readings + (size_t)alarms;
    }
    const char *text = end_lines(&lines, &json, "cursors", err);
    return text != NULL && (count == 0 || postgres_move_cursors(held->session->pg, text, err));
}

static bool write_journal(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    struct json_writer lines = begin_lines(&json);
    size_t count = 0;
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        const struct job_journal *journal = &job->journal;
        if (journal->started_us == INT64_MIN)
            continue;
        const struct central_journal entry = {.vehicle_id = job->vehicle_id,
                                              .started_us = journal->started_us,
                                              .finished_us = journal->finished_us,
                                              .status = journal->status,
                                              .rows_written = journal->rows_written + job->rows_added,
                                              .bytes = journal->bytes,
                                              .note = journal->note};
        line_journal(&lines, &entry);
        count++;
    }
    const char *text = end_lines(&lines, &json, "the journal", err);
    return text != NULL && (count == 0 || postgres_write_journal(held->session->pg, text, err));
}

bool write_states(const struct held_jobs *held, struct error *err)
{
    return write_progress(held, err) && write_cursors(held, err) && write_journal(held, err);
}
