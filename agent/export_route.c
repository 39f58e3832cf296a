#include "agent/export_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/exporter.h"
#include "agent/routes.h"
#include "common/base/rfc3339.h"
#include "common/net/json_writer.h"

enum { NUMBER_TEXT_BYTES = 24, CHANGED_ANSWER_BYTES = 512 };

/* ---- parameters ---- */

struct export_request {
    const char *since, *after, *store, *limit, *stream; /* as given; NULL: not given */
    int64_t since_us;                                   /* INT64_MIN: not given */
    int64_t after_seq;                                  /* 0: not given */
    int64_t limit_rows;                                 /* 0: not given */
};

static size_t given(const char *value)
{
    return value != NULL ? 1 : 0;
}

static bool is_uuid(struct view text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool fits = text.size == sizeof(shape) - 1;
    for (size_t i = 0; fits && i < text.size; i++) {
        bool dash = text.data[i] == '-';
        fits = shape[i] == '-' ? dash : memchr("0123456789abcdefABCDEF", text.data[i], 22) != NULL;
    }
    return fits;
}

/* A refusal: status, the stable word, a sentence. */
struct refusal {
    unsigned status;
    const char *error, *detail;
};

static struct refusal bad(const char *error, const char *detail)
{
    return (struct refusal){400, error, detail};
}

/* What the values are; status 0: all is well. */
static struct refusal read_values(struct export_request *out)
{
    if (out->since != NULL && !rfc3339_parse_us(view_of(out->since), &out->since_us))
        return bad("bad_since", "since: expected an RFC 3339 time such as 2026-02-22T10:00:00Z");
    if (out->after != NULL && !text_parse_i64(view_of(out->after), 0, INT64_MAX - 1, &out->after_seq))
        return bad("bad_after", "after: expected the seq of a reading, or 0");
    if (out->limit != NULL && !text_parse_i64(view_of(out->limit), 1, INT64_MAX, &out->limit_rows))
        return bad("bad_limit", "limit: expected a whole number from 1 on");
    if (out->after != NULL && out->store == NULL)
        return bad("bad_store", "after is a place in one store: store=<its store_id> must be given with it");
    if (out->store != NULL && (out->after == NULL || !is_uuid(view_of(out->store))))
        return bad("bad_store", "store: expected a store_id, given with after");
    return (struct refusal){0};
}

static struct refusal read_request(struct http_request *request, struct export_request *out)
{
    *out = (struct export_request){
        .since = http_query(request, "since"),
        .after = http_query(request, "after"),
        .store = http_query(request, "store"),
        .limit = http_query(request, "limit"),
        .stream = http_query(request, "stream"),
        .since_us = INT64_MIN,
    };
    size_t known =
        given(out->since) + given(out->after) + given(out->store) + given(out->limit) + given(out->stream);
    if (http_query_count(request) != known)
        return bad("bad_request", "the parameters are since, after, store, limit and stream");
    if (out->since != NULL && out->after != NULL)
        return bad("bad_request", "since and after are two ways to say the same: give one");
    struct view stream = view_of(out->stream == NULL ? "readings" : out->stream);
    if (view_is(stream, "alarms") || view_is(stream, "channels"))
        return (struct refusal){501, "not_implemented", "this version exports readings only"};
    if (!view_is(stream, "readings"))
        return bad("bad_request", "stream: expected readings");
    return read_values(out);
}

/* ---- the stream ---- */

struct export_stream {
    struct agent *agent;
    struct session *session; /* held: the stream may outlive its request */
    struct export *export;
    char peer[HTTP_ADDRESS_BYTES];
};

static ssize_t read_stream(void *context, char *out, size_t out_bytes)
{
    const struct export_stream *stream = context;
    struct error err;
    ssize_t size = export_read(stream->export, out, out_bytes, &err);
    if (size < 0)
        log_warn(stream->agent->log, "export to %s broken off: %s", stream->peer, err.text);
    return size;
}

static void release_stream(void *context)
{
    struct export_stream *stream = context;
    struct agent *agent = stream->agent;
    bool whole = export_is_whole(stream->export);
    const struct store_range *range = export_range(stream->export);
    if (whole && range->count > 0)
        last_sync_note(&agent->last_sync, range->last_time_us);
    session_note_export(stream->session, whole ? SESSION_OK : SESSION_CUT_OFF, whole ? range->count : 0,
                        export_bytes(stream->export));
    session_release(stream->session);
    export_free(stream->export);
    free(stream);
    atomic_fetch_sub(&agent->exports, 1);
}

/* The answer's periods: for an empty one what the next `since` may be without leaving a reading out. */
struct period {
    int64_t first_us, last_us;
};

static struct period period_of(const struct export_request *wanted, const struct store_range *range,
                               const struct store_state *state)
{
    if (range->count > 0)
        return (struct period){range->first_time_us, range->last_time_us};
    int64_t until_us = wanted->since != NULL ? wanted->since_us : state->last_time_us;
    if (until_us == INT64_MIN)
        until_us = 0;
    return (struct period){until_us, until_us};
}

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

static void add_headers(struct http_request *request, const struct export_request *wanted,
                        const struct store_range *range, const struct store_state *state,
                        const char *store_id)
{
    struct period period = period_of(wanted, range, state);
    bool empty = range->count == 0;
    int64_t reached = wanted->after != NULL ? wanted->after_seq : state->next_seq - 1;
    add_number(request, "X-Record-Count", range->count);
    add_time(request, "X-Period-Start", period.first_us);
    add_time(request, "X-Period-End", period.last_us);
    http_add_header(request, "X-Store-Id", store_id);
    add_number(request, "X-First-Seq", empty ? reached : range->first_seq);
    add_number(request, "X-Last-Seq", empty ? reached : range->last_seq);
}

/* ---- the call ---- */

static void add_retry_after(struct http_request *request)
{
    add_number(request, "Retry-After", AGENT_RETRY_S);
}

static void answer_store_error(struct http_request *request, const struct error *err)
{
    add_retry_after(request);
    if (err->code == ERR_NOT_FOUND) {
        agent_refuse(request, 503, "no_store", "nothing was measured yet");
        return;
    }
    log_error(agent_of(request)->log, "export: %s", err->text);
    agent_refuse(request, 503, "store_failed",
                 "the telemetry store cannot be read; the agent's log says why");
}

static void answer_store_changed(struct http_request *request, const char *store_id)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(CHANGED_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "error", "store_changed");
    json_string(&writer, "detail", "the machine has begun a new store: export it from its beginning");
    json_string(&writer, "store_id", store_id);
    json_end_object(&writer);
    session_note(session_of(request), SESSION_REFUSED);
    if (buf_check(&body, "the answer", NULL))
        http_answer_json(request, 409, buf_view(&body));
    else
        http_answer_error(request, 409, "store_changed", NULL);
}

static bool find_range(struct store_reader *reader, const struct export_request *wanted,
                       struct store_state *state, struct store_range *range, struct error *err)
{
    if (!store_reader_state(reader, state, err))
        return false;
    return wanted->since != NULL
               ? store_range_since(reader, wanted->since_us, wanted->limit_rows, range, err)
               : store_range_after(reader, wanted->after_seq, wanted->limit_rows, range, err);
}

/* The reader goes over to the stream. */
static void start_stream(struct http_request *request, struct store_reader *reader,
                         const struct store_range *range)
{
    struct agent *agent = agent_of(request);
    struct error err;
    struct export *export = export_new(reader, range, &err);
    struct export_stream *stream = export == NULL ? NULL : calloc(1, sizeof(*stream));
    if (stream == NULL) {
        export_free(export);
        atomic_fetch_sub(&agent->exports, 1);
        log_error(agent->log, "export: %s", export == NULL ? err.text : "no memory left");
        agent_refuse(request, 500, "internal", NULL);
        return;
    }
    stream->agent = agent;
    stream->session = session_of(request);
    stream->export = export;
    snprintf(stream->peer, sizeof(stream->peer), "%s", http_peer(request));
    session_hold(stream->session);
    http_answer_stream(request, 200, "application/gzip", read_stream, stream, release_stream);
}

/* True when the stream was started. */
static bool export_from(struct http_request *request, const struct export_request *wanted)
{
    struct agent *agent = agent_of(request);
    struct error err;
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(agent->telemetry_folder.text, &err);
    if (reader == NULL) {
        answer_store_error(request, &err);
        return false;
    }
    const char *store_id = store_reader_id(reader);
    if (wanted->store != NULL && strcmp(wanted->store, store_id) != 0) {
        answer_store_changed(request, store_id);
        return false;
    }
    struct store_state state;
    struct store_range range;
    if (!find_range(reader, wanted, &state, &range, &err)) {
        answer_store_error(request, &err);
        return false;
    }
    if (wanted->after_seq >= state.next_seq) {
        agent_refuse(request, 400, "bad_after", "the store has not come that far");
        return false;
    }
    add_headers(request, wanted, &range, &state, store_id);
    start_stream(request, POINTER_TAKE(reader), &range);
    return true;
}

void answer_export(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct export_request wanted;
    struct refusal refusal = read_request(request, &wanted);
    if (refusal.status != 0) {
        agent_refuse(request, refusal.status, refusal.error, refusal.detail);
        return;
    }
    if (atomic_fetch_add(&agent->exports, 1) >= AGENT_EXPORTS_MAX) {
        atomic_fetch_sub(&agent->exports, 1);
        add_retry_after(request);
        agent_refuse(request, 503, "busy", "as many exports are under way as this machine gives at once");
        return;
    }
    if (!export_from(request, &wanted))
        atomic_fetch_sub(&agent->exports, 1);
}
