#include "agent/support_route.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/routes.h"
#include "agent/support_bundle.h"

enum { HEADER_BYTES = SUPPORT_NAME_BYTES + 64, SECONDS_TEXT_BYTES = 16 };

struct support_stream {
    struct agent *agent;
    struct session *session; /* held: the stream may outlive its request */
    struct support_bundle *bundle;
    bool has_place;    /* the one that there is */
    bool headers_only; /* HEAD: nobody reads it */
    char peer[HTTP_ADDRESS_BYTES];
};

static void leave_place(struct support_stream *stream)
{
    if (stream->has_place)
        atomic_store(&stream->agent->support_busy, false);
    stream->has_place = false;
}

/* The place is free before its end leaves: who has all of one may ask for the next at once. */
static ssize_t read_stream(void *context, char *out, size_t out_bytes)
{
    struct support_stream *stream = context;
    struct error err;
    ssize_t size = support_bundle_read(stream->bundle, out, out_bytes, &err);
    if (size == 0)
        leave_place(stream);
    if (size < 0)
        log_warn(stream->agent->log, "support bundle for %s broken off: %s", stream->peer, err.text);
    return size;
}

static void release_stream(void *context)
{
    struct support_stream *stream = context;
    struct agent *agent = stream->agent;
    bool whole = support_bundle_is_whole(stream->bundle);
    if (!stream->headers_only)
        log_info(agent->log, "support bundle for %s: %" PRId64 " bytes, %s", stream->peer,
                 support_bundle_bytes(stream->bundle), whole ? "whole" : "cut off");
    session_note_export(stream->session, whole || stream->headers_only ? SESSION_OK : SESSION_CUT_OFF, 0,
                        support_bundle_bytes(stream->bundle));
    session_release(stream->session);
    support_bundle_free(stream->bundle);
    leave_place(stream);
    free(stream);
}

static void add_headers(struct http_request *request, const struct support_bundle *bundle)
{
    char disposition[HEADER_BYTES];
    snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s.tar.zst\"",
             support_bundle_name(bundle));
    http_add_header(request, "Content-Disposition", disposition);
    http_add_header(request, "Cache-Control", "no-store");
}

/* True when the stream was started. */
static bool start_stream(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct error err = {.code = ERR_NONE};
    const struct support_scene scene = {
        .appliance = agent->appliance,
        .clock = agent->clock,
        .agent_id = agent->identity.agent_id,
        .telemetry_folder = agent->telemetry_folder.text,
        .agent_started_us = agent->started_us,
    };
    struct support_bundle *bundle = support_bundle_new(&scene, &err);
    struct support_stream *stream = bundle == NULL ? NULL : calloc(1, sizeof(*stream));
    if (stream == NULL) {
        support_bundle_free(bundle);
        log_error(agent->log, "support bundle: %s", bundle == NULL ? err.text : "no memory left");
        agent_refuse(request, 500, "internal", "the agent's log says why");
        return false;
    }
    stream->agent = agent;
    stream->session = session_of(request);
    stream->bundle = bundle;
    stream->has_place = true;
    stream->headers_only = http_is_head(request);
    if (stream->headers_only)
        leave_place(stream);
    snprintf(stream->peer, sizeof(stream->peer), "%s", http_peer(request));
    session_hold(stream->session);
    add_headers(request, bundle);
    http_answer_stream(request, 200, "application/zstd", read_stream, stream, release_stream);
    return true;
}

void answer_support(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    if (http_query_count(request) > 0) {
        agent_refuse(request, 400, "bad_request", "this call has no parameters");
        return;
    }
    if (atomic_exchange(&agent->support_busy, true)) {
        char seconds[SECONDS_TEXT_BYTES];
        snprintf(seconds, sizeof(seconds), "%d", AGENT_RETRY_S);
        http_add_header(request, "Retry-After", seconds);
        agent_refuse(request, 503, "busy", "another support bundle is under way");
        return;
    }
    if (!start_stream(request))
        atomic_store(&agent->support_busy, false);
}
