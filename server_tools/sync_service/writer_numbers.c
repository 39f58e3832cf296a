#include <stdlib.h>

#include "server_tools/sync_service/writer_group.h"

enum { IDS_MAX_BYTES = WRITER_GROUP_JOBS * 24 };

/* Of a try before this one. */
static void forget_numbers(struct write_job *job)
{
    free(job->numbers);
    job->numbers = NULL;
    job->number_count = 0;
}

/* "{1,2}" of those that ask. Returns how many. */
static size_t write_askers(const struct held_jobs *held, struct buf *ids)
{
    size_t asking = 0;
    buf_append_byte(ids, '{');
    for (size_t i = 0; i < held->count; i++) {
        struct write_job *job = held->jobs[i];
        if (!job->asks_numbers)
            continue;
        forget_numbers(job);
        buf_printf(ids, "%s%lld", asking++ > 0 ? "," : "", (long long)job->vehicle_id);
    }
    buf_append_byte(ids, '}');
    return asking;
}

static bool add_number(struct write_job *job, int32_t number, struct error *err)
{
    size_t count = job->number_count;
    if ((count & (count - 1)) == 0) { /* full: it doubles */
        int32_t *grown = realloc(job->numbers, (count == 0 ? 1 : 2 * count) * sizeof(*grown));
        if (grown == NULL)
            return error_set(err, ERR_MEMORY, "no memory left for the numbers of channels");
        job->numbers = grown;
    }
    job->numbers[job->number_count++] = number;
    return true;
}

static bool take_numbers(const struct held_jobs *held, const struct pg_result *result, struct error *err)
{
    for (size_t row = 0; row < pg_rows(result); row++) {
        int64_t vehicle_id;
        int64_t number;
        if (!pg_i64(result, row, 0, &vehicle_id, err) || !pg_i64(result, row, 1, &number, err))
            return false;
        struct write_job *job = held_job_of(held, vehicle_id);
        if (job != NULL && !add_number(job, (int32_t)number, err))
            return false;
    }
    return true;
}

bool write_numbers(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf ids = BUF_LIMIT(IDS_MAX_BYTES);
    if (write_askers(held, &ids) == 0)
        return true;
    const char *const params[] = {buf_text(&ids)};
    if (!buf_check(&ids, "the vehicles of a transaction", err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(held->session->pg,
                 "SELECT vehicle_id, remote_id FROM channel_config WHERE vehicle_id = ANY ($1::int[])"
                 " AND remote_id IS NOT NULL ORDER BY vehicle_id, channel_id DESC",
                 params, COUNT_OF(params), false, err);
    return result != NULL && take_numbers(held, result, err);
}
