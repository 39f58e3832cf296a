#include "server_tools/sync_service/writer_group.h"

#include <stdlib.h>

#include "server_tools/central/central_months.h"
#include "server_tools/sync_service/keeper_chores.h"
#include "server_tools/sync_service/sync_db.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

enum {
    IDS_MAX_BYTES = WRITER_GROUP_JOBS * 24,
    ASIDE_ROWS = 16384, /* fewer are written sooner than a second transaction is worth */
};

/* ---- session ---- */

bool write_session_init(struct write_session *session, const struct clock *clock, struct error *err)
{
    *session = (struct write_session){.clock = clock};
    session->sorter = batch_sorter_new(err);
    if (session->sorter == NULL)
        return false;
    session->rows = malloc(CENTRAL_BATCH_ROWS * sizeof(*session->rows));
    session->copy = malloc(PG_COPY_BUFFER_BYTES);
    session->aside_copy = malloc(PG_COPY_BUFFER_BYTES);
    if (session->rows != NULL && session->copy != NULL && session->aside_copy != NULL)
        return true;
    write_session_clear(session);
    return error_set(err, ERR_MEMORY, "no memory left to write to PostgreSQL");
}

void write_session_clear(struct write_session *session)
{
    batch_sorter_free(session->sorter);
    free(session->rows);
    free(session->copy);
    free(session->aside_copy);
    *session = (struct write_session){.clock = session->clock};
}

/* ---- jobs ---- */

static int compare_vehicles(const void *a, const void *b)
{
    int64_t left = (*(struct write_job *const *)a)->vehicle_id;
    int64_t right = (*(struct write_job *const *)b)->vehicle_id;
    return (left > right) - (left < right);
}

struct write_job *held_job_of(const struct held_jobs *held, int64_t vehicle_id)
{
    struct write_job key = {.vehicle_id = vehicle_id};
    const struct write_job *wanted = &key;
    struct write_job **found =
        bsearch(&wanted, held->jobs, held->count, sizeof(*held->jobs), compare_vehicles);
    return found == NULL ? NULL : *found;
}

static void settle(struct write_job *job, const struct error *problem)
{
    job->error = *problem;
    job->place.settled = true;
}

static void forget_results(struct write_job *job)
{
    job->rows_added = job->rows_aside;
    job->rows_quarantined = 0;
    job->alarms_added = 0;
}

/* ---- the transaction ---- */

/* One reading of each day that follows another day, of all that go into measurements: months are made of
 * days. Outside of the transaction. */
static bool prepare_months(const struct held_jobs *held, struct error *err)
{
    struct write_session *session = held->session;
    int64_t day = INT64_MIN;
    size_t count = 0;
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        for (size_t k = 0; k < job->row_count; k++) {
            int64_t its_day = job->rows[k].time_us / DAY_US - (job->rows[k].time_us < 0);
            if (its_day == day || job->rows[k].time_us > job->now_limit_us)
                continue;
            day = its_day;
            session->rows[count++] = job->rows[k];
            if (count < CENTRAL_BATCH_ROWS)
                continue;
            if (!central_prepare_months(session->pg, session->rows, count, err))
                return false;
            count = 0;
        }
    }
    return count == 0 || central_prepare_months(session->pg, session->rows, count, err);
}

static const char *write_ids(const struct held_jobs *held, struct buf *ids)
{
    buf_append_byte(ids, '{');
    for (size_t i = 0; i < held->count; i++)
        buf_printf(ids, "%s%lld", i > 0 ? "," : "", (long long)held->jobs[i]->vehicle_id);
    buf_append_byte(ids, '}');
    return buf_text(ids);
}

#define HOLD(waiting)                                                                                        \
    "SELECT vehicle_id, pg_try_advisory_xact_lock($2::int, vehicle_id)::int FROM (SELECT vehicle_id"         \
    " FROM vehicles WHERE vehicle_id = ANY ($1::int[]) ORDER BY vehicle_id FOR NO KEY UPDATE" waiting        \
    ") AS here ORDER BY vehicle_id"

/* Vehicles' rows, one after the other, and the right to import each. Waits for no row when there are several
 * jobs: whose row is held by somebody else is left out, and tried alone. */
static struct pg_result *hold_vehicles(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf ids = BUF_LIMIT(IDS_MAX_BYTES);
    char lock[PARAM_BYTES];
    const char *const params[] = {write_ids(held, &ids), param_i64(lock, LOCK_VEHICLE)};
    if (!buf_check(&ids, "the vehicles of a transaction", err))
        return NULL;
    return pg_query(held->session->pg, held->count > 1 ? HOLD(" SKIP LOCKED") : HOLD(""), params,
                    COUNT_OF(params), false, err);
}

static void settle_unheld(struct write_job *job, bool alone, bool found)
{
    struct error problem = {0};
    if (found)
        error_set(&problem, ERR_BUSY, "somebody else imports readings of this vehicle: tried again later");
    else if (alone)
        error_set(&problem, ERR_NOT_FOUND, "there is no vehicle %lld any more", (long long)job->vehicle_id);
    if (problem.code != ERR_NONE)
        settle(job, &problem);
}

/* Leaves in `held` those that are held; the others stay as they are, or are settled. */
static bool hold(struct held_jobs *held, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result = hold_vehicles(held, err);
    size_t asked = held->count;
    size_t row = 0;
    if (result == NULL)
        return false;
    held->count = 0;
    for (size_t i = 0; i < asked; i++) {
        struct write_job *job = held->jobs[i];
        int64_t vehicle_id = 0;
        int64_t ours = 0;
        bool found = row < pg_rows(result) && pg_i64(result, row, 0, &vehicle_id, err) &&
                     pg_i64(result, row, 1, &ours, err) && vehicle_id == job->vehicle_id;
        row += found;
        if (found && ours != 0)
            held->jobs[held->count++] = job;
        else
            settle_unheld(job, asked == 1, found);
    }
    return true;
}

static bool write_parts(const struct held_jobs *held, enum write_way way, struct error *err)
{
    return write_numbers(held, err) && write_descriptions(held, err) && write_channel_ids(held, err) &&
           write_rows(held, way, err) && write_alarms(held, err) && write_states(held, err);
}

static bool write_in_transaction(struct held_jobs *held, enum write_way way, struct error *err)
{
    struct pg *pg = held->session->pg;
    if (!prepare_months(held, err) || !sync_db_begin(pg, err))
        return false;
    held->session->begun = true;
    held->session->made_channels = false;
    if (hold(held, err) && (held->count == 0 || write_parts(held, way, err)))
        return pg_commit(pg, err);
    pg_rollback(pg);
    if (held->session->aside != NULL)
        pg_rollback(held->session->aside);
    return false;
}

/* One try. jobs: of which the held ones are settled when it is committed. False: nothing is. */
static bool try_group(struct write_session *session, struct write_job *const *jobs, size_t count,
                      enum write_way way, struct error *err)
{
    const struct error none = {0};
    struct held_jobs held = {session, session->held, count}; /* hold changes it */
    memcpy(session->held, jobs, count * sizeof(struct write_job *));
    if (!write_in_transaction(&held, way, err)) {
        for (size_t i = 0; i < count; i++) {
            channel_book_reset(jobs[i]->book);
            forget_results(jobs[i]);
        }
        return false;
    }
    write_descriptions_done(&held);
    for (size_t i = 0; i < held.count; i++)
        settle(held.jobs[i], &none);
    return true;
}

/* ---- the quarantine ---- */

/* Of the group's vehicles that have readings whose time has come by now. That it fails harms no job: a chore
 * does it too. */
static void release_quarantine(const struct held_jobs *held)
{
    int64_t until_us = INT64_MAX;
    int64_t released;
    SCOPE_BUF struct buf ids = BUF_LIMIT(IDS_MAX_BYTES);
    for (size_t i = 0; i < held->count; i++) {
        if (held->jobs[i]->now_limit_us < until_us)
            until_us = held->jobs[i]->now_limit_us;
    }
    const char *vehicle_ids = write_ids(held, &ids);
    if (until_us == INT64_MAX || !buf_check(&ids, "the vehicles of a transaction", NULL) ||
        !chore_release_quarantine(held->session->pg, vehicle_ids, until_us, &released, NULL))
        return;
}

/* ---- several tries ---- */

/* What no other way of writing would help against. */
static bool is_everybodys(enum error_code code)
{
    return code == ERR_UNREACHABLE || code == ERR_SPACE || code == ERR_MEMORY || code == ERR_CANCELLED;
}

bool write_wants_aside(struct write_job *const *jobs, size_t count)
{
    const struct write_job *job = jobs[0];
    return count == 1 && job->expect_new && job->row_count >= ASIDE_ROWS &&
           job->row_count <= CENTRAL_BATCH_ROWS && /* sorted as a whole: a key that comes twice is seen */
           job->progress.store_id == NULL;         /* a cursor moves in the transaction of each of its rows */
}

size_t write_together(struct write_session *session, struct write_job **jobs, size_t count)
{
    struct error problem = {0};
    session->begun = false;
    qsort(jobs, count, sizeof(*jobs), compare_vehicles);
    for (size_t i = 0; i < count; i++) {
        forget_results(jobs[i]);
        jobs[i]->place.settled = false;
    }
    release_quarantine(&(struct held_jobs){session, jobs, count});
    if (try_group(session, jobs, count, WRITE_STRAIGHT, &problem))
        return 1;
    for (size_t i = 0; i < count && is_everybodys(problem.code); i++)
        settle(jobs[i], &problem);
    return 0;
}

size_t write_alone(struct write_session *session, struct write_job *job)
{
    struct error problem = {0};
    bool done = try_group(session, &job, 1, WRITE_FILTERED, &problem) ||
                (problem.code == ERR_CHANGED && try_group(session, &job, 1, WRITE_STAGED, &problem));
    if (!done)
        settle(job, &problem);
    return done;
}
