#include "server_tools/sync_service/notice_queue.h"

#include <inttypes.h>
#include <stdio.h>

#include "server_tools/sync_service/keeper.h"

enum { NUMBER_BYTES = 24 };

struct pg *notice_db_open(const char *db_url, struct error *err)
{
    struct pg *pg = sync_db_open(db_url, err);
    if (pg != NULL && pg_exec(pg, "SET statement_timeout = '20s'", err))
        return pg;
    pg_close(pg);
    return NULL;
}

void notice_batch_clear(struct notice_batch *batch)
{
    pg_result_free(batch->result);
    *batch = (struct notice_batch){.count = 0};
}

static const char *text_at(const struct pg_result *result, size_t row, size_t column)
{
    return pg_is_null(result, row, column) ? NULL : pg_value(result, row, column).data;
}

static bool read_row(const struct pg_result *result, size_t row, struct notice *out, struct error *err)
{
    enum { ID, CREATED, TARGET, SECRET, KIND, SEVERITY, CLIENT_ID, VEHICLE, SUBJECT, BODY, UNSURE };
    *out = (struct notice){
        .target = text_at(result, row, TARGET),
        .secret = text_at(result, row, SECRET),
        .kind = text_at(result, row, KIND),
        .severity = text_at(result, row, SEVERITY),
        .client_id = text_at(result, row, CLIENT_ID),
        .vehicle = text_at(result, row, VEHICLE),
        .subject = text_at(result, row, SUBJECT),
        .body = text_at(result, row, BODY),
        .unsure = view_is(pg_value(result, row, UNSURE), "t"),
    };
    return pg_i64(result, row, ID, &out->notice_id, err) &&
           pg_i64(result, row, CREATED, &out->created_us, err);
}

bool notice_queue_claim(struct pg *pg, const char *worker, const char *channel, struct notice_batch *batch,
                        struct error *err)
{
    char most[NUMBER_BYTES];
    char lease[NUMBER_BYTES];
    snprintf(most, sizeof(most), "%d", NOTICE_BATCH);
    snprintf(lease, sizeof(lease), "%d", NOTICE_LEASE_S);
    const char *const params[] = {worker, channel, most, lease};
    batch->result =
        pg_query(pg,
                 "SELECT notice_id, (extract(epoch FROM created_at) * 1000000)::bigint, target, secret, "
                 "kind, severity,"
                 " client_id, vehicle, subject, body, is_unsure FROM notice_claim($1, $2, $3::int, $4::int)",
                 params, COUNT_OF(params), false, err);
    if (batch->result == NULL)
        return false;
    size_t rows = pg_rows(batch->result);
    for (batch->count = 0; batch->count < rows && batch->count < NOTICE_BATCH; batch->count++) {
        if (read_row(batch->result, batch->count, &batch->notices[batch->count], err))
            continue;
        notice_batch_clear(batch);
        return false;
    }
    return true;
}

bool notice_queue_begin(struct pg *pg, const char *worker, int64_t notice_id, bool *ours, struct error *err)
{
    char id[NUMBER_BYTES];
    char lease[NUMBER_BYTES];
    snprintf(id, sizeof(id), "%" PRId64, notice_id);
    snprintf(lease, sizeof(lease), "%d", NOTICE_LEASE_S);
    const char *const params[] = {worker, id, lease};
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT notice_begin($1, $2::bigint, $3::int)", params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    *ours = view_is(pg_value(result, 0, 0), "t");
    return true;
}

bool notice_queue_end(struct pg *pg, const char *worker, int64_t notice_id, const char *problem,
                      bool for_good, bool *given_up, struct error *err)
{
    char id[NUMBER_BYTES];
    snprintf(id, sizeof(id), "%" PRId64, notice_id);
    const char *const params[] = {worker, id, problem, for_good ? "true" : "false"};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg, "SELECT notice_end($1, $2::bigint, $3, $4::boolean)", params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    *given_up = view_is(pg_value(result, 0, 0), "failed");
    return true;
}

bool notice_queue_release(struct pg *pg, const char *worker, struct error *err)
{
    const char *const params[] = {worker};
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT notice_release($1)", params, COUNT_OF(params), false, err);
    return result != NULL;
}

bool notice_queue_waiting(struct pg *pg, int64_t *waiting, int64_t *oldest_s, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg,
                 "SELECT count(*), coalesce(extract(epoch FROM now() - min(not_before) FILTER (WHERE "
                 "not_before <= now()))"
                 "::bigint, 0) FROM notices WHERE state IN ('waiting', 'sending')",
                 NULL, 0, false, err);
    return result != NULL && pg_i64(result, 0, 0, waiting, err) && pg_i64(result, 0, 1, oldest_s, err);
}
