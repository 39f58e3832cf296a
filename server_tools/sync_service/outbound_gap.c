/* Fills what is missing behind the live windows. A place in the lane is held from a piece's request until it
 * is committed; while nobody waits for one, the next piece is fetched meanwhile. So at most two pieces a
 * place are in memory. A piece that was truncated or too slow is halved; whatever else goes wrong ends the
 * filling until the vehicle's next turn. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_service/outbound_internal.h"

static void fetch_more(struct outbound *outbound);
static void fetch(struct outbound *outbound);
static void fail(struct outbound *outbound, const struct error *why);

/* ---- what is missing ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What has not been fetched yet. */
static struct window missing(const struct outbound *outbound, bool is_ahead)
{
    const struct outbound_gap *gap = &outbound->gap;
    struct window window = is_ahead ? outbound->ahead_window : windows_gap(outbound->home);
    window.from_us = later(window.from_us, is_ahead ? gap->ahead_fetched_us : gap->fetched_us);
    return window;
}

static bool anything_is_missing(const struct outbound *outbound)
{
    if (outbound->no_store)
        return false;
    return !window_is_empty(missing(outbound, false)) || !window_is_empty(missing(outbound, true));
}

bool outbound_gap_is_ahead(const struct outbound *outbound)
{
    return outbound->gap.active && !window_is_empty(outbound->ahead_window);
}

/* ---- its end ---- */

static void forget_piece(struct outbound_piece *piece)
{
    free(piece->rows);
    *piece = (struct outbound_piece){.rows = NULL};
}

/* Nothing that was fetched and is not committed counts. */
static void forget_fetched(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    forget_piece(&gap->ready);
    gap->has_ready = false;
    gap->fetched_us = gap->ahead_fetched_us = WINDOWS_NONE;
    gap->tries = 0;
    gap->failure.code = ERR_NONE;
}

static void end_filling(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    forget_fetched(outbound);
    outbound_get_clear(&gap->get);
    gap_lane_done(outbound->scene->gaps, &gap->ticket);
    if (window_is_empty(windows_gap(outbound->home)))
        gap->steps.base_us = 0;
    if (window_is_empty(outbound->ahead_window))
        gap->ahead_steps.base_us = 0;
    gap->active = gap->batch.queued;
}

void outbound_gap_stop(struct outbound *outbound)
{
    end_filling(outbound);
}

static void log_end(const struct outbound *outbound, const struct outbound_piece *piece, const char *why)
{
    char from[RFC3339_S_BYTES];
    rfc3339_format_s(from, piece->window.from_us);
    log_warn(outbound->scene->log, "[%s] what is missing from %s on waits for the next turn: %s",
             outbound->vehicle.name, from, why);
}

/* ---- committing ---- */

static struct write_job *piece_job(struct outbound *outbound, const struct outbound_piece *piece,
                                   const char *status, struct error *err)
{
    struct write_job *job = outbound_job(outbound, LANE_GAP, err);
    if (job == NULL)
        return NULL;
    char from[RFC3339_S_BYTES];
    char to[RFC3339_S_BYTES];
    rfc3339_format_s(from, piece->window.from_us);
    rfc3339_format_s(to, piece->window.to_us);
    outbound_note(job->journal.note, "%s from %s to %s", piece->is_ahead ? "ahead" : "gap", from, to);
    job->journal.started_us = piece->started_us;
    job->journal.status = status;
    job->journal.bytes = (int64_t)piece->wire_bytes;
    return job;
}

static void submit(struct outbound *outbound);

static void on_gap_committed(struct outbound *outbound, const struct error *err)
{
    struct outbound_gap *gap = &outbound->gap;
    const struct outbound_piece *piece = &gap->written;
    if (err != NULL) {
        outbound->puller.gap_failed = true;
        log_end(outbound, piece, err->text);
        end_filling(outbound);
        return;
    }
    if (piece->is_ahead && piece->epoch == outbound->epoch)
        outbound->ahead.done_us = outbound->ahead_window.from_us = piece->window.to_us;
    if (gap->has_ready) {
        submit(outbound);
        return;
    }
    if (gap->failure.code != ERR_NONE) {
        struct error why = gap->failure;
        fail(outbound, &why);
        return;
    }
    if (gap->get.call != NULL)
        return;
    gap_lane_done(outbound->scene->gaps, &gap->ticket);
    if (anything_is_missing(outbound))
        gap_lane_ask(outbound->scene->gaps, &gap->ticket);
    else
        end_filling(outbound);
}

static void put_ready(struct outbound *outbound, struct write_job *job)
{
    struct outbound_gap *gap = &outbound->gap;
    struct outbound_piece *ready = &gap->ready;
    int64_t skew_us = outbound->scene->settings->max_clock_skew_s * US_PER_S;
    gap->batch = (struct outbound_batch){
        .last = job,
        .lane = LANE_GAP,
        .rows = ready->rows,
        .row_count = ready->row_count,
        .slice = OUTBOUND_GAP_JOB_ROWS,
        .window = ready->is_ahead ? (struct window){0, 0} : ready->window,
        .moves = !ready->is_ahead,
        .now_limit_us = clock_utc_us(outbound->scene->clock) + skew_us,
        .expect_new = true,
        .done = on_gap_committed,
    };
    ready->rows = NULL;
    gap->written = *ready;
    gap->has_ready = false;
    forget_piece(ready);
    outbound_desk_put(outbound, &gap->batch);
}

/* What is ready goes to the writer, and the next piece is fetched meanwhile. */
static void submit(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    struct error err;
    if (gap->ready.epoch != outbound->epoch) { /* home was taken back meanwhile: it is cut anew */
        forget_fetched(outbound);
        fetch(outbound);
        return;
    }
    struct write_job *job = piece_job(outbound, &gap->ready, "ok", &err);
    if (job == NULL) {
        log_end(outbound, &gap->ready, err.text);
        end_filling(outbound);
        return;
    }
    put_ready(outbound, job);
    fetch_more(outbound);
}

/* ---- fetching ---- */

static void on_failure_written(struct outbound *outbound, const struct error *err)
{
    (void)err;
    end_filling(outbound);
}

/* The journal has it, and the filling ends until the next turn. */
static void fail(struct outbound *outbound, const struct error *why)
{
    struct outbound_gap *gap = &outbound->gap;
    struct outbound_piece piece = gap->piece;
    struct error err;
    if (gap->batch.queued) { /* the piece before it is being committed */
        gap->failure = *why;
        return;
    }
    outbound->puller.gap_failed = true;
    log_end(outbound, &piece, why->text);
    end_filling(outbound);
    struct write_job *job = piece_job(outbound, &piece, turn_status_word(outbound_status_of(why)), &err);
    if (job == NULL)
        return;
    char before[TURN_NOTE_BYTES];
    memcpy(before, job->journal.note, sizeof(before));
    outbound_note(job->journal.note, "%s: %s", before, why->text);
    gap->active = true;
    gap->batch = (struct outbound_batch){
        .last = job, .lane = LANE_GAP, .slice = OUTBOUND_GAP_JOB_ROWS, .done = on_failure_written};
    outbound_desk_put(outbound, &gap->batch);
}

static struct window_steps *steps_of(struct outbound_gap *gap, const struct outbound_piece *piece)
{
    return piece->is_ahead ? &gap->ahead_steps : &gap->steps;
}

static bool take_piece(struct outbound *outbound, struct error *err)
{
    struct outbound_gap *gap = &outbound->gap;
    struct outbound_piece *piece = &gap->piece;
    if (!outbound_get_rows(&gap->get, &piece->rows, &piece->row_count, err))
        return false;
    windows_piece_whole(steps_of(gap, piece), piece->row_count, DATA_ANSWER_MAX_ROWS);
    *(piece->is_ahead ? &gap->ahead_fetched_us : &gap->fetched_us) = piece->window.to_us;
    piece->wire_bytes = gap->get.wire_bytes;
    gap->get.wire_bytes = 0;
    gap->tries = 0;
    gap->ready = *piece;
    gap->has_ready = true;
    *piece = (struct outbound_piece){.rows = NULL};
    return true;
}

static void on_gap_data(struct outbound *outbound, struct view body, const struct error *err)
{
    struct outbound_gap *gap = &outbound->gap;
    struct error why;
    (void)body;
    bool too_much = err != NULL && (err->code == ERR_TIMEOUT || err->code == ERR_LIMIT);
    if (gap->get.truncated || (too_much && ++gap->tries < OUTBOUND_GAP_TRIES)) {
        if (windows_piece_halve(steps_of(gap, &gap->piece), gap->piece.window, &why))
            fetch(outbound);
        else
            fail(outbound, &why);
        return;
    }
    if (err != NULL) {
        fail(outbound, err);
        return;
    }
    if (!take_piece(outbound, &why))
        fail(outbound, &why);
    else if (!gap->batch.queued)
        submit(outbound);
}

static struct window cut(struct outbound *outbound, bool is_ahead, struct window window)
{
    struct outbound_gap *gap = &outbound->gap;
    struct window_steps *steps = is_ahead ? &gap->ahead_steps : &gap->steps;
    if (!is_ahead)
        windows_steps_begin(steps, outbound->home.live_to_us - outbound->home.last_us);
    else if (steps->base_us == 0) /* one request, halved where it must be */
        steps->base_us = steps->step_us = window.to_us - window.from_us;
    return windows_piece(steps, window);
}

/* The next piece, in the place that is ours. */
static void fetch(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    struct error err;
    if (gap->epoch != outbound->epoch)
        forget_fetched(outbound);
    gap->epoch = outbound->epoch;
    bool is_ahead = window_is_empty(missing(outbound, false));
    struct window window = missing(outbound, is_ahead);
    if (window_is_empty(window)) {
        if (!gap->batch.queued)
            end_filling(outbound);
        return;
    }
    gap->piece = (struct outbound_piece){
        .is_ahead = is_ahead, .epoch = outbound->epoch, .started_us = clock_utc_us(outbound->scene->clock)};
    gap->piece.window = cut(outbound, is_ahead, window);
    gap->get.has_place = true;
    gap->get.done = on_gap_data;
    if (!outbound_get_data(&gap->get, gap->piece.window, &err))
        fail(outbound, &err);
}

static bool has_room(struct outbound *outbound)
{
    return writer_has_room(outbound->scene->writer, OUTBOUND_LARGE_BYTES);
}

static void fetch_more(struct outbound *outbound)
{
    if (!gap_lane_is_wanted(outbound->scene->gaps) && has_room(outbound) && anything_is_missing(outbound))
        fetch(outbound);
}

static void run_piece(void *context)
{
    struct outbound *outbound = context;
    struct gap_lane *lane = outbound->scene->gaps;
    if (has_room(outbound)) {
        fetch(outbound);
        return;
    }
    gap_lane_wait_for_room(lane, outbound->scene->writer);
    gap_lane_done(lane, &outbound->gap.ticket);
    gap_lane_ask(lane, &outbound->gap.ticket);
}

void outbound_gap_wake(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    if (gap->active || !anything_is_missing(outbound))
        return;
    gap->active = true;
    gap_lane_ask(outbound->scene->gaps, &gap->ticket);
}

void outbound_gap_init(struct outbound *outbound)
{
    struct outbound_gap *gap = &outbound->gap;
    gap->get.outbound = outbound;
    gap->fetched_us = gap->ahead_fetched_us = WINDOWS_NONE;
    gap->ticket.run = run_piece;
    gap->ticket.context = outbound;
}
