/* What an export will give, found out before its first byte: the source of its lines, and what its headers
 * say of it. Threads: safe. */
#ifndef AGENT_EXPORT_PLAN_H
#define AGENT_EXPORT_PLAN_H

#include "agent/agent.h"
#include "agent/export_request.h"
#include "agent/line_source.h"
#include "collector/telemetry_store.h"

struct export_plan {
    struct line_source *source; /* its owner's to free */
    int64_t count;              /* lines, exactly */
    char store_id[STORE_ID_BYTES];
    bool has_seq;
    int64_t first_seq, last_seq; /* of the first and last line; of an empty export: how far the store is */
    bool has_period;
    int64_t first_us, last_us; /* of an empty export: what the next `since` may be */
};

/* From the machine's own store. False with *refusal; then nothing is left to free. 409 `store_changed`:
 * out->store_id says which it is now. What is wrong with the machine is logged. */
bool export_plan_local(struct agent *agent, const struct export_request *wanted, struct export_plan *out,
                       struct refusal *refusal) MUST_USE;

/* From the table of EXPORT_SOURCE, agent->of_table; it may take a while. As export_plan_local. */
bool export_plan_table(struct agent *agent, const struct export_request *wanted, struct export_plan *out,
                       struct refusal *refusal) MUST_USE;

#endif
