/* Plans of exports from a table in PostgreSQL. */
#include <inttypes.h>

#include "agent/export_plan.h"
#include "agent/table_query.h"
#include "agent/table_source.h"

enum { URL_MAX_BYTES = 4096, COPY_SQL_MAX_BYTES = 8192 };

static bool refuse_failed(const struct agent *agent, const struct error *err, struct refusal *refusal)
{
    log_error(agent->log, "export: %s", err->text);
    if (err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT || err->code == ERR_BUSY ||
        err->code == ERR_CANCELLED)
        return refuse_export(refusal, 503, "source_away",
                             "the database that this machine exports from does not answer; the agent's log"
                             " says more");
    return refuse_export(refusal, 503, "source_failed",
                         "the table that this machine exports cannot be read; the agent's log says why");
}

static struct table_link *open_link(const struct agent *agent, struct error *err)
{
    SCOPE_BUF struct buf url = BUF_LIMIT(URL_MAX_BYTES);
    struct table_link *link = NULL;
    if (export_table_url(agent->appliance, &url, err))
        link = table_link_open(url.data, TABLE_TRANSACTION_S, &agent->stopping, err);
    if (url.data != NULL)
        explicit_bzero(url.data, url.size);
    return link;
}

static void say_range(const struct export_request *wanted, const struct table_range *range,
                      struct export_plan *out)
{
    int64_t until_us = wanted->since != NULL ? wanted->since_us : 0;
    out->count = range->count;
    out->has_period = true;
    out->first_us = range->count > 0 ? range->first_us : until_us;
    out->last_us = range->count > 0 ? range->last_us : until_us;
}

static bool find_and_start(const struct agent *agent, const struct export_request *wanted,
                           struct table_link *link, struct export_plan *out, struct error *err)
{
    struct table_range range = {.since_us = wanted->since_us, .limit = wanted->limit_rows};
    SCOPE_BUF struct buf copy_sql = BUF_LIMIT(COPY_SQL_MAX_BYTES);
    if (!table_range_find(link, &agent->table.table, &range, &copy_sql, err)) {
        table_link_close(link);
        return false;
    }
    if (range.left_out > 0)
        log_warn(agent->log,
                 "export: %" PRId64
                 " rows of the table have no time, one in the future or one before the year"
                 " 1: they are left out",
                 range.left_out);
    out->source = table_source_new(link, copy_sql.data, range.count, agent->log, err);
    say_range(wanted, &range, out);
    return out->source != NULL;
}

bool export_plan_table(struct agent *agent, const struct export_request *wanted, struct export_plan *out,
                       struct refusal *refusal)
{
    *out = (struct export_plan){.source = NULL};
    snprintf(out->store_id, sizeof(out->store_id), "%s", agent->table.store_id);
    if (wanted->stream != EXPORT_READINGS)
        return refuse_export(refusal, 400, "no_stream",
                             "this machine exports a table, which has readings only");
    struct error err;
    struct table_link *link = open_link(agent, &err);
    if (link == NULL || !find_and_start(agent, wanted, link, out, &err))
        return refuse_failed(agent, &err, refusal);
    return true;
}
