/* How a live turn ends: what came, or why nothing did, in one transaction; then `done`. */
#include <stdlib.h>

#include "server_tools/sync_service/outbound_internal.h"

/* ---- how it ends ---- */

static void on_end(struct letter *letter)
{
    struct outbound_turn *turn =
        (struct outbound_turn *)((char *)letter - offsetof(struct outbound_turn, letter));
    struct outbound *outbound = turn->get.outbound;
    if (outbound_release(outbound) || outbound->dead)
        return;
    turn->running = false;
    turn->done(turn->context, &turn->result);
}

static void end(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    turn->result.bytes = (int64_t)turn->get.wire_bytes;
    outbound_get_clear(&turn->get);
    outbound_batch_clear(&turn->batch);
    turn->letter.read = on_end;
    outbound->pending++;
    mailbox_post(outbound->scene->mailbox, &turn->letter);
}

/* PostgreSQL, or our memory: nothing is said of the vehicle. */
void outbound_turn_not_ours(struct outbound *outbound, const struct error *err)
{
    struct turn_result *result = &outbound->turn.result;
    result->status = TURN_ERROR;
    result->not_ours = true;
    outbound_note(result->note, "%s", err->text);
    end(outbound);
}

void outbound_turn_note(struct turn_result *result, const char *text)
{
    char before[TURN_NOTE_BYTES];
    memcpy(before, result->note, sizeof(before));
    if (before[0] == '\0')
        outbound_note(result->note, "%s", text);
    else
        outbound_note(result->note, "%s; %s", before, text);
}

static bool is_ours(const struct error *err)
{
    return err->code == ERR_MEMORY || err->code == ERR_CANCELLED || err->code == ERR_INTERNAL;
}

/* The turn is over without readings; what is known so far is written. */
void outbound_turn_fail(struct outbound *outbound, const struct error *err)
{
    struct turn_result *result = &outbound->turn.result;
    if (is_ours(err)) {
        outbound_turn_not_ours(outbound, err);
        return;
    }
    result->status = outbound_status_of(err);
    struct error copy = *err;
    if (result->status == TURN_TIMEOUT)
        error_set(&copy, ERR_TIMEOUT, "timeout on %s", outbound->turn.get.what);
    outbound_turn_note(result, copy.text);
    outbound->turn.plan.live = (struct window){0, 0};
    free(outbound->turn.batch.rows);
    outbound->turn.batch.rows = NULL;
    outbound->turn.batch.row_count = 0;
    outbound_turn_commit(outbound);
}

/* ---- the transaction ---- */

static void keep_alarms(struct outbound *outbound)
{
    const struct outbound_turn *turn = &outbound->turn;
    if (turn->alarms_came) {
        outbound->alarms_us = turn->alarms.to_us;
        if (turn->alarms.to_us == turn->alarms_to_us)
            outbound->alarms_span_us = 0;
    } else if (outbound->alarms_us == WINDOWS_NONE) {
        outbound->alarms_us = turn->alarms.from_us;
    }
}

/* The reference that the windows rely on: it may move only with them. */
static bool moves_reference(const struct outbound_turn *turn)
{
    return turn->ahead_home || !turn->plan.fell;
}

static void on_committed(struct outbound *outbound, const struct error *err)
{
    struct outbound_turn *turn = &outbound->turn;
    struct turn_result *result = &turn->result;
    if (err != NULL) {
        struct error why = *err;
        error_wrap(&why, "PostgreSQL");
        outbound_turn_not_ours(outbound, &why);
        return;
    }
    result->rows_added = turn->batch.rows_added;
    if (result->status == TURN_OK) {
        keep_alarms(outbound);
        if (!window_is_empty(turn->plan.ahead) && turn->ahead_home)
            outbound->ahead.done_us = turn->plan.ahead.to_us;
        windows_committed(&outbound->ahead, &turn->clock, moves_reference(turn));
        outbound->ahead_window = turn->plan.ahead;
        if (turn->ahead_home)
            outbound->ahead_window = (struct window){0, 0};
        outbound_gap_wake(outbound);
    }
    end(outbound);
}

static void fill_status(struct outbound *outbound, struct write_job *job)
{
    struct outbound_turn *turn = &outbound->turn;
    const struct turn_result *result = &turn->result;
    job->status.sync_status = turn_status_word(result->status);
    if (!turn->met)
        return;
    job->status.seen_us =
        turn->clock.asked_us; /* the reference of the offset too: not after its answer began */
    memcpy(job->status.software_version, result->software_version, sizeof(job->status.software_version));
    if (result->status == TURN_OK && moves_reference(turn))
        job->status.clock_offset_us = windows_offset(&turn->clock);
}

/* Also where the first ones failed: from there they are asked for again, after a restart too. */
static void fill_alarms_progress(const struct outbound *outbound, struct write_job *job)
{
    const struct outbound_turn *turn = &outbound->turn;
    int64_t until_us = turn->alarms_came ? turn->alarms.to_us : turn->alarms.from_us;
    if (until_us <= 0 || (!turn->alarms_came && outbound->alarms_us != WINDOWS_NONE))
        return;
    job->progress.store_id = OUTBOUND_STORE;
    job->progress.alarms_seq = until_us;
}

void outbound_turn_commit(struct outbound *outbound)
{
    struct outbound_turn *turn = &outbound->turn;
    struct outbound_batch *batch = &turn->batch;
    struct write_job *job = batch->last;
    struct turn_result *result = &turn->result;
    bool ok = result->status == TURN_OK;
    fill_status(outbound, job);
    job->journal.started_us = turn->started_us;
    job->journal.status = turn_status_word(result->status);
    job->journal.bytes = (int64_t)turn->get.wire_bytes;
    memcpy(job->journal.note, result->note, sizeof(job->journal.note));
    if (ok)
        fill_alarms_progress(outbound, job);
    result->window_us = ok ? turn->plan.live.to_us - turn->plan.live.from_us : 0;
    result->behind_us = ok ? turn->status.time_us - turn->plan.live.to_us : 0;
    batch->window = ok ? turn->plan.live : (struct window){0, 0};
    batch->moves = ok;
    batch->expect_new = !turn->plan.fell;
    batch->lane = LANE_LIVE;
    batch->slice = DATA_ANSWER_MAX_ROWS;
    batch->now_limit_us = turn->now_limit_us;
    batch->done = on_committed;
    outbound_desk_put(outbound, batch);
}
