#include "server_tools/sync_service/rollout_db.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/text.h"
#include "server_tools/central/central_postgres.h"
#include "server_tools/sync_service/rollout_sql.h"

enum { HOST_BYTES = 256 };

bool rollout_db_begin(struct pg *pg, struct error *err)
{
    if (!pg_begin(pg, err))
        return false;
    if (pg_exec(pg, "SELECT set_config('app.user_role', 'superuser', true)", err))
        return true;
    pg_rollback(pg);
    return false;
}

static bool end_transaction(struct pg *pg, bool ok, struct error *err)
{
    if (ok)
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

/* ---- how a rollout goes on ---- */

enum { COLUMN_ID, COLUMN_VERSION, COLUMN_STATE, COLUMN_FIRST_COUNT };

/* One row of ROLLOUT_SQL_OPEN. */
struct open_rollout {
    int64_t deployment_id;
    char version[RELEASE_VERSION_BYTES];
    bool runs, is_aborting;
    struct rollout_counts counts;
};

static bool read_open(const struct pg_result *rows, size_t row, struct open_rollout *out, struct error *err)
{
    int64_t *const counts[] = {
        &out->counts.wave,
        &out->counts.wave_count,
        &out->counts.healthy_percent,
        &out->counts.failures,
        &out->counts.failures_allowed,
        &out->counts.judged,
        &out->counts.healthy,
        &out->counts.hopeful,
        &out->counts.hopeless,
        &out->counts.gone,
        &out->counts.open,
    };
    out->runs = view_is(pg_value(rows, row, COLUMN_STATE), "running");
    out->is_aborting = view_is(pg_value(rows, row, COLUMN_STATE), "aborting");
    if (!text_copy(out->version, sizeof(out->version), pg_value(rows, row, COLUMN_VERSION)) ||
        !pg_i64(rows, row, COLUMN_ID, &out->deployment_id, err))
        return error_set(err, ERR_INTERNAL, "deployments: a version that is none");
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        if (!pg_i64(rows, row, COLUMN_FIRST_COUNT + i, counts[i], err))
            return false;
    }
    return true;
}

static bool run_for(struct pg *pg, const char *sql, int64_t deployment_id, struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, deployment_id)};
    SCOPE_PG_RESULT struct pg_result *done = pg_query(pg, sql, params, 1, false, err);
    return done != NULL;
}

/* People are told; that this fails keeps no rollout from being paused. */
static bool tell(struct pg *pg, const struct open_rollout *rollout, const char *what, struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, rollout->deployment_id), what};
    struct error problem;
    if (!pg_exec(pg, "SAVEPOINT telling", err))
        return false;
    SCOPE_PG_RESULT struct pg_result *told =
        pg_query(pg, ROLLOUT_SQL_TELL, params, COUNT_OF(params), false, &problem);
    return pg_exec(pg, told != NULL ? "RELEASE SAVEPOINT telling" : "ROLLBACK TO SAVEPOINT telling", err);
}

static bool pause_rollout(struct pg *pg, const struct open_rollout *rollout, const char *reason,
                          struct error *err)
{
    char id[PARAM_BYTES];
    const char *const params[] = {param_i64(id, rollout->deployment_id), reason};
    SCOPE_PG_RESULT struct pg_result *done =
        pg_query(pg, ROLLOUT_SQL_PAUSE, params, COUNT_OF(params), false, err);
    return done != NULL && tell(pg, rollout, "paused", err);
}

static bool pause_failures(struct pg *pg, const struct open_rollout *rollout, const struct log *log,
                           struct error *err)
{
    log_warn(log, "rollout %" PRId64 " of %s is paused: %" PRId64 " vehicles failed, %" PRId64 " are allowed",
             rollout->deployment_id, rollout->version, rollout->counts.failures,
             rollout->counts.failures_allowed);
    return pause_rollout(pg, rollout, "too many failures", err);
}

static bool pause_hopeless(struct pg *pg, const struct open_rollout *rollout, const struct log *log,
                           struct error *err)
{
    const struct rollout_counts *counts = &rollout->counts;
    log_warn(log,
             "rollout %" PRId64 " of %s is paused: at best %" PRId64 " of %" PRId64
             " vehicles of the waves so far become healthy, %" PRId64 " %% have to",
             rollout->deployment_id, rollout->version, counts->hopeful, counts->hopeful + counts->hopeless,
             counts->healthy_percent);
    return pause_rollout(pg, rollout, "too few can become healthy", err);
}

static bool begin_wave(struct pg *pg, const struct open_rollout *rollout, const struct log *log,
                       struct error *err)
{
    log_info(log, "rollout %" PRId64 " of %s: wave %" PRId64 " of %" PRId64 " begins", rollout->deployment_id,
             rollout->version, rollout->counts.wave + 1, rollout->counts.wave_count);
    return run_for(pg, ROLLOUT_SQL_NEXT_WAVE, rollout->deployment_id, err) &&
           run_for(pg, ROLLOUT_SQL_BEGIN_WAVE, rollout->deployment_id, err);
}

static bool finish(struct pg *pg, const struct open_rollout *rollout, const struct log *log,
                   struct error *err)
{
    log_info(log, "rollout %" PRId64 " of %s is over", rollout->deployment_id, rollout->version);
    return run_for(pg, ROLLOUT_SQL_FINISH, rollout->deployment_id, err) &&
           (rollout->is_aborting || tell(pg, rollout, "done", err));
}

static bool advance_one(struct pg *pg, const struct open_rollout *rollout, const struct log *log,
                        struct error *err)
{
    if (rollout->is_aborting) {
        if (rollout->counts.open == 0)
            return finish(pg, rollout, log, err);
        return run_for(pg, ROLLOUT_SQL_WITHDRAW, rollout->deployment_id, err);
    }
    switch (rollout_next(&rollout->counts)) {
    case ROLLOUT_PAUSE:
        return pause_failures(pg, rollout, log, err);
    case ROLLOUT_HOPELESS:
        return pause_hopeless(pg, rollout, log, err);
    case ROLLOUT_NEXT_WAVE:
        return begin_wave(pg, rollout, log, err);
    case ROLLOUT_FINISH:
        return finish(pg, rollout, log, err);
    case ROLLOUT_STAY:
        break;
    }
    return true;
}

static bool advance_all(struct pg *pg, const struct log *log, struct error *err)
{
    if (!pg_exec(pg, ROLLOUT_SQL_REMOVED, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *rows = pg_query(pg, ROLLOUT_SQL_OPEN, NULL, 0, false, err);
    for (size_t i = 0; rows != NULL && i < pg_rows(rows); i++) {
        struct open_rollout rollout;
        if (!read_open(rows, i, &rollout, err) || !advance_one(pg, &rollout, log, err))
            return false;
    }
    return rows != NULL;
}

static bool count_open(struct pg *pg, int64_t *open, int64_t *paused, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *counts = pg_query(pg, ROLLOUT_SQL_COUNT, NULL, 0, false, err);
    return counts != NULL && pg_i64(counts, 0, 0, open, err) && pg_i64(counts, 0, 1, paused, err);
}

bool rollout_db_count(struct pg *pg, int64_t *open, int64_t *paused, struct error *err)
{
    return rollout_db_begin(pg, err) && end_transaction(pg, count_open(pg, open, paused, err), err);
}

bool rollout_db_advance(struct pg *pg, const struct log *log, struct error *err)
{
    return rollout_db_begin(pg, err) && end_transaction(pg, advance_all(pg, log, err), err);
}

/* ---- orders ---- */

/* A text column of the order: too long is none of ours. */
static bool take_text(const struct pg_result *rows, size_t row, size_t column, char *out, size_t out_bytes,
                      struct error *err)
{
    return text_copy(out, out_bytes, pg_value(rows, row, column)) ||
           error_set(err, ERR_INTERNAL, "an order: column %zu is too long", column);
}

static bool read_order(const struct pg_result *rows, size_t row, struct rollout_order *out, struct error *err)
{
    enum { NUMBERS = 4, TEXTS = 8 };
    struct vehicle *vehicle = &out->vehicle;
    int64_t numbers[NUMBERS];
    const struct {
        char *out;
        size_t bytes;
    } texts[TEXTS] = {
        {vehicle->name, sizeof(vehicle->name)},
        {vehicle->host, sizeof(vehicle->host)},
        {vehicle->agent_id, sizeof(vehicle->agent_id)},
        {out->version, sizeof(out->version)},
        {out->manifest_sha256, sizeof(out->manifest_sha256)},
        {out->package_sha256, sizeof(out->package_sha256)},
        {out->signature, sizeof(out->signature)},
        {out->mark, sizeof(out->mark)},
    };
    *out = (struct rollout_order){.deployment_id = 0};
    for (size_t i = 0; i < NUMBERS; i++) {
        if (!pg_i64(rows, row, i, &numbers[i], err))
            return false;
    }
    for (size_t i = 0; i < TEXTS; i++) {
        if (!take_text(rows, row, NUMBERS + i, texts[i].out, texts[i].bytes, err))
            return false;
    }
    out->deployment_id = numbers[0];
    vehicle->vehicle_id = numbers[1];
    vehicle->agent_port = (uint16_t)numbers[2];
    out->package_bytes = numbers[3];
    out->may_offer = view_is(pg_value(rows, row, NUMBERS + TEXTS), "t");
    return rollout_state_of(pg_value(rows, row, NUMBERS + TEXTS + 1), &out->state, err);
}

static bool claim(struct pg *pg, struct rollout_order *orders, size_t max, size_t *count, struct error *err)
{
    char pid[PARAM_BYTES], most[PARAM_BYTES], claim_s[PARAM_BYTES];
    char host[HOST_BYTES] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    const char *const params[] = {host, param_i64(pid, getpid()), param_i64(most, (int64_t)max),
                                  param_i64(claim_s, ROLLOUT_CLAIM_S)};
    SCOPE_PG_RESULT struct pg_result *rows =
        pg_query(pg, ROLLOUT_SQL_CLAIM, params, COUNT_OF(params), false, err);
    if (rows == NULL)
        return false;
    for (*count = 0; *count < pg_rows(rows) && *count < max; (*count)++) {
        if (!read_order(rows, *count, &orders[*count], err))
            return false;
    }
    return true;
}

bool rollout_db_claim(struct pg *pg, struct rollout_order *orders, size_t max, size_t *count,
                      struct error *err)
{
    *count = 0;
    if (rollout_db_begin(pg, err) && end_transaction(pg, claim(pg, orders, max, count, err), err))
        return true;
    *count = 0;
    return false;
}

/* ---- results ---- */

static bool record(struct pg *pg, const struct rollout_order *order, const struct rollout_result *result,
                   int64_t poll_s, bool *changed, struct error *err)
{
    char deployment[PARAM_BYTES], vehicle[PARAM_BYTES], poll[PARAM_BYTES], most[PARAM_BYTES];
    const char *const params[] = {
        param_i64(deployment, order->deployment_id),
        param_i64(vehicle, order->vehicle.vehicle_id),
        rollout_state_word(order->state),
        rollout_state_word(result->state),
        result->waiting_for,
        result->reason,
        result->detail,
        result->problem,
        result->mark,
        result->previous_version,
        param_i64(poll, poll_s),
        param_i64(most, ROLLOUT_BACKOFF_MAX_S),
    };
    SCOPE_PG_RESULT struct pg_result *done =
        pg_query(pg, ROLLOUT_SQL_RECORD, params, COUNT_OF(params), false, err);
    *changed = done != NULL && pg_changes(done) == 1;
    return done != NULL;
}

static void say(const struct log *log, const struct rollout_order *order, const struct rollout_result *result)
{
    const char *why = result->reason[0] != '\0' ? result->reason : result->waiting_for;
    enum log_level level =
        result->state >= ROLLOUT_FAILED && result->state <= ROLLOUT_REFUSED ? LOG_WARN : LOG_INFO;
    if (result->problem[0] != '\0')
        log_warn(log, "[%s] rollout %" PRId64 " of %s: %s", order->vehicle.name, order->deployment_id,
                 order->version, result->problem);
    if (result->state != order->state)
        log_write(log, level, "[%s] rollout %" PRId64 " of %s: %s%s%s%s%s%s", order->vehicle.name,
                  order->deployment_id, order->version, rollout_state_word(result->state),
                  why[0] == '\0' ? "" : " (", why, why[0] == '\0' ? "" : ")",
                  result->detail[0] == '\0' ? "" : ": ", result->detail);
}

bool rollout_db_record(struct pg *pg, const struct rollout_order *order, const struct rollout_result *result,
                       int64_t poll_s, const struct log *log, struct error *err)
{
    bool changed = false;
    if (!rollout_db_begin(pg, err) ||
        !end_transaction(pg, record(pg, order, result, poll_s, &changed, err), err))
        return false;
    if (changed)
        say(log, order, result);
    return true;
}
