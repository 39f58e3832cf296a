#include "server_tools/sync_service/keeper_chores.h"

#include "server_tools/central/central_months.h"
#include "server_tools/central/central_postgres.h"
#include "server_tools/sync_service/sync_db.h"

/* A statement in a transaction of its own; *rows: that it touched. */
static bool run_once(struct pg *pg, const char *sql, const char *const *params, size_t count, int64_t *rows,
                     struct error *err)
{
    if (!sync_db_begin(pg, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, sql, params, count, false, err);
    if (result != NULL) {
        *rows = pg_changes(result);
        return pg_commit(pg, err);
    }
    pg_rollback(pg);
    return false;
}

/* The same until it finds nothing more to do. */
static bool run_all(struct pg *pg, const char *sql, const char *const *params, size_t count, int64_t *total,
                    struct error *err)
{
    int64_t rows = 1;
    for (*total = 0; rows > 0; *total += rows) {
        if (!run_once(pg, sql, params, count, &rows, err))
            return false;
    }
    return true;
}

/* ---- the journal ---- */

/* Entries of a vehicle are as old as their numbers are low: only of those whose first one is too old more are
 * looked at. */
static const char prune_journal[] =
    "WITH late AS (SELECT vehicles.vehicle_id FROM vehicles CROSS JOIN LATERAL (SELECT finished_at"
    " FROM sync_journal AS entry WHERE entry.vehicle_id = vehicles.vehicle_id ORDER BY journal_id LIMIT 1)"
    " AS first WHERE first.finished_at < $1::timestamptz),"
    " gone AS (SELECT late.vehicle_id, old.journal_id FROM late CROSS JOIN LATERAL (SELECT journal_id,"
    " finished_at FROM sync_journal AS entry WHERE entry.vehicle_id = late.vehicle_id ORDER BY journal_id"
    " LIMIT $2::bigint) AS old WHERE old.finished_at < $1 LIMIT $2)"
    " DELETE FROM sync_journal AS old USING gone"
    " WHERE old.vehicle_id = gone.vehicle_id AND old.journal_id = gone.journal_id";

bool chore_prune_journal(struct pg *pg, int64_t before_us, struct error *err)
{
    char before[PARAM_BYTES];
    char chunk[PARAM_BYTES];
    const char *const params[] = {param_time(before, before_us), param_i64(chunk, JOURNAL_CHUNK)};
    int64_t gone;
    return run_all(pg, prune_journal, params, COUNT_OF(params), &gone, err);
}

/* ---- processes ---- */

bool chore_forget_workers(struct pg *pg, struct error *err)
{
    char kept[PARAM_BYTES];
    const char *const params[] = {param_i64(kept, WORKERS_KEPT_S)};
    int64_t gone;
    return run_once(
        pg, "DELETE FROM sync_workers WHERE expires_at < clock_timestamp() - make_interval(secs => $1::int)",
        params, COUNT_OF(params), &gone, err);
}

/* ---- the quarantine ---- */

#define DUE "time <= $1::timestamptz AND ($2::int[] IS NULL OR vehicle_id = ANY ($2))"

/* The months of those that are due; *any: there are some. */
static bool prepare_months(struct pg *pg, const char *const *params, bool *any, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *months =
        pg_query(pg,
                 "SELECT DISTINCT (extract(epoch FROM date_trunc('month', time)) * 1000000)::bigint"
                 " FROM measurements_quarantine WHERE " DUE,
                 params, 2, false, err);
    if (months == NULL)
        return false;
    *any = pg_rows(months) > 0;
    for (size_t i = 0; i < pg_rows(months); i++) {
        struct central_row row = {.time_us = 0};
        if (!pg_i64(months, i, 0, &row.time_us, err) || !central_prepare_months(pg, &row, 1, err))
            return false;
    }
    return true;
}

static const char move_due[] =
    "WITH due AS (DELETE FROM measurements_quarantine WHERE (vehicle_id, channel_id, time) IN"
    " (SELECT vehicle_id, channel_id, time FROM measurements_quarantine WHERE " DUE
    " LIMIT $3::bigint FOR UPDATE SKIP LOCKED) RETURNING vehicle_id, channel_id, time, value),"
    " moved AS (INSERT INTO measurements (vehicle_id, channel_id, time, value)"
    " SELECT vehicle_id, channel_id, time, value FROM due ON CONFLICT DO NOTHING)"
    " SELECT FROM due";

bool chore_release_quarantine(struct pg *pg, const char *vehicle_ids, int64_t until_us, int64_t *released,
                              struct error *err)
{
    char until[PARAM_BYTES];
    char chunk[PARAM_BYTES];
    const char *const params[] = {param_time(until, until_us), vehicle_ids,
                                  param_i64(chunk, QUARANTINE_CHUNK)};
    bool any;
    *released = 0;
    if (!prepare_months(pg, params, &any, err))
        return false;
    return !any || run_all(pg, move_due, params, COUNT_OF(params), released, err);
}
