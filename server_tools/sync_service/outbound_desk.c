#include <stdlib.h>

#include "server_tools/sync_service/outbound_internal.h"

static void put_next(struct outbound *outbound);

void outbound_batch_clear(struct outbound_batch *batch)
{
    write_job_free(batch->last);
    free(batch->rows);
    batch->last = NULL;
    batch->rows = NULL;
    batch->queued = false;
}

static void end_batch(struct outbound *outbound, struct outbound_batch *batch, const struct error *err)
{
    outbound_batch_clear(batch);
    metric_add(outbound->scene->metrics, METRIC_ROWS_WRITTEN, (uint64_t)batch->rows_added);
    metric_add(outbound->scene->metrics, METRIC_ROWS_QUARANTINED, (uint64_t)batch->rows_quarantined);
    batch->done(outbound, err);
}

static void on_written(void *context, struct write_job *job, const struct error *failure)
{
    struct outbound *outbound = context;
    struct outbound_batch *batch = outbound->at_writer;
    struct error err = {.code = ERR_NONE};
    bool was_last = job == batch->last;
    if (failure != NULL)
        err = *failure;
    else if (was_last && batch->moves && outbound->job_epoch == outbound->epoch)
        outbound->home = outbound->job_home;
    if (was_last)
        batch->last = NULL;
    batch->rows_added += job->rows_added;
    batch->rows_quarantined += job->rows_quarantined;
    write_job_free(job);
    outbound->at_writer = NULL;
    if (outbound_release(outbound) || outbound->dead)
        return;
    if (was_last || err.code != ERR_NONE)
        end_batch(outbound, batch, err.code == ERR_NONE ? NULL : &err);
    put_next(outbound);
}

/* A job of the next rows of the batch, more of which follow. */
static struct write_job *slice_job(struct outbound *outbound, struct outbound_batch *batch, struct error *err)
{
    struct write_job *job = outbound_job(outbound, batch->lane, err);
    if (job == NULL)
        return NULL;
    job->rows = malloc(batch->slice * sizeof(*job->rows));
    if (job->rows == NULL) {
        error_set(err, ERR_MEMORY, "no memory for %zu rows", batch->slice);
        write_job_free(job);
        return NULL;
    }
    memcpy(job->rows, batch->rows + batch->at, batch->slice * sizeof(*job->rows));
    job->row_count = batch->slice;
    batch->at += batch->slice;
    return job;
}

static void set_progress(struct outbound *outbound, const struct outbound_batch *batch, struct write_job *job)
{
    outbound->job_home = windows_add(outbound->home, batch->window);
    outbound->job_epoch = outbound->epoch;
    if (batch->moves) {
        job->progress.window = true;
        job->progress.last_sync_us = outbound->job_home.last_us;
        job->progress.live_from_us = outbound->job_home.live_from_us;
        job->progress.live_to_us = outbound->job_home.live_to_us;
    }
    job->journal.rows_written = batch->rows_added;
    job->journal.finished_us = clock_utc_us(outbound->scene->clock);
}

/* The rows that are left, and all that comes with them. */
static struct write_job *last_job(struct outbound *outbound, struct outbound_batch *batch)
{
    struct write_job *job = batch->last;
    job->row_count = batch->row_count - batch->at;
    if (batch->at > 0)
        memmove(batch->rows, batch->rows + batch->at, job->row_count * sizeof(*batch->rows));
    job->rows = batch->rows;
    batch->rows = NULL;
    set_progress(outbound, batch, job);
    return job;
}

static bool put_slice(struct outbound *outbound, struct outbound_batch *batch, struct error *err)
{
    bool is_last = batch->row_count - batch->at <= batch->slice;
    struct write_job *job = is_last ? last_job(outbound, batch) : slice_job(outbound, batch, err);
    if (job == NULL)
        return false;
    job->now_limit_us = batch->now_limit_us;
    job->expect_new = batch->expect_new;
    job->done = on_written;
    job->context = outbound;
    outbound->at_writer = batch;
    outbound->pending++;
    writer_put(outbound->scene->writer, job);
    return true;
}

/* One job of a vehicle at a time: what comes behind one that failed may not count as home. */
static void put_next(struct outbound *outbound)
{
    struct outbound_batch *const batches[] = {&outbound->turn.batch, &outbound->gap.batch};
    for (size_t i = 0; i < COUNT_OF(batches) && outbound->at_writer == NULL; i++) {
        struct error err;
        if (batches[i]->queued && !put_slice(outbound, batches[i], &err))
            end_batch(outbound, batches[i], &err);
    }
}

void outbound_desk_put(struct outbound *outbound, struct outbound_batch *batch)
{
    batch->queued = true;
    batch->at = 0;
    batch->rows_added = 0;
    batch->rows_quarantined = 0;
    put_next(outbound);
}
