#include "server_tools/sync_service/notice_chores.h"

#include <inttypes.h>
#include <stdio.h>

#include "server_tools/sync_service/sync_db.h"

enum { NUMBER_BYTES = 24, BREAK_PERIODS = 6 /* so many missed turns are a break */ };

static bool ask(struct pg *pg, const char *sql, const char *const *params, size_t count, struct error *err)
{
    if (!sync_db_begin(pg, err))
        return false;
    struct pg_result *result = pg_query(pg, sql, params, count, false, err);
    pg_result_free(result);
    if (result != NULL)
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

bool notice_tell_silent(void *context, struct pg *pg, struct error *err)
{
    struct notice_watch *watch = context;
    char limit[NUMBER_BYTES];
    char watched[NUMBER_BYTES];
    int64_t now_us = clock_monotonic_us(watch->clock);
    if (watch->since_us == 0 ||
        now_us - watch->last_us > (int64_t)BREAK_PERIODS * NOTICE_SILENT_PERIOD_MS * US_PER_MS)
        watch->since_us = now_us;
    snprintf(limit, sizeof(limit), "%" PRId64, watch->silent_after_s);
    snprintf(watched, sizeof(watched), "%" PRId64, (now_us - watch->since_us) / US_PER_MS);
    const char *const params[] = {limit, watched};
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT fleet_tell_silent($1::int, now() - $2::bigint * interval '1 millisecond')",
                 params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    watch->last_us = now_us;
    return true;
}

bool notice_forget_old(void *context, struct pg *pg, struct error *err)
{
    (void)context;
    return ask(pg, "SELECT notice_forget()", NULL, 0, err);
}
