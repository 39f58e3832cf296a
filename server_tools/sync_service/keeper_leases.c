#include "server_tools/sync_service/keeper_leases.h"

#include <stdio.h>
#include <unistd.h>

#include "server_tools/central/central_postgres.h"
#include "server_tools/sync_service/sync_db.h"

enum { HOST_BYTES = 256 };

/* ---- this process ---- */

bool leases_renew(struct pg *pg, const char *worker_id, bool *lived, struct error *err)
{
    char host[HOST_BYTES] = "";
    char pid[PARAM_BYTES];
    char alive[PARAM_BYTES];
    if (gethostname(host, sizeof(host) - 1) < 0)
        snprintf(host, sizeof(host), "unknown");
    const char *const params[] = {worker_id, param_i64(alive, KEEPER_ALIVE_S), host,
                                  param_i64(pid, getpid())};
    SCOPE_PG_RESULT struct pg_result *renewed =
        pg_query(pg,
                 "UPDATE sync_workers SET expires_at = clock_timestamp() + make_interval(secs => $2::int)"
                 " WHERE worker_id = $1 AND expires_at > clock_timestamp()",
                 params, 2, false, err);
    if (renewed == NULL)
        return false;
    *lived = pg_changes(renewed) > 0;
    return *lived ||
           postgres_run(pg,
                        "INSERT INTO sync_workers (worker_id, host, pid, expires_at) VALUES ($1, $3,"
                        " $4::int, clock_timestamp() + make_interval(secs => $2::int))"
                        " ON CONFLICT (worker_id) DO UPDATE SET expires_at = excluded.expires_at",
                        params, COUNT_OF(params), err);
}

bool leases_give_back(struct pg *pg, const char *worker_id, struct error *err)
{
    const char *const params[] = {worker_id};
    return postgres_run(pg, "UPDATE vehicle_leases SET holder = NULL WHERE holder = $1", params, 1, err) &&
           postgres_run(pg, "DELETE FROM sync_workers WHERE worker_id = $1", params, 1, err);
}

/* ---- the vehicles ---- */

/* Trackers come to us, and what is no longer of the fleet is left alone: nobody pulls either. */
#define PULLED                                                                                               \
    "transport <> 'push' AND NOT EXISTS (SELECT FROM vehicle_sync AS gone"                                   \
    " WHERE gone.vehicle_id = vehicles.vehicle_id AND gone.removed_at IS NOT NULL)"

static bool read_share(struct pg *pg, const char *worker_id, int64_t *share, int64_t *ours, struct error *err)
{
    const char *const params[] = {worker_id};
    int64_t alive;
    int64_t vehicles;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg,
        "SELECT (SELECT count(*) FROM sync_workers WHERE expires_at > clock_timestamp() OR worker_id = $1),"
        " (SELECT count(*) FROM vehicles WHERE " PULLED "),"
        " (SELECT count(*) FROM vehicle_leases JOIN vehicles USING (vehicle_id) WHERE holder = $1 AND " PULLED
        ")",
        params, COUNT_OF(params), false, err);
    if (result == NULL || !pg_i64(result, 0, 0, &alive, err) || !pg_i64(result, 0, 1, &vehicles, err) ||
        !pg_i64(result, 0, 2, ours, err))
        return false;
    *share = alive < 1 ? vehicles : (vehicles + alive - 1) / alive;
    return true;
}

static bool give_back(struct pg *pg, const char *worker_id, int64_t count, struct error *err)
{
    char number[PARAM_BYTES];
    const char *const params[] = {worker_id, param_i64(number, count)};
    return postgres_run(pg,
                        "UPDATE vehicle_leases SET holder = NULL WHERE vehicle_id IN (SELECT vehicle_id"
                        " FROM vehicle_leases WHERE holder = $1 ORDER BY vehicle_id DESC LIMIT $2::bigint"
                        " FOR UPDATE SKIP LOCKED)",
                        params, COUNT_OF(params), err);
}

#define FREE                                                                                                 \
    PULLED " AND (holder IS NULL OR NOT EXISTS (SELECT FROM sync_workers"                                    \
           " WHERE worker_id = holder AND expires_at > clock_timestamp()))"

static bool take(struct pg *pg, const char *worker_id, int64_t count, struct error *err)
{
    char number[PARAM_BYTES];
    const char *const params[] = {worker_id, param_i64(number, count)};
    return postgres_run(pg,
                        "UPDATE vehicle_leases SET holder = $1 WHERE vehicle_id IN (SELECT vehicle_id"
                        " FROM vehicle_leases JOIN vehicles USING (vehicle_id) WHERE " FREE
                        " ORDER BY vehicle_id LIMIT $2::bigint FOR UPDATE OF vehicle_leases SKIP LOCKED)",
                        params, COUNT_OF(params), err);
}

static bool balance(struct pg *pg, const char *worker_id, struct error *err)
{
    int64_t share;
    int64_t ours;
    if (!pg_exec(pg,
                 "INSERT INTO vehicle_leases (vehicle_id) SELECT vehicle_id FROM vehicles WHERE " PULLED
                 " AND NOT EXISTS (SELECT FROM vehicle_leases AS known"
                 " WHERE known.vehicle_id = vehicles.vehicle_id) ON CONFLICT DO NOTHING",
                 err) ||
        !read_share(pg, worker_id, &share, &ours, err))
        return false;
    if (ours > share)
        return give_back(pg, worker_id, ours - share, err);
    return ours == share || take(pg, worker_id, share - ours, err);
}

bool leases_balance(struct pg *pg, const char *worker_id, struct error *err)
{
    if (!sync_db_begin(pg, err))
        return false;
    if (balance(pg, worker_id, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

bool leases_may_take(struct pg *pg, const char *worker_id, bool *may, struct error *err)
{
    int64_t share;
    int64_t ours;
    *may = false;
    if (!read_share(pg, worker_id, &share, &ours, err))
        return false;
    if (ours >= share)
        return true;
    SCOPE_PG_RESULT struct pg_result *any =
        pg_query(pg, "SELECT FROM vehicle_leases JOIN vehicles USING (vehicle_id) WHERE " FREE " LIMIT 1",
                 NULL, 0, false, err);
    *may = any != NULL && pg_rows(any) > 0;
    return any != NULL;
}
