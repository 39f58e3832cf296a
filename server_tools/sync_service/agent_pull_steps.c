/* What a turn of the signed transport asks for once it knows the machine's status. */
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/wire/alarm_record.h"
#include "server_tools/sync_service/agent_pull_internal.h"

enum {
    GAP_ROWS = 200000,          /* more than this is behind: the newest first, the rest in the background */
    BEGINNING_ROWS = 1000,      /* of a live range whose machine cannot say where it begins */
    CHANNELS_EVERY_TURNS = 120, /* an hour at 30 s */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct export_ask ask_of(const struct agent_pull *pull, const char *stream)
{
    return (struct export_ask){.stream = stream,
                               .format = pull->status.zstd ? PACK_ZSTD : PACK_GZIP,
                               .store_id = pull->status.store_id,
                               .since = "",
                               .has_seq = pull->status.has_seq};
}

/* ---- where the readings begin ---- */

static bool ignore_line(void *context, struct view line, struct error *err)
{
    (void)context;
    (void)line;
    (void)err;
    return true;
}

/* Its first reading of the last PULL_WINDOW_SEC, or about so. */
static void beginning_found(void *context, const struct agent_export_result *result)
{
    struct agent_pull *pull = context;
    int64_t newest = pull->status.next_seq - 1;
    pull->probe = NULL;
    pull->turn.result.bytes += result->bytes;
    if (result->err != NULL) {
        agent_pull_export_failed(pull, result->word, result->err);
        return;
    }
    int64_t first = result->promise->first_seq;
    pull->from = first > 0 && first <= newest ? first - 1 : newest - BEGINNING_ROWS;
    pull->from = later(pull->from, newest - GAP_ROWS);
    agent_pull_go_on(pull, STEP_READINGS);
}

enum step_way agent_pull_beginning(struct agent_pull *pull, struct error *err)
{
    const struct home_position *position = agent_home_position(pull->home);
    int64_t newest = pull->status.next_seq - 1;
    pull->from = position->live_after >= 0 ? position->live_seq : position->cursor;
    if (!pull->status.has_seq || pull->status.store_id[0] == '\0' || newest - pull->from <= GAP_ROWS)
        return STEP_SKIPPED;
    struct export_ask ask = ask_of(pull, "readings");
    char since[RFC3339_US_BYTES];
    int64_t now_us =
        pull->status.clock_us != INT64_MIN ? pull->status.clock_us : clock_utc_us(pull->scene->clock);
    rfc3339_format_us(since, now_us - pull->scene->settings->pull_window_s * US_PER_S);
    ask.since = since;
    ask.limit = 1;
    const struct agent_export_config config = {
        .session = pull->session,
        .ask = &ask,
        .line_max_bytes = INFO_LINE_MAX_BYTES,
        .floor_s = sync_pull_floor_s(pull->scene->settings),
        .on_line = ignore_line,
        .done = beginning_found,
        .context = pull,
    };
    pull->probe = agent_export_start(&config, err);
    return pull->probe != NULL ? STEP_RUNS : STEP_FAILED;
}

/* ---- readings ---- */

static void take_rest(struct agent_pull *pull, const struct agent_readings_result *result)
{
    struct agent_turn *turn = &pull->turn;
    if (result->rest == NULL)
        return;
    const struct central_row *last = &result->rest->rows[result->rest->row_count - 1];
    pull->newest_us = later(pull->newest_us, last->time_us);
    agent_turn_take_job(turn, result->rest);
    turn->put.after = result->rest_after;
    turn->put.to = result->last;
}

/* Whether a table's answer held nothing but what it repeats, and there is more behind it. */
static bool ask_for_more(struct agent_pull *pull, const struct agent_readings_result *result)
{
    bool full = !pull->status.has_seq && result->err == NULL && result->lines >= pull->table_rows;
    if (!full || pull->table_rows >= AGENT_TABLE_ROWS_MAX)
        return false;
    pull->table_rows *= 2;
    return result->last <= pull->from;
}

static void readings_done(void *context, const struct agent_readings_result *result)
{
    struct agent_pull *pull = context;
    pull->readings = NULL;
    pull->turn.result.reached = pull->turn.result.reached || result->reached;
    pull->turn.result.bytes += result->bytes;
    pull->turn.result.rows_added += result->rows_added;
    if (ask_for_more(pull, result)) {
        write_job_free(result->rest); /* it comes again */
        agent_pull_go_on(pull, STEP_READINGS);
        return;
    }
    take_rest(pull, result);
    if (result->not_ours) {
        agent_turn_fail_db(&pull->turn, result->err);
        agent_pull_end(pull);
        return;
    }
    if (result->err != NULL) {
        agent_pull_export_failed(pull, result->word, result->err);
        return;
    }
    if (pull->status.has_seq && result->last - pull->from == result->lines)
        pull->alarms_to = result->last;
    agent_pull_go_on(pull, STEP_REST);
}

enum step_way agent_pull_readings(struct agent_pull *pull, struct error *err)
{
    struct export_ask ask = ask_of(pull, "readings");
    char since[RFC3339_US_BYTES];
    int64_t now_us = clock_utc_us(pull->scene->clock);
    if (ask.store_id[0] == '\0' || (ask.has_seq && pull->status.next_seq - 1 <= pull->from))
        return STEP_SKIPPED;
    if (!ask.has_seq) {
        pull->from = pull->from < now_us ? pull->from : now_us; /* an earlier one may have gone too far */
        ask.limit = pull->table_rows;
        rfc3339_format_us(since, pull->from);
        ask.since = pull->from > 0 ? since : "";
    }
    ask.after = pull->from;
    const struct agent_readings_config config = {
        .writer = pull->scene->writer,
        .session = pull->session,
        .home = pull->home,
        .ask = &ask,
        .lane = LANE_LIVE,
        .floor_s = sync_pull_floor_s(pull->scene->settings),
        .until = INT64_MAX,
        .now_us = now_us,
        .hold_rest = true,
        .done = readings_done,
        .context = pull,
    };
    pull->readings = agent_readings_start(&config, err);
    return pull->readings != NULL ? STEP_RUNS : STEP_FAILED;
}

/* ---- channels ---- */

static void channels_done(void *context, struct agent_small_result *result)
{
    struct agent_pull *pull = context;
    pull->small = NULL;
    pull->turn.result.bytes += result->bytes;
    if (result->err != NULL) {
        agent_pull_small_failed(pull, "channels", result->word, result->err);
        return;
    }
    struct write_job *job = agent_turn_job(&pull->turn);
    if (job == NULL) {
        agent_pull_end(pull);
        return;
    }
    job->channels = POINTER_TAKE(result->channels);
    job->channel_count = result->count;
    job->described_us = clock_utc_us(pull->scene->clock);
    pull->turns_since_channels = 0;
    pull->channels_described = channel_book_count(agent_home_book(pull->home));
    agent_pull_go_on(pull, STEP_ALARMS);
}

/* They can only have changed with a restart of the machine's collector: asked for now and then, and at once
 * when a name comes that nobody has described. */
static bool are_channels_due(const struct agent_pull *pull)
{
    bool due = pull->turns_since_channels < 0 || pull->turns_since_channels >= CHANNELS_EVERY_TURNS ||
               channel_book_count(agent_home_book(pull->home)) > pull->channels_described;
    return pull->status.channels && pull->status.store_id[0] != '\0' && due;
}

enum step_way agent_pull_channels(struct agent_pull *pull, struct error *err)
{
    if (!are_channels_due(pull))
        return STEP_SKIPPED;
    const struct export_ask ask = ask_of(pull, "channels");
    pull->small = agent_small_start(pull->session, &ask, sync_pull_floor_s(pull->scene->settings),
                                    agent_home_book(pull->home), channels_done, pull, err);
    return pull->small != NULL ? STEP_RUNS : STEP_FAILED;
}

/* ---- alarms ---- */

static void more_alarms(void *context, const struct home_result *result)
{
    struct agent_pull *pull = context;
    if (result->err == NULL) {
        agent_pull_go_on(pull, STEP_ALARMS);
        return;
    }
    agent_turn_fail_db(&pull->turn, result->err);
    agent_pull_end(pull);
}

/* As many as one answer has: they go home at once, and then come the next. */
static bool put_alarms(struct agent_pull *pull, struct agent_small_result *result, struct error *err)
{
    struct write_job *job = agent_home_job(pull->home, LANE_LIVE, err);
    if (job == NULL)
        return false;
    job->alarms = POINTER_TAKE(result->alarms);
    job->alarm_count = result->count;
    const struct home_put put = {
        .job = job, .to = -1, .alarms_to = result->last_seq, .done = more_alarms, .context = pull};
    return agent_home_put(pull->home, &put, err);
}

/* They are not asked for again: this is all that is heard of them. */
static void tell_left_out(struct agent_pull *pull, const struct agent_small_result *result)
{
    char *note = pull->turn.note;
    size_t used = strlen(note);
    log_warn(pull->scene->log, "[%s] %zu of %zu alarms left out: %s", pull->vehicle.name, result->left_out,
             result->count + result->left_out, result->first_out.text);
    snprintf(note + used, sizeof(pull->turn.note) - used, "%s%zu of %zu alarms left out: %s",
             used > 0 ? "; " : "", result->left_out, result->count + result->left_out,
             result->first_out.text);
}

static void alarms_done(void *context, struct agent_small_result *result)
{
    struct agent_pull *pull = context;
    struct error err;
    pull->small = NULL;
    pull->turn.result.bytes += result->bytes;
    if (result->err != NULL) {
        agent_pull_small_failed(pull, "alarms", result->word, result->err);
        return;
    }
    if (result->left_out > 0)
        tell_left_out(pull, result);
    if (result->count + result->left_out >= AGENT_ALARMS_MAX) {
        if (!put_alarms(pull, result, &err))
            agent_pull_fail(pull, &err);
        return;
    }
    struct write_job *job = agent_turn_job(&pull->turn);
    if (job != NULL) {
        job->alarms = POINTER_TAKE(result->alarms);
        job->alarm_count = result->count;
        /* nothing else up to the seq that /status named was an alarm */
        pull->turn.put.alarms_to = later(result->last_seq, pull->status.next_seq - 1);
    }
    agent_pull_end(pull);
}

enum alarms_way { ALARMS_NONE, ALARMS_NOT_AMONG_THEM, ALARMS_DUE };

static enum alarms_way alarms_way(const struct agent_pull *pull)
{
    const struct agent_status *status = &pull->status;
    const struct home_position *position = agent_home_position(pull->home);
    if (!status->alarms || !status->has_seq || status->store_id[0] == '\0' ||
        position->alarms >= status->next_seq - 1)
        return ALARMS_NONE;
    bool among = pull->alarms_to < status->next_seq - 1 || position->alarms < pull->from;
    return among ? ALARMS_DUE : ALARMS_NOT_AMONG_THEM;
}

enum step_way agent_pull_alarms(struct agent_pull *pull, struct error *err)
{
    struct export_ask ask = ask_of(pull, "alarms");
    enum alarms_way way = alarms_way(pull);
    if (way == ALARMS_NOT_AMONG_THEM)
        pull->turn.put.alarms_to = pull->alarms_to;
    if (way != ALARMS_DUE)
        return STEP_SKIPPED;
    ask.after = agent_home_position(pull->home)->alarms;
    pull->small = agent_small_start(pull->session, &ask, sync_pull_floor_s(pull->scene->settings),
                                    agent_home_book(pull->home), alarms_done, pull, err);
    return pull->small != NULL ? STEP_RUNS : STEP_FAILED;
}

/* ---- between ---- */

static void rest_home(void *context, const struct home_result *result)
{
    struct agent_pull *pull = context;
    pull->turn.result.rows_added += result->rows_added;
    if (result->err == NULL) {
        agent_pull_go_on(pull, STEP_CHANNELS);
        return;
    }
    agent_turn_fail_db(&pull->turn, result->err);
    agent_pull_end(pull);
}

/* Whoever is asked next may have to wait for a connection that somebody has who waits for room. */
enum step_way agent_pull_rest(struct agent_pull *pull, struct error *err)
{
    struct home_put *put = &pull->turn.put;
    if (put->job == NULL || (!are_channels_due(pull) && alarms_way(pull) != ALARMS_DUE))
        return STEP_SKIPPED;
    if (put->job->row_count <= AGENT_STEP_ROWS) {
        room_keep(&put->job->part, 0);
        return STEP_SKIPPED;
    }
    struct home_put rest = *put;
    *put = (struct home_put){.to = -1, .alarms_to = -1};
    rest.done = rest_home;
    rest.context = pull;
    return agent_home_put(pull->home, &rest, err) ? STEP_RUNS : STEP_FAILED;
}
