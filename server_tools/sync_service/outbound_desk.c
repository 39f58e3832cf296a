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

/* The next rows of the batch, as the job's own. */
static bool give_rows(struct outbound_batch *batch, struct write_job *job, size_t count, struct error *err)
{
    if (count == batch->row_count) {
        job->rows = POINTER_TAKE(batch->rows);
    } else if (count > 0) {
        job->rows = malloc(count * sizeof(*job->rows));
        if (job->rows == NULL)
            return error_set(err, ERR_MEMORY, "no memory for %zu rows", count);
        memcpy(job->rows, batch->rows + batch->at, count * sizeof(*job->rows));
    }
    job->row_count = count;
    batch->at += count;
    return true;
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

static bool put_slice(struct outbound *outbound, struct outbound_batch *batch, struct error *err)
{
    size_t count = batch->row_count - batch->at;
    bool is_last = count <= batch->slice;
    struct write_job *job = is_last ? batch->last : outbound_job(outbound, batch->lane, err);
    if (job == NULL || !give_rows(batch, job, is_last ? count : batch->slice, err)) {
        if (!is_last)
            write_job_free(job);
        return false;
    }
    if (is_last)
        set_progress(outbound, batch, job);
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
