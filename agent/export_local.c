/* Exports of the machine's own store. */
#include "agent/export_plan.h"
#include "agent/info_source.h"
#include "agent/readings_source.h"

static bool refuse_failed_store(const struct agent *agent, const struct error *err, struct refusal *refusal)
{
    if (err->code == ERR_NOT_FOUND)
        return refuse_export(refusal, 503, "no_store", "nothing was measured yet");
    log_error(agent->log, "export: %s", err->text);
    return refuse_export(refusal, 503, "store_failed",
                         "the telemetry store cannot be read; the agent's log says why");
}

/* ---- the streams ---- */

/* What an empty one says: the next `since` or `after` that leaves nothing out. */
static void say_empty(const struct export_request *wanted, const struct store_state *state,
                      struct export_plan *out)
{
    int64_t until_us = wanted->since != NULL ? wanted->since_us : state->last_time_us;
    out->first_us = out->last_us = until_us == INT64_MIN ? 0 : until_us;
    out->first_seq = out->last_seq = wanted->after != NULL ? wanted->after_seq : state->next_seq - 1;
}

static void say_range(const struct export_request *wanted, const struct store_state *state,
                      const struct store_range *range, struct export_plan *out)
{
    out->count = range->count;
    out->has_seq = out->has_period = true;
    out->first_seq = range->first_seq;
    out->last_seq = range->last_seq;
    out->first_us = range->first_time_us;
    out->last_us = range->last_time_us;
    if (range->count == 0)
        say_empty(wanted, state, out);
}

/* Takes the reader over. */
static bool plan_readings(struct store_reader **reader, const struct export_request *wanted,
                          struct store_range *range, struct export_plan *out, struct error *err)
{
    bool found = wanted->since != NULL
                     ? store_range_since(*reader, wanted->since_us, wanted->limit_rows, range, err)
                     : store_range_after(*reader, wanted->after_seq, wanted->limit_rows, range, err);
    if (found)
        out->source = readings_source_new(POINTER_TAKE(*reader), range, err);
    return out->source != NULL;
}

static bool plan_alarms(struct store_reader *reader, const struct export_request *wanted,
                        struct store_range *range, struct export_plan *out, struct error *err)
{
    out->source =
        alarms_source_new(reader, wanted->after_seq, wanted->since_us, wanted->limit_rows, range, err);
    return out->source != NULL;
}

static bool plan_channels(struct store_reader *reader, struct export_plan *out, struct error *err)
{
    size_t count = 0;
    out->source = channels_source_new(reader, &count, err);
    out->count = (int64_t)count;
    return out->source != NULL;
}

/* state is read before the range, so what comes in between is in the range. */
static bool plan_stream(struct store_reader **reader, const struct export_request *wanted,
                        const struct store_state *state, struct export_plan *out, struct error *err)
{
    if (wanted->stream == EXPORT_CHANNELS)
        return plan_channels(*reader, out, err);
    struct store_range range;
    bool ok = wanted->stream == EXPORT_READINGS ? plan_readings(reader, wanted, &range, out, err)
                                                : plan_alarms(*reader, wanted, &range, out, err);
    if (ok)
        say_range(wanted, state, &range, out);
    return ok;
}

bool export_plan_local(struct agent *agent, const struct export_request *wanted, struct export_plan *out,
                       struct refusal *refusal)
{
    *out = (struct export_plan){.source = NULL};
    struct error err;
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(agent->telemetry_folder.text, &err);
    if (reader == NULL)
        return refuse_failed_store(agent, &err, refusal);
    snprintf(out->store_id, sizeof(out->store_id), "%s", store_reader_id(reader));
    if (wanted->store != NULL && strcmp(wanted->store, out->store_id) != 0)
        return refuse_export(refusal, 409, "store_changed",
                             "the machine has begun a new store: export it from its beginning");
    struct store_state state;
    if (!store_reader_state(reader, &state, &err))
        return refuse_failed_store(agent, &err, refusal);
    if (wanted->after_seq >= state.next_seq)
        return refuse_export(refusal, 400, "bad_after", "the store has not come that far");
    return plan_stream(&reader, wanted, &state, out, &err) || refuse_failed_store(agent, &err, refusal);
}
