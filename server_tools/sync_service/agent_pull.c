/* The signed transport. The order of a turn is in agent_pull_internal.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_tools/sync_service/agent_pull_internal.h"

enum { STORE_CHANGES_MAX = 1 /* followed in one turn */ };

/* ---- how a turn ends ---- */

static void tell(void *context, const struct turn_result *result)
{
    struct agent_pull *pull = context;
    struct turn_result told = *result;
    int64_t now_us = clock_utc_us(pull->scene->clock);
    snprintf(told.software_version, sizeof(told.software_version), "%s", pull->status.version);
    told.db = pull->status.store_id[0] != '\0' ? TURN_DB_OK : TURN_DB_UNKNOWN;
    if (pull->newest_us != INT64_MIN && now_us > pull->newest_us)
        told.behind_us = now_us - pull->newest_us;
    if (pull->status.version[0] != '\0') /* it can be talked to */
        agent_gap_fill(pull->gap, pull->session, pull->status.zstd ? PACK_ZSTD : PACK_GZIP);
    metric_add(pull->scene->metrics, METRIC_WIRE_BYTES, (uint64_t)told.bytes);
    pull->done(pull->context, &told);
}

static void count_gap(struct agent_pull *pull)
{
    struct agent_gap_news news;
    struct error err;
    agent_gap_take_news(pull->gap, &news);
    pull->turn.result.rows_added += news.rows_added;
    pull->turn.result.bytes += news.bytes;
    if (news.problem[0] == '\0')
        return;
    error_set(&err, ERR_PROTOCOL, "the gap is not filled: %s", news.problem);
    agent_turn_fail(&pull->turn, &err);
}

void agent_pull_end(struct agent_pull *pull)
{
    struct agent_turn *turn = &pull->turn;
    const struct home_position *position = agent_home_position(pull->home);
    if (pull->session != NULL && agent_session_is_new_agent(pull->session))
        snprintf(turn->status.agent_id, sizeof(turn->status.agent_id), "%s",
                 agent_session_agent_id(pull->session));
    if (turn->note[0] == '\0' && position->live_after >= 0)
        snprintf(turn->note, sizeof(turn->note), "a gap of at most %" PRId64 " readings is being filled",
                 position->live_after - position->cursor);
    count_gap(pull);
    agent_turn_end(turn);
}

void agent_pull_fail(struct agent_pull *pull, const struct error *err)
{
    static const char silent[] = {[ERR_UNREACHABLE] = 1, [ERR_TIMEOUT] = 1, [ERR_CANCELLED] = 1,
                                  [ERR_MEMORY] = 1,      [ERR_USAGE] = 1,   [ERR_INTERNAL] = 0};
    pull->turn.result.reached = pull->turn.result.reached || !silent[err->code];
    agent_turn_fail(&pull->turn, err);
    agent_pull_end(pull);
}

/* ---- answers that change everything ---- */

static bool follow_store(struct agent_pull *pull, const char *word)
{
    if (strcmp(word, "store_changed") != 0 || pull->store_changes >= STORE_CHANGES_MAX)
        return false;
    pull->store_changes++;
    pull->alarms_to = -1;
    agent_turn_flush(&pull->turn);
    agent_pull_go_on(pull, STEP_STATUS);
    return true;
}

/* The last seq that is home. */
static int64_t furthest(const struct agent_pull *pull)
{
    const struct home_position *position = agent_home_position(pull->home);
    return position->live_seq > position->cursor ? position->live_seq : position->cursor;
}

static void set_back(struct error *err, int64_t home)
{
    error_set(err, ERR_CHANGED,
              "its store went back: %" PRId64
              " is home, and it has less. Was an older copy restored? Fetch with "
              "sync_client --since, then let it begin a new store (move its data folder away)",
              home);
}

/* What an export ends with that is not whole. */
void agent_pull_export_failed(struct agent_pull *pull, const char *word, const struct error *failure)
{
    struct error err = *failure;
    if (follow_store(pull, word))
        return;
    if (strcmp(word, "bad_after") == 0)
        set_back(&err, furthest(pull));
    agent_pull_fail(pull, &err);
}

void agent_pull_small_failed(struct agent_pull *pull, const char *stream, const char *word,
                             const struct error *failure)
{
    if (follow_store(pull, word))
        return;
    snprintf(pull->turn.note, sizeof(pull->turn.note), "%s did not come: %.*s", stream,
             (int)sizeof(pull->turn.note) / 2, failure->text);
    agent_pull_go_on(pull, strcmp(stream, "channels") == 0 ? STEP_ALARMS : STEPS);
}

/* ---- status ---- */

/* Of the agent that is spoken to, and of no other. */
static bool read_status(const struct agent_pull *pull, struct view body, struct agent_status *out,
                        struct error *err)
{
    const char *known = agent_session_agent_id(pull->session);
    if (!agent_status_read(body, out, err))
        return error_wrap(err, "no good /status");
    if (out->agent_id[0] == '\0' || strcmp(out->agent_id, known) == 0)
        return true;
    return error_set(err, ERR_PROTOCOL, "no good /status: its certificate says agent %s, this says %s", known,
                     out->agent_id);
}

static bool check_position(struct agent_pull *pull, struct error *err)
{
    if (!pull->status.has_seq || furthest(pull) < pull->status.next_seq)
        return true;
    set_back(err, furthest(pull));
    return false;
}

/* Nothing was measured yet, or what was home is not to be found any more. */
static bool check_store(const struct agent_pull *pull, struct error *err)
{
    bool lost = pull->status.store_id[0] == '\0' && agent_home_position(pull->home)->store_id[0] != '\0';
    return !lost || error_set(err, ERR_PROTOCOL, TURN_NO_STORE, "it names none");
}

static void begin_store(struct agent_pull *pull)
{
    const struct home_position *position = agent_home_position(pull->home);
    if (position->store_id[0] != '\0')
        snprintf(pull->turn.note, sizeof(pull->turn.note),
                 "the machine has begun a new store: it is fetched from its beginning%s",
                 position->live_after >= 0 ? "; what was missing of the old one will not come any more" : "");
    agent_gap_stop(pull->gap);
    agent_home_begin_store(pull->home, pull->status.store_id);
}

static bool take_status(struct agent_pull *pull, const struct http_pool_answer *answer, struct error *err)
{
    struct agent_turn *turn = &pull->turn;
    if (answer->err != NULL) {
        *err = *answer->err;
        return false;
    }
    turn->result.reached = true;
    if (answer->status != 200)
        return agent_answer_explain(answer->status, answer->body, "GET /status", ERR_PROTOCOL, err);
    struct agent_status status;
    if (!read_status(pull, answer->body, &status, err))
        return false;
    int64_t now_us = clock_utc_us(pull->scene->clock);
    pull->status = status;
    turn->status.seen_us = now_us; /* nothing else proves that the vehicle itself is there */
    snprintf(turn->status.software_version, sizeof(turn->status.software_version), "%s",
             pull->status.version);
    if (pull->status.clock_us != INT64_MIN)
        turn->status.clock_offset_us = pull->status.clock_us - now_us;
    if (strcmp(pull->status.store_id, agent_home_position(pull->home)->store_id) != 0 &&
        pull->status.store_id[0] != '\0')
        begin_store(pull);
    return check_store(pull, err) && check_position(pull, err);
}

static void status_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct agent_pull *pull = context;
    struct error err;
    (void)transfer;
    pull->call = NULL;
    pull->turn.result.bytes += (int64_t)answer->wire_bytes;
    if (take_status(pull, answer, &err))
        agent_pull_go_on(pull, STEP_BEGINNING);
    else
        agent_pull_fail(pull, &err);
}

static enum step_way ask_status(struct agent_pull *pull, struct error *err)
{
    const struct http_pool_request request = {
        .method = "GET",
        .target = "/status",
        .total_ms = pull->scene->settings->pull_timeout_ms,
        .max_body_bytes = AGENT_ANSWER_MAX_BYTES,
        .done = status_done,
        .context = pull,
    };
    if (!vehicle_check(&pull->vehicle, err))
        return STEP_FAILED;
    if (pull->session == NULL)
        pull->session = agent_session_new(pull->scene, err);
    if (pull->session == NULL || !agent_session_meet(pull->session, &pull->vehicle, err))
        return STEP_FAILED;
    pull->call = agent_session_request(pull->session, &request, err);
    return pull->call != NULL ? STEP_RUNS : STEP_FAILED;
}

/* ---- the row of steps ---- */

void agent_pull_go_on(struct agent_pull *pull, enum step step)
{
    static enum step_way (*const steps[])(struct agent_pull * pull, struct error * err) = {
        [STEP_STATUS] = ask_status,
        [STEP_BEGINNING] = agent_pull_beginning,
        [STEP_READINGS] = agent_pull_readings,
        [STEP_REST] = agent_pull_rest,
        [STEP_CHANNELS] = agent_pull_channels,
        [STEP_ALARMS] = agent_pull_alarms,
    };
    struct error err;
    enum step_way way = STEP_SKIPPED;
    while (way == STEP_SKIPPED && step < STEPS)
        way = steps[step++](pull, &err);
    if (way == STEP_FAILED)
        agent_pull_fail(pull, &err);
    else if (way == STEP_SKIPPED)
        agent_pull_end(pull);
}

/* ---- the puller ---- */

static void free_pull(struct puller *puller)
{
    struct agent_pull *pull = (struct agent_pull *)puller;
    if (pull == NULL)
        return;
    agent_readings_cancel(pull->readings);
    agent_small_cancel(pull->small);
    agent_export_cancel(pull->probe);
    agent_gap_free(pull->gap);
    agent_turn_clear(&pull->turn);
    agent_session_free(pull->session);
    if (pull->home != NULL)
        agent_home_forget(pull->home, pull);
    agent_home_free(pull->home);
    free(pull);
}

static struct puller *new_pull(const struct sync_scene *scene, const struct vehicle *vehicle,
                               struct error *err)
{
    struct agent_pull *pull = calloc(1, sizeof(*pull));
    if (pull == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a vehicle");
        return NULL;
    }
    pull->puller.kind = &agent_puller;
    pull->scene = scene;
    pull->vehicle = *vehicle;
    pull->turns_since_channels = -1;
    pull->newest_us = INT64_MIN;
    pull->table_rows = AGENT_TABLE_ROWS;
    pull->home = agent_home_new(scene, err);
    pull->gap = pull->home != NULL
                    ? agent_gap_new(scene, vehicle->name, pull->home, &pull->puller.gap_failed, err)
                    : NULL;
    if (pull->gap != NULL && agent_turn_init(&pull->turn, scene, pull->home, err))
        return &pull->puller;
    free_pull(&pull->puller);
    return NULL;
}

static void start(struct puller *puller, const struct vehicle *vehicle,
                  void (*done)(void *context, const struct turn_result *result), void *context)
{
    struct agent_pull *pull = (struct agent_pull *)puller;
    pull->vehicle = *vehicle;
    pull->puller.gap_failed = false;
    pull->done = done;
    pull->context = context;
    pull->store_changes = 0;
    pull->alarms_to = -1;
    pull->status = (struct agent_status){.next_seq = 0};
    if (pull->turns_since_channels >= 0)
        pull->turns_since_channels++;
    if (!agent_gap_is_filling(pull->gap))
        agent_home_adopt(pull->home, vehicle);
    agent_turn_begin(&pull->turn, tell, pull);
    agent_pull_go_on(pull, STEP_STATUS);
}

static bool is_filling(const struct puller *puller)
{
    return agent_gap_is_filling(((const struct agent_pull *)puller)->gap);
}

const struct puller_kind agent_puller = {
    .new = new_pull, .free = free_pull, .start = start, .is_filling = is_filling};
