#include "agent/export_request.h"

#include "agent/accept.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"

static const char *const streams[] = {
    [EXPORT_READINGS] = "readings",
    [EXPORT_ALARMS] = "alarms",
    [EXPORT_CHANNELS] = "channels",
};

bool refuse_export(struct refusal *refusal, unsigned status, const char *error, const char *detail)
{
    *refusal = (struct refusal){status, error, detail};
    return false;
}

static bool bad(struct refusal *refusal, const char *error, const char *detail)
{
    return refuse_export(refusal, 400, error, detail);
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

static bool read_values(struct export_request *out, struct refusal *refusal)
{
    if (out->since != NULL && !rfc3339_parse_us(view_of(out->since), &out->since_us))
        return bad(refusal, "bad_since", "since: expected an RFC 3339 time such as 2026-02-22T10:00:00Z");
    if (out->after != NULL && !text_parse_i64(view_of(out->after), 0, INT64_MAX - 1, &out->after_seq))
        return bad(refusal, "bad_after", "after: expected the seq of a reading or an alarm, or 0");
    if (out->limit != NULL && !text_parse_i64(view_of(out->limit), 1, INT64_MAX, &out->limit_rows))
        return bad(refusal, "bad_limit", "limit: expected a whole number from 1 on");
    if (out->after != NULL && out->store == NULL)
        return bad(refusal, "bad_store",
                   "after is a place in one store: store=<its store_id> must be given with it");
    if (out->store != NULL && (out->after == NULL || !is_uuid(view_of(out->store))))
        return bad(refusal, "bad_store", "store: expected a store_id, given with after");
    return true;
}

static bool read_stream(const char *name, struct export_request *out, struct refusal *refusal)
{
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        if (name == NULL || strcmp(name, streams[i]) == 0) {
            out->stream = (enum export_stream)i;
            return true;
        }
    }
    return bad(refusal, "bad_request", "stream: expected readings, alarms or channels");
}

static size_t given(const char *value)
{
    return value != NULL ? 1 : 0;
}

bool export_request_read(struct http_request *request, bool cursor, struct export_request *out,
                         struct refusal *refusal)
{
    const char *stream = http_query(request, "stream");
    *out = (struct export_request){
        .since = http_query(request, "since"),
        .after = http_query(request, "after"),
        .store = http_query(request, "store"),
        .limit = http_query(request, "limit"),
        .format = accept_format(http_header(request, "Accept")),
        .since_us = INT64_MIN,
    };
    size_t range = given(out->since) + given(out->after) + given(out->store) + given(out->limit);
    if (http_query_count(request) != range + given(stream))
        return bad(refusal, "bad_request", "the parameters are since, after, store, limit and stream");
    if (out->since != NULL && out->after != NULL)
        return bad(refusal, "bad_request", "since and after are two ways to say the same: give one");
    if (!read_stream(stream, out, refusal))
        return false;
    if (!cursor && out->after != NULL)
        return bad(refusal, "no_cursor",
                   "this machine exports a table, whose rows have no seq: ask with since");
    if (out->stream == EXPORT_CHANNELS && range > 0)
        return bad(refusal, "bad_request",
                   "channels are always exported whole: stream is the only parameter");
    return read_values(out, refusal);
}
