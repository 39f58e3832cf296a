/* One live turn: /status, /channels, /data, /alarms, and all of it in one transaction.
 *
 *   status --failed--> commit (journal: timeout, error)
 *     | ok        \--its store cannot be read--> commit (journal: error)
 *   channels (failed: a note)
 *   live --truncated--> live again, shorter; the rest is a gap
 *     | --failed--> commit (journal)
 *   ahead (what lies behind the service's now; truncated: a gap's)
 *   alarms (failed: a note) --> commit --> done
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server_tools/sync_service/outbound_internal.h"

static void fail_without_store(struct outbound *outbound);
static void ask_channels(struct outbound *outbound);
static void ask_live(struct outbound *outbound);
static void ask_ahead(struct outbound *outbound);
static void ask_alarms(struct outbound *outbound);

/* ---- /status ---- */

static void compare_clocks(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    turn->now_us = clock_utc_us(outbound->scene->clock);
    turn->clock = (struct windows_clock){
        .vehicle_us = turn->status.time_us,
        .asked_us = turn->now_us - turn->get.duration_us,
        .answered_us = turn->now_us,
        .old_offset_us = outbound->vehicle.clock_offset_us,
        .old_checked_us = outbound->vehicle.checked_us,
    };
}

static void note_its_name(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    if (outbound->calls_itself[0] != '\0' && strcmp(outbound->calls_itself, turn->status.name) != 0) {
        char text[TURN_NOTE_BYTES];
        outbound_note(text, "it calls itself `%.60s`, and `%.60s` before: is it the same machine?",
                      turn->status.name, outbound->calls_itself);
        outbound_turn_note(&turn->result, text);
    }
    memcpy(outbound->calls_itself, turn->status.name, sizeof(outbound->calls_itself));
}

static void on_status(struct outbound *outbound, struct view body, const struct error *err)
{
    struct outbound_turn *turn = &outbound->turn;
    struct turn_result *result = &turn->result;
    struct error why;
    result->reached = turn->get.status != 0;
    if (err == NULL && !outbound_status_read(body, &turn->status, &why)) {
        error_wrap(&why, "/status");
        err = &why;
    }
    if (err != NULL) {
        outbound_turn_fail(outbound, err);
        return;
    }
    turn->met = true;
    compare_clocks(outbound);
    memcpy(result->software_version, turn->status.software_version, sizeof(result->software_version));
    note_its_name(outbound);
    outbound->no_store = !turn->status.db_ok;
    result->db = outbound->no_store ? TURN_DB_FAILED : TURN_DB_OK;
    if (outbound->no_store)
        fail_without_store(outbound);
    else
        ask_channels(outbound);
}

static void ask_status(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct error err;
    turn->get.done = on_status;
    turn->get.what = "/status";
    if (!outbound_get_small(&turn->get, "/status", NULL, &err))
        outbound_turn_fail(outbound, &err);
}

/* ---- /channels ---- */

static void on_channels(struct outbound *outbound, struct view body, const struct error *err)
{
    struct job_channel *channels = NULL;
    size_t count = 0;
    struct error why;
    if (err == NULL && !outbound_channels_read(body, &channels, &count, &why)) {
        error_wrap(&why, "/channels");
        err = &why;
    }
    if (err == NULL) {
        outbound_channels_take(outbound, outbound->turn.batch.last, channels, count);
    } else {
        outbound_channels_forget(outbound);
        outbound_turn_note(&outbound->turn.result, err->text);
    }
    ask_live(outbound);
}

static void ask_channels(struct outbound *outbound)
{
    struct outbound_get *get = &outbound->turn.get;
    struct error err;
    get->done = on_channels;
    if (!outbound_get_small(get, "/channels", NULL, &err))
        outbound_turn_fail(outbound, &err);
}

/* ---- the live window ---- */

static bool same_home(struct windows a, struct windows b)
{
    return a.last_us == b.last_us && a.live_from_us == b.live_from_us && a.live_to_us == b.live_to_us;
}

/* People should know; what comes of it is windows.h's. */
static void note_offset(struct outbound_turn *turn, int64_t skew_us)
{
    int64_t offset_us = windows_offset(&turn->clock);
    char text[TURN_NOTE_BYTES];
    if (offset_us > skew_us)
        outbound_note(text, "its clock is %" PRId64 " s ahead: readings wait for their time",
                      offset_us / US_PER_S);
    else if (-offset_us > skew_us)
        outbound_note(text, "its clock is %" PRId64 " s behind", -offset_us / US_PER_S);
    else
        return;
    outbound_turn_note(&turn->result, text);
}

static void make_plan(struct outbound *outbound)
{
    const struct sync_settings *settings = outbound->scene->settings;
    struct outbound_turn *turn = &outbound->turn;
    const struct windows_limits limits = {
        .first_us = settings->pull_window_s * US_PER_S,
        .settle_us = settings->pull_settle_ms * US_PER_MS,
        .skew_us = settings->max_clock_skew_s * US_PER_S,
    };
    note_offset(turn, limits.skew_us);
    turn->plan = windows_plan(outbound->home, &turn->clock, &limits, outbound->narrow, &outbound->ahead);
    turn->now_limit_us = turn->now_us + limits.skew_us;
    if (!same_home(outbound->home, turn->plan.home))
        outbound->epoch++;
    outbound->home = turn->plan.home;
    turn->alarms_to_us = turn->status.time_us - limits.settle_us;
    if (turn->plan.fell) {
        outbound_turn_note(&turn->result, "its clock was stepped back");
        if (turn->plan.ahead.to_us > turn->alarms_to_us)
            turn->alarms_to_us = turn->plan.ahead.to_us;
    }
}

/* What it would say of a store that it cannot read is no answer: empty is not home. Nor is what a piece of a
 * gap brings that is under way. Its clock is followed all the same. */
static void fail_without_store(struct outbound *outbound)
{
    struct error err;
    outbound_gap_stop(outbound);
    make_plan(outbound);
    error_set(&err, ERR_PROTOCOL, TURN_NO_STORE, "db_ok is false");
    outbound_turn_fail(outbound, &err);
}

static void send_live(struct outbound *outbound)
{
    struct error err;
    if (!outbound_get_data(&outbound->turn.get, outbound->turn.plan.live, &err))
        outbound_turn_fail(outbound, &err);
}

/* What is left out is a gap, which has its turn in the lane. */
static void narrow_live(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct error err;
    int64_t most_us = outbound->scene->settings->pull_window_s * US_PER_S;
    if (turn->get.crowded) {
        int64_t fits_us = outbound_get_span_us(&turn->get) / 2 + 1;
        most_us = fits_us < most_us ? fits_us : most_us;
    }
    if (windows_narrow(&turn->plan.live, most_us, &err))
        send_live(outbound);
    else
        outbound_turn_fail(outbound, &err);
}

static void on_live(struct outbound *outbound, struct view body, const struct error *err)
{
    struct outbound_turn *turn = &outbound->turn;
    struct outbound_batch *batch = &turn->batch;
    struct error why;
    (void)body;
    if (err != NULL) {
        outbound->narrow = err->code == ERR_TIMEOUT || err->code == ERR_LIMIT || err->code == ERR_UNREACHABLE;
        outbound_turn_fail(outbound, err);
        return;
    }
    if (turn->get.truncated) {
        narrow_live(outbound);
        return;
    }
    if (!outbound_get_rows(&turn->get, &batch->rows, &batch->row_count, &why)) {
        outbound_turn_fail(outbound, &why);
        return;
    }
    outbound->narrow = false;
    ask_ahead(outbound);
}

static void ask_live(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    make_plan(outbound);
    turn->get.done = on_live;
    if (window_is_empty(turn->plan.live))
        ask_ahead(outbound);
    else
        send_live(outbound);
}

/* ---- behind our now, and what was written before a clock was stepped back ---- */

static bool append_rows(struct outbound_batch *batch, const struct central_row *rows, size_t count,
                        struct error *err)
{
    if (count == 0)
        return true;
    struct central_row *grown = realloc(batch->rows, (batch->row_count + count) * sizeof(*grown));
    if (grown == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %zu rows", batch->row_count + count);
    memcpy(grown + batch->row_count, rows, count * sizeof(*grown));
    batch->rows = grown;
    batch->row_count += count;
    return true;
}

static void on_ahead(struct outbound *outbound, struct view body, const struct error *err)
{
    struct outbound_turn *turn = &outbound->turn;
    SCOPE_FREE struct central_row *rows = NULL;
    size_t count;
    struct error why;
    (void)body;
    if (err == NULL && !turn->get.truncated &&
        (!outbound_get_rows(&turn->get, &rows, &count, &why) ||
         !append_rows(&turn->batch, rows, count, &why)))
        err = &why;
    if (err != NULL) {
        outbound_turn_fail(outbound, err);
        return;
    }
    turn->ahead_home = !turn->get.truncated;
    ask_alarms(outbound);
}

static void ask_ahead(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct error err;
    turn->get.done = on_ahead;
    turn->ahead_home = window_is_empty(turn->plan.ahead);
    if (turn->ahead_home || outbound_gap_is_ahead(outbound))
        ask_alarms(outbound);
    else if (!outbound_get_data(&turn->get, turn->plan.ahead, &err))
        outbound_turn_fail(outbound, &err);
}

/* ---- /alarms ---- */

/* From where they came last, so that an answer that failed loses none. */
static struct window alarms_window(const struct outbound *outbound)
{
    const struct outbound_turn *turn = &outbound->turn;
    struct window window = {outbound->alarms_us, turn->alarms_to_us};
    if (window.from_us == WINDOWS_NONE)
        window.from_us = turn->plan.home.last_us;
    else if (turn->plan.fell && window.from_us > windows_end(turn->plan.home))
        window.from_us = windows_end(turn->plan.home);
    if (outbound->alarms_span_us > 0 && window.to_us - window.from_us > outbound->alarms_span_us)
        window.to_us = window.from_us + outbound->alarms_span_us;
    return window;
}

static void alarms_failed(struct outbound *outbound, const struct error *err)
{
    const struct window *window = &outbound->turn.alarms;
    if (err->code == ERR_LIMIT && window->to_us - window->from_us > 1)
        outbound->alarms_span_us = (window->to_us - window->from_us) / 2;
    outbound_turn_note(&outbound->turn.result, err->text);
}

/* They are not asked for again: this is all that is heard of them. */
static void note_left_out(struct outbound_turn *turn, size_t taken, const struct outbound_left_out *left_out)
{
    char text[TURN_NOTE_BYTES];
    outbound_note(text, "/alarms: %zu of %zu left out: %s", left_out->count, taken + left_out->count,
                  left_out->first.text);
    outbound_turn_note(&turn->result, text);
}

static void on_alarms(struct outbound *outbound, struct view body, const struct error *err)
{
    struct outbound_turn *turn = &outbound->turn;
    struct write_job *job = turn->batch.last;
    struct outbound_left_out left_out = {.count = 0};
    struct error why;
    if (err == NULL && !outbound_alarms_read(body, &job->alarms, &job->alarm_count, &left_out, &why)) {
        error_wrap(&why, "/alarms");
        err = &why;
    }
    if (left_out.count > 0)
        note_left_out(turn, job->alarm_count, &left_out);
    turn->alarms_came = err == NULL;
    if (err != NULL)
        alarms_failed(outbound, err);
    outbound_turn_commit(outbound);
}

static void ask_alarms(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct error err;
    turn->alarms = alarms_window(outbound);
    turn->get.done = on_alarms;
    if (window_is_empty(turn->alarms))
        outbound_turn_commit(outbound);
    else if (!outbound_get_small(&turn->get, "/alarms", &turn->alarms, &err))
        outbound_turn_fail(outbound, &err);
}

/* ---- the table of functions ---- */

/* The first turn alone: which channels the tables know. */
static void on_numbers(struct outbound *outbound, const struct error *err)
{
    struct error why;
    if (err == NULL) {
        ask_status(outbound);
        return;
    }
    why = *err;
    error_wrap(&why, "PostgreSQL");
    outbound_turn_not_ours(outbound, &why);
}

static void begin_turn(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct error err;
    turn->started_us = clock_utc_us(outbound->scene->clock);
    turn->result = (struct turn_result){.status = TURN_OK};
    turn->plan = (struct window_plan){.fell = false};
    turn->alarms = (struct window){0, 0};
    turn->met = turn->ahead_home = turn->alarms_came = false;
    turn->get.wire_bytes = 0;
    turn->batch = (struct outbound_batch){.last = outbound_job(outbound, LANE_LIVE, &err)};
    bool begun = turn->batch.last != NULL;
    if (begun && !vehicle_check(&outbound->vehicle, &err))
        outbound_turn_fail(outbound, &err);
    else if (begun && outbound->has_numbers)
        ask_status(outbound);
    else if (!begun || !outbound_channels_load(outbound, on_numbers, &err))
        outbound_turn_not_ours(outbound, &err);
}

static void start(struct puller *puller, const struct vehicle *vehicle,
                  void (*done)(void *context, const struct turn_result *result), void *context)
{
    struct outbound *outbound = (struct outbound *)puller;
    outbound->vehicle = *vehicle;
    outbound->puller.gap_failed = false;
    outbound->turn.running = true;
    outbound->turn.done = done;
    outbound->turn.context = context;
    if (!outbound->gap.active) /* otherwise the table may be older than what is known here */
        outbound->home = (struct windows){vehicle->last_sync_us, vehicle->live_from_us, vehicle->live_to_us};
    bool has_alarms = strcmp(vehicle->store_id, OUTBOUND_STORE) == 0 && vehicle->alarms_seq > 0;
    if (outbound->alarms_us == WINDOWS_NONE && has_alarms && outbound->home.last_us != WINDOWS_NONE) {
        int64_t end_us = windows_end(outbound->home);
        outbound->alarms_us = vehicle->alarms_seq < end_us ? vehicle->alarms_seq : end_us;
    }
    begin_turn(outbound);
}

static struct puller *new_puller(const struct sync_scene *scene, const struct vehicle *vehicle,
                                 struct error *err)
{
    struct outbound *outbound = calloc(1, sizeof(*outbound));
    if (outbound == NULL) {
        error_set(err, ERR_MEMORY, "no memory for a vehicle");
        return NULL;
    }
    outbound->book = channel_book_new(err);
    if (outbound->book == NULL) {
        free(outbound);
        return NULL;
    }
    outbound->puller.kind = &outbound_puller;
    outbound->scene = scene;
    outbound->vehicle = *vehicle;
    outbound->home = (struct windows){WINDOWS_NONE, WINDOWS_NONE, WINDOWS_NONE};
    outbound->ahead = WINDOWS_AHEAD_NONE;
    outbound->alarms_us = WINDOWS_NONE;
    outbound->turn.get.outbound = outbound;
    outbound_gap_init(outbound);
    return &outbound->puller;
}

static void free_puller(struct puller *puller)
{
    struct outbound *outbound = (struct outbound *)puller;
    if (outbound == NULL)
        return;
    outbound->dead = true;
    outbound->pending++;
    outbound_get_clear(&outbound->turn.get);
    outbound_gap_stop(outbound);
    outbound_release(outbound);
}

static bool is_filling(const struct puller *puller)
{
    return ((const struct outbound *)puller)->gap.active;
}

const struct puller_kind outbound_puller = {new_puller, free_puller, start, is_filling};
