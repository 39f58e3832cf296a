#include "agent/export_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/export_plan.h"
#include "agent/exporter.h"
#include "agent/routes.h"
#include "common/base/rfc3339.h"
#include "common/net/json_writer.h"

enum { NUMBER_TEXT_BYTES = 24, CHANGED_ANSWER_BYTES = 512 };

/* ---- the stream ---- */

struct export_answer {
    struct agent *agent;
    struct session *session; /* held: the answer may outlive its request */
    struct exporter *exporter;
    enum export_stream stream;
    int64_t count, last_us;
    bool headers_only; /* HEAD: nobody reads it */
    char peer[HTTP_ADDRESS_BYTES];
};

static ssize_t read_answer(void *context, char *out, size_t out_bytes)
{
    const struct export_answer *answer = context;
    struct error err;
    ssize_t size = exporter_read(answer->exporter, out, out_bytes, &err);
    if (size < 0)
        log_warn(answer->agent->log, "export to %s broken off: %s", answer->peer, err.text);
    return size;
}

static void note_end(const struct export_answer *answer)
{
    bool whole = exporter_is_whole(answer->exporter);
    bool readings = answer->stream == EXPORT_READINGS;
    if (whole && readings && answer->count > 0)
        last_sync_note(&answer->agent->last_sync, answer->last_us);
    if (whole && answer->stream == EXPORT_ALARMS)
        session_note_alarms(answer->session, answer->count);
    session_note_export(answer->session, whole || answer->headers_only ? SESSION_OK : SESSION_CUT_OFF,
                        whole && readings ? answer->count : 0, exporter_bytes(answer->exporter));
}

static void release_answer(void *context)
{
    struct export_answer *answer = context;
    struct agent *agent = answer->agent;
    note_end(answer);
    session_release(answer->session);
    exporter_free(answer->exporter);
    free(answer);
    atomic_fetch_sub(&agent->exports, 1);
}

/* ---- headers ---- */

static void add_number(struct http_request *request, const char *name, int64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    snprintf(text, sizeof(text), "%" PRId64, value);
    http_add_header(request, name, text);
}

static void add_time(struct http_request *request, const char *name, int64_t utc_us)
{
    char text[RFC3339_US_BYTES];
    rfc3339_format_us(text, utc_us);
    http_add_header(request, name, text);
}

static void add_headers(struct http_request *request, const struct export_plan *plan)
{
    add_number(request, "X-Record-Count", plan->count);
    http_add_header(request, "X-Store-Id", plan->store_id);
    if (plan->has_period) {
        add_time(request, "X-Period-Start", plan->first_us);
        add_time(request, "X-Period-End", plan->last_us);
    }
    if (plan->has_seq) {
        add_number(request, "X-First-Seq", plan->first_seq);
        add_number(request, "X-Last-Seq", plan->last_seq);
    }
    http_add_header(request, "Vary", "Accept");
}

/* ---- refusals ---- */

static void answer_store_changed(struct http_request *request, const struct refusal *refusal,
                                 const char *store_id)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(CHANGED_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "error", refusal->error);
    json_string(&writer, "detail", refusal->detail);
    json_string(&writer, "store_id", store_id);
    json_end_object(&writer);
    session_note(session_of(request), SESSION_REFUSED);
    if (buf_check(&body, "the answer", NULL))
        http_answer_json(request, refusal->status, buf_view(&body));
    else
        http_answer_error(request, refusal->status, refusal->error, refusal->detail);
}

static void answer_refusal(struct http_request *request, const struct refusal *refusal)
{
    if (refusal->status == 503)
        add_number(request, "Retry-After", AGENT_RETRY_S);
    agent_refuse(request, refusal->status, refusal->error, refusal->detail);
}

/* ---- the call ---- */

/* The source goes over to the stream. True when it was started. */
static bool start_stream(struct http_request *request, const struct export_request *wanted,
                         const struct export_plan *plan)
{
    static const char *const types[] = {[PACK_GZIP] = "application/gzip", [PACK_ZSTD] = "application/zstd"};
    struct agent *agent = agent_of(request);
    struct error err = {.text = "no memory left"};
    struct exporter *exporter = exporter_new(plan->source, plan->count, wanted->format, &err);
    struct export_answer *answer = exporter == NULL ? NULL : calloc(1, sizeof(*answer));
    if (answer == NULL) {
        exporter_free(exporter);
        log_error(agent->log, "export: %s", err.text);
        agent_refuse(request, 500, "internal", "no memory is left: try again later");
        return false;
    }
    *answer = (struct export_answer){
        .agent = agent,
        .session = session_of(request),
        .exporter = exporter,
        .stream = wanted->stream,
        .count = plan->count,
        .last_us = plan->last_us,
    };
    snprintf(answer->peer, sizeof(answer->peer), "%s", http_peer(request));
    answer->headers_only = http_is_head(request);
    session_hold(answer->session);
    add_headers(request, plan);
    http_answer_stream(request, 200, types[wanted->format], read_answer, answer, release_answer);
    return true;
}

/* True when a stream was started. */
static bool export_as_wanted(struct http_request *request, const struct export_request *wanted)
{
    struct export_plan plan;
    struct refusal refusal;
    struct agent *agent = agent_of(request);
    if (agent->of_table ? export_plan_table(agent, wanted, &plan, &refusal)
                        : export_plan_local(agent, wanted, &plan, &refusal))
        return start_stream(request, wanted, &plan);
    if (refusal.status == 409)
        answer_store_changed(request, &refusal, plan.store_id);
    else
        answer_refusal(request, &refusal);
    return false;
}

static void answer_now(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct export_request wanted;
    struct refusal refusal;
    if (!export_request_read(request, !agent->of_table, &wanted, &refusal)) {
        answer_refusal(request, &refusal);
        return;
    }
    if (atomic_fetch_add(&agent->exports, 1) >= AGENT_EXPORTS_MAX) {
        atomic_fetch_sub(&agent->exports, 1);
        refuse_export(&refusal, 503, "busy", "as many exports are under way as this machine gives at once");
        answer_refusal(request, &refusal);
        return;
    }
    if (!export_as_wanted(request, &wanted))
        atomic_fetch_sub(&agent->exports, 1);
}

void answer_export(struct http_request *request)
{
    if (agent_of(request)->of_table)
        http_answer_aside(request, answer_now);
    else
        answer_now(request);
}
