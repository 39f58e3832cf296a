#include "server_tools/sync_service/agent_turn.h"

#include <stdio.h>
#include <stdlib.h>

struct agent_bell {
    struct letter letter;    /* first */
    struct agent_turn *turn; /* NULL: cleared */
    bool rung;               /* in the mailbox */
};

bool agent_turn_init(struct agent_turn *turn, const struct sync_scene *scene, struct agent_home *home,
                     struct error *err)
{
    *turn = (struct agent_turn){.scene = scene, .home = home, .bell = calloc(1, sizeof(*turn->bell))};
    if (turn->bell == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a turn");
    turn->bell->turn = turn;
    return true;
}

void agent_turn_clear(struct agent_turn *turn)
{
    if (turn->bell == NULL)
        return;
    turn->bell->turn = NULL;
    if (!turn->bell->rung)
        free(turn->bell);
    agent_home_forget(turn->home, turn);
    write_job_free(turn->put.job);
    *turn = (struct agent_turn){.scene = NULL};
}

void agent_turn_begin(struct agent_turn *turn, void (*done)(void *context, const struct turn_result *result),
                      void *context)
{
    write_job_free(turn->put.job);
    *turn = (struct agent_turn){
        .scene = turn->scene,
        .home = turn->home,
        .bell = turn->bell,
        .started_us = clock_utc_us(turn->scene->clock),
        .put = {.to = -1, .alarms_to = -1},
        .status = {.seen_us = INT64_MIN, .clock_offset_us = INT64_MIN},
        .done = done,
        .context = context,
    };
}

/* ---- what is gathered ---- */

struct write_job *agent_turn_job(struct agent_turn *turn)
{
    struct error err;
    if (turn->put.job == NULL)
        turn->put.job = agent_home_job(turn->home, LANE_LIVE, &err);
    if (turn->put.job == NULL)
        agent_turn_fail_db(turn, &err);
    return turn->put.job;
}

void agent_turn_take_job(struct agent_turn *turn, struct write_job *job)
{
    write_job_free(turn->put.job);
    turn->put.job = job;
}

void agent_turn_fail(struct agent_turn *turn, const struct error *err)
{
    if (turn->error.code == ERR_NONE)
        turn->error = *err;
}

void agent_turn_fail_db(struct agent_turn *turn, const struct error *err)
{
    turn->result.not_ours = true;
    agent_turn_fail(turn, err);
}

bool agent_turn_has_failed(const struct agent_turn *turn)
{
    return turn->error.code != ERR_NONE;
}

/* ---- its end ---- */

static void tell(struct agent_turn *turn)
{
    struct turn_result result = turn->result;
    void (*done)(void *context, const struct turn_result *result) = turn->done;
    bool ok = turn->error.code == ERR_NONE;
    snprintf(result.note, sizeof(result.note), "%.*s", TURN_NOTE_BYTES - 1,
             ok ? turn->note : turn->error.text);
    turn->done = NULL;
    if (done != NULL)
        done(turn->context, &result);
}

static void hear(struct letter *letter)
{
    struct agent_bell *bell = (struct agent_bell *)letter;
    bell->rung = false;
    if (bell->turn != NULL)
        tell(bell->turn);
    else
        free(bell);
}

/* Without a job, but from the loop all the same. */
static void tell_soon(struct agent_turn *turn)
{
    turn->bell->letter = (struct letter){.read = hear};
    turn->bell->rung = true;
    mailbox_post(turn->scene->mailbox, &turn->bell->letter);
}

static enum turn_status status_of(const struct agent_turn *turn)
{
    switch (turn->error.code) {
    case ERR_NONE:
        return TURN_OK;
    case ERR_TIMEOUT:
        return TURN_TIMEOUT;
    default:
        return TURN_ERROR;
    }
}

static void flushed(void *context, const struct home_result *result)
{
    struct agent_turn *turn = context;
    turn->result.rows_added += result->rows_added;
    if (result->err != NULL)
        agent_turn_fail_db(turn, result->err);
}

void agent_turn_flush(struct agent_turn *turn)
{
    struct error err;
    struct home_put put = turn->put;
    turn->put = (struct home_put){.to = -1, .alarms_to = -1};
    put.done = flushed;
    put.context = turn;
    if (put.job != NULL && !agent_home_put(turn->home, &put, &err))
        agent_turn_fail_db(turn, &err);
}

static void put_job(struct agent_turn *turn);

/* What PostgreSQL will not take, for a reason of the rows, must not keep the vehicle's trouble from being
 * told. */
static void job_done(void *context, const struct home_result *result)
{
    struct agent_turn *turn = context;
    turn->result.rows_added += result->rows_added;
    if (result->err == NULL) {
        tell(turn);
        return;
    }
    agent_turn_fail_db(turn, result->err);
    turn->result.status = TURN_ERROR;
    bool away = result->err->code == ERR_UNREACHABLE || result->err->code == ERR_CANCELLED;
    if (away || turn->journal_alone) {
        tell(turn);
        return;
    }
    turn->journal_alone = true;
    turn->put = (struct home_put){.to = -1, .alarms_to = -1};
    put_job(turn);
}

static void put_job(struct agent_turn *turn)
{
    struct write_job *job = agent_turn_job(turn);
    struct error err;
    if (job == NULL) {
        tell_soon(turn);
        return;
    }
    bool ok = turn->error.code == ERR_NONE;
    turn->result.status = status_of(turn);
    turn->status.sync_status = turn_status_word(turn->result.status);
    job->status = turn->status;
    job->journal = (struct job_journal){.started_us = turn->started_us,
                                        .finished_us = clock_utc_us(turn->scene->clock),
                                        .status = turn->status.sync_status,
                                        .rows_written = turn->result.rows_added,
                                        .bytes = turn->result.bytes};
    snprintf(job->journal.note, sizeof(job->journal.note), "%.*s", TURN_NOTE_BYTES - 1,
             ok ? turn->note : turn->error.text);
    turn->put.synced = ok;
    turn->put.done = job_done;
    turn->put.context = turn;
    bool put = agent_home_put(turn->home, &turn->put, &err);
    turn->put.job = NULL;
    if (!put) {
        agent_turn_fail_db(turn, &err);
        tell_soon(turn);
    }
}

void agent_turn_end(struct agent_turn *turn)
{
    put_job(turn);
}
