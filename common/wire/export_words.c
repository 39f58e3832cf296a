#include "common/wire/export_words.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/http_client.h"

static bool is_stream(const struct export_ask *ask, const char *stream)
{
    return strcmp(ask->stream, stream) == 0;
}

/* ---- the request ---- */

/* name: with its `=`. */
static void begin_parameter(struct buf *out, const char *name)
{
    bool first = memchr(out->data, '?', out->size) == NULL;
    buf_printf(out, "%s%s", first ? "?" : "&", name);
}

/* The readings of a table have no seq, and the first fetch of them names no time either. */
static void write_range(const struct export_ask *ask, struct buf *out)
{
    if (ask->since[0] != '\0') {
        begin_parameter(out, "since=");
        http_encode(out, view_of(ask->since));
    } else if (ask->has_seq) {
        begin_parameter(out, "after=");
        buf_printf(out, "%" PRId64 "&store=", ask->after);
        http_encode(out, view_of(ask->store_id));
    }
    if (ask->limit > 0) {
        begin_parameter(out, "limit=");
        buf_printf(out, "%" PRId64, ask->limit);
    }
}

/* Readings are what every agent sends unasked; the other streams are asked for by name, channels whole. */
bool export_ask_write(const struct export_ask *ask, struct buf *out, struct error *err)
{
    buf_append_text(out, "/data/export");
    if (!is_stream(ask, "readings")) {
        begin_parameter(out, "stream=");
        buf_append_text(out, ask->stream);
    }
    if (!is_stream(ask, "channels"))
        write_range(ask, out);
    buf_text(out);
    return buf_check(out, "the request", err);
}

const char *export_ask_accept(const struct export_ask *ask)
{
    return ask->format == PACK_ZSTD ? "Accept: application/zstd" : "Accept: application/gzip";
}

/* ---- the answer's headers ---- */

struct headers {
    const char *(*header)(const void *context, const char *name);
    const void *context;
};

static bool need_number(const struct headers *headers, const char *name, int64_t *out, struct error *err)
{
    const char *text = headers->header(headers->context, name);
    return (text != NULL && text_parse_i64(view_of(text), 0, INT64_MAX, out)) ||
           error_set(err, ERR_PROTOCOL, "the export's header %s is %s", name,
                     text == NULL ? "missing" : "no whole number");
}

/* What counts is what the lines say: this one only has to be there. */
static bool need_time(const struct headers *headers, const char *name, struct error *err)
{
    const char *text = headers->header(headers->context, name);
    int64_t ignored;
    return (text != NULL && rfc3339_parse_us(view_of(text), &ignored)) ||
           error_set(err, ERR_PROTOCOL, "the export's header %s is %s", name,
                     text == NULL ? "missing" : "no time");
}

static bool check_kind(const struct headers *headers, const struct export_ask *ask, struct error *err)
{
    const char *type = headers->header(headers->context, "Content-Type");
    const char *expected = ask->format == PACK_ZSTD ? "application/zstd" : "application/gzip";
    if (type == NULL || strcmp(type, expected) != 0)
        return error_set(err, ERR_PROTOCOL, "the export is not %s", expected);
    const char *store = headers->header(headers->context, "X-Store-Id");
    return (store != NULL && strcmp(store, ask->store_id) == 0) ||
           error_set(err, ERR_PROTOCOL, "the export is not of the store %s that was asked for",
                     ask->store_id);
}

static bool need_seq(const struct headers *headers, struct export_promise *promise, struct error *err)
{
    return need_number(headers, "X-First-Seq", &promise->first_seq, err) &&
           need_number(headers, "X-Last-Seq", &promise->last_seq, err);
}

bool export_promise_read(const struct export_ask *ask,
                         const char *(*header)(const void *context, const char *name), const void *context,
                         struct export_promise *out, struct error *err)
{
    const struct headers headers = {header, context};
    struct export_promise promise = {.first_seq = -1, .last_seq = -1};
    if (!check_kind(&headers, ask, err) || !need_number(&headers, "X-Record-Count", &promise.count, err))
        return false;
    bool ranged = promise.count > 0 && !is_stream(ask, "channels");
    if (ranged && ask->has_seq && !need_seq(&headers, &promise, err))
        return false;
    if (ranged && is_stream(ask, "readings") &&
        (!need_time(&headers, "X-Period-Start", err) || !need_time(&headers, "X-Period-End", err)))
        return false;
    *out = promise;
    return true;
}
