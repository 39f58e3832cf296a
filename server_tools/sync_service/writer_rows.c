/* The readings of a group of jobs: what should be new by one COPY, the rest as an import does it; those of
 * the future into the quarantine. */
#include "server_tools/central/central_postgres_copy.h"
#include "server_tools/sync_service/sync_db.h"
#include "server_tools/sync_service/writer_group.h"

enum which_rows { ROWS_DUE, ROWS_OF_FUTURE };

/* Takes from job->rows, from *at on, those of one kind with the central store's ids, until the session's
 * space is full or there are no more; in order. False: a row of a channel that does not exist. */
static bool take_rows(const struct held_jobs *held, const struct write_job *job, enum which_rows which,
                      size_t *at, size_t *taken, struct error *err)
{
    struct write_session *session = held->session;
    int32_t channels = channel_book_count(job->book);
    size_t count = 0;
    for (; *at < job->row_count && count < CENTRAL_BATCH_ROWS; (*at)++) {
        struct central_row row = job->rows[*at];
        if ((row.time_us > job->now_limit_us) != (which == ROWS_OF_FUTURE))
            continue;
        if (row.channel_id < 0 || row.channel_id >= channels)
            return error_set(err, ERR_INTERNAL, "a reading of channel %d of %d", (int)row.channel_id,
                             (int)channels);
        row.channel_id = channel_book_channel_id(job->book, row.channel_id);
        session->rows[count++] = row;
    }
    if (count > 0)
        batch_sort(session->sorter, session->rows, count);
    *taken = count;
    return true;
}

/* ---- straight ---- */

static bool is_repeated(const struct central_row *rows, size_t i)
{
    return i > 0 && rows[i].channel_id == rows[i - 1].channel_id && rows[i].time_us == rows[i - 1].time_us;
}

static bool copy_row(const struct held_jobs *held, struct row_copy *copy, struct write_job *job, size_t i,
                     struct error *err)
{
    const struct central_row *rows = held->session->rows;
    if (is_repeated(rows, i))
        return true;
    job->rows_added++;
    return row_copy_put(copy, job->vehicle_id, &rows[i], err);
}

static bool copy_job(const struct held_jobs *held, struct row_copy *copy, struct write_job *job,
                     struct error *err)
{
    size_t taken = 0;
    for (size_t at = 0; at < job->row_count;) {
        if (!take_rows(held, job, ROWS_DUE, &at, &taken, err))
            return false;
        for (size_t i = 0; i < taken; i++) {
            if (!copy_row(held, copy, job, i, err))
                return false;
        }
    }
    return true;
}

/* ---- over two connections ---- */

static bool copy_halves(const struct held_jobs *held, struct row_copy copies[2], struct write_job *job,
                        struct error *err)
{
    size_t at = 0;
    size_t taken = 0;
    if (!take_rows(held, job, ROWS_DUE, &at, &taken, err))
        return false;
    size_t half = taken / 2;
    for (size_t i = 0; half + i < taken; i++) {
        if ((i < half && !copy_row(held, &copies[0], job, i, err)) ||
            !copy_row(held, &copies[1], job, half + i, err))
            return false;
    }
    return true;
}

/* One vehicle's many readings by two COPYs at once: the work for the key is what limits each. The second one
 * is committed first, and not waited for: the transaction's own commit comes behind it in PostgreSQL's log,
 * and is. So progress is never committed before its rows; what a failure in between leaves there is fetched
 * and written again. Locks are waited for SYNC_DB_LOCK_WAIT at most, also where the two wait for each other
 * by way of somebody else. */
static bool copy_in_two(const struct held_jobs *held, struct write_job *job, struct error *err)
{
    struct write_session *session = held->session;
    struct pg *aside = session->aside;
    struct row_copy copies[2];
    int64_t rows_aside;
    int64_t rows;
    if (!sync_db_begin(aside, err)) {
        session->begun = false; /* it may have died unused, and nothing has been written */
        return false;
    }
    if (!pg_exec(aside, "SET LOCAL synchronous_commit = off", err) ||
        !row_copy_begin(&copies[0], session->pg, session->copy, "measurements", err) ||
        !row_copy_begin(&copies[1], aside, session->aside_copy, "measurements", err) ||
        !copy_halves(held, copies, job, err) || !row_copy_end(&copies[1], &rows_aside, err) ||
        !pg_commit(aside, err))
        return false;
    job->rows_aside += rows_aside;
    return row_copy_end(&copies[0], &rows, err);
}

static bool goes_straight(const struct held_jobs *held, const struct write_job *job, enum write_way way)
{
    return way == WRITE_STRAIGHT && job->expect_new && held->session->copy_right == COPY_ALLOWED;
}

static bool copy_straight(const struct held_jobs *held, enum write_way way, struct error *err)
{
    struct row_copy copy = {.pg = NULL};
    int64_t rows;
    const struct write_session *session = held->session;
    if (session->aside != NULL && !session->made_channels && write_wants_aside(held->jobs, held->count) &&
        goes_straight(held, held->jobs[0], way))
        return copy_in_two(held, held->jobs[0], err);
    for (size_t i = 0; i < held->count; i++) {
        struct write_job *job = held->jobs[i];
        if (job->row_count == 0 || !goes_straight(held, job, way))
            continue;
        if (copy.pg == NULL &&
            !row_copy_begin(&copy, held->session->pg, held->session->copy, "measurements", err))
            return false;
        if (!copy_job(held, &copy, job, err))
            return false;
    }
    return copy.pg == NULL || row_copy_end(&copy, &rows, err);
}

/* ---- by batches ---- */

static bool add_batch(const struct held_jobs *held, const struct postgres_batch *batch, enum write_way way,
                      int64_t *added, struct error *err)
{
    const struct write_session *session = held->session;
    if (way == WRITE_STAGED || session->copy_right == COPY_REFUSED)
        return postgres_add_staged(session->pg, session->copy, "measurements", batch, added, err);
    return postgres_add_filtered(session->pg, session->copy, batch, added, err);
}

static bool add_job(const struct held_jobs *held, struct write_job *job, enum write_way way,
                    struct error *err)
{
    struct postgres_batch batch = {job->vehicle_id, held->session->rows, 0};
    for (size_t at = 0; at < job->row_count;) {
        int64_t added = 0;
        if (!take_rows(held, job, ROWS_DUE, &at, &batch.count, err) ||
            (batch.count > 0 && !add_batch(held, &batch, way, &added, err)))
            return false;
        job->rows_added += added;
    }
    return true;
}

static bool quarantine_job(const struct held_jobs *held, struct write_job *job, struct error *err)
{
    struct postgres_batch batch = {job->vehicle_id, held->session->rows, 0};
    for (size_t at = 0; at < job->row_count;) {
        int64_t added = 0;
        if (!take_rows(held, job, ROWS_OF_FUTURE, &at, &batch.count, err) ||
            (batch.count > 0 && !postgres_add_staged(held->session->pg, held->session->copy,
                                                     "measurements_quarantine", &batch, &added, err)))
            return false;
        job->rows_quarantined += added;
    }
    return true;
}

bool write_rows(const struct held_jobs *held, enum write_way way, struct error *err)
{
    if (!postgres_copy_right(held->session->pg, &held->session->copy_right, err) ||
        !copy_straight(held, way, err))
        return false;
    for (size_t i = 0; i < held->count; i++) {
        struct write_job *job = held->jobs[i];
        if (!goes_straight(held, job, way) && !add_job(held, job, way, err))
            return false;
        if (!quarantine_job(held, job, err))
            return false;
    }
    return true;
}
