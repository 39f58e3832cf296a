#include "server_tools/sync_client/export.h"

#include <inttypes.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "server_tools/sync_client/receiver.h"

enum {
    TARGET_MAX_BYTES = 512,
    FRAME_MAX_BYTES = 64 * 1024, /* of a compressed stream, besides its lines */
};

/* What the answer's headers promise. */
struct promise {
    int64_t count, first_seq, last_seq;
};

/* Held while the answer comes in. */
struct incoming {
    struct session *session;
    const struct export_request *request;
    struct receiver receiver;
    struct promise promise;
    struct error *err;
};

/* ---- the request ---- */

static bool write_target(const struct export_request *request, struct buf *out, struct error *err)
{
    if (request->by_time) {
        buf_append_text(out, "/data/export?since=");
        http_encode(out, view_of(request->since));
    } else {
        buf_printf(out, "/data/export?after=%" PRId64 "&store=", request->after);
        http_encode(out, view_of(request->store_id));
    }
    if (request->limit > 0)
        buf_printf(out, "&limit=%" PRId64, request->limit);
    buf_text(out);
    return buf_check(out, "the request", err);
}

/* ---- the headers ---- */

static bool need_number(const struct http_client *client, const char *name, int64_t *out, struct error *err)
{
    const char *text = http_client_header(client, name);
    return (text != NULL && text_parse_i64(view_of(text), 0, INT64_MAX, out)) ||
           error_set(err, ERR_PROTOCOL, "the export's header %s is %s", name,
                     text == NULL ? "missing" : "no whole number");
}

/* What counts is what the lines say: this one only has to be there. */
static bool need_time(const struct http_client *client, const char *name, struct error *err)
{
    const char *text = http_client_header(client, name);
    int64_t ignored;
    return (text != NULL && rfc3339_parse_us(view_of(text), &ignored)) ||
           error_set(err, ERR_PROTOCOL, "the export's header %s is %s", name,
                     text == NULL ? "missing" : "no time");
}

static bool check_kind(const struct http_client *client, const struct export_request *request,
                       struct error *err)
{
    const char *type = http_client_header(client, "Content-Type");
    if (type == NULL || strcmp(type, "application/gzip") != 0)
        return error_set(err, ERR_PROTOCOL, "the export is not application/gzip");
    const char *store = http_client_header(client, "X-Store-Id");
    return (store != NULL && strcmp(store, request->store_id) == 0) ||
           error_set(err, ERR_PROTOCOL, "the export is not of the store %s that was asked for",
                     request->store_id);
}

static bool take_headers(void *context, struct http_client *client)
{
    struct incoming *incoming = context;
    struct promise *promise = &incoming->promise;
    struct error *err = incoming->err;
    if (!check_kind(client, incoming->request, err) ||
        !need_number(client, "X-Record-Count", &promise->count, err))
        return false;
    if (promise->count > 0 &&
        (!need_number(client, "X-First-Seq", &promise->first_seq, err) ||
         !need_number(client, "X-Last-Seq", &promise->last_seq, err) ||
         !need_time(client, "X-Period-Start", err) || !need_time(client, "X-Period-End", err)))
        return false;
    notices_begin(incoming->session->notices, "receiving", promise->count);
    return true;
}

/* More lines than the headers say, or more bytes than so many lines can need: whatever else comes would only
 * fill the disk. */
static bool check_room(const struct incoming *incoming, struct error *err)
{
    int64_t count = incoming->promise.count;
    int64_t lines_bytes = incoming->receiver.bytes - FRAME_MAX_BYTES;
    if (incoming->receiver.lines <= count && lines_bytes / RECORD_LINE_MAX_BYTES <= count)
        return true;
    return error_set(err, ERR_PROTOCOL, "the export says %" PRId64 " readings and sends more: it is not kept",
                     count);
}

static bool take_piece(void *context, struct view piece)
{
    struct incoming *incoming = context;
    if (!receiver_take(&incoming->receiver, piece, incoming->err) || !check_room(incoming, incoming->err))
        return false;
    notices_advance(incoming->session->notices, incoming->receiver.lines, incoming->receiver.bytes);
    return true;
}

/* ---- the end ---- */

static bool check_promise(const struct promise *promise, const struct export_request *request,
                          const struct received *received, struct error *err)
{
    if (received->lines != promise->count)
        return error_set(err, ERR_PROTOCOL,
                         "the export says %" PRId64 " readings and holds %" PRId64 ": it is not kept",
                         promise->count, received->lines);
    if (received->lines > 0 &&
        (received->first_seq != promise->first_seq || received->last_seq != promise->last_seq))
        return error_set(err, ERR_PROTOCOL,
                         "the export says seq %" PRId64 " to %" PRId64 " and holds %" PRId64 " to %" PRId64
                         ": it is not kept",
                         promise->first_seq, promise->last_seq, received->first_seq, received->last_seq);
    if (received->lines > 0 && received->last_seq - received->first_seq < received->lines - 1)
        return error_set(err, ERR_PROTOCOL,
                         "the export holds %" PRId64 " readings from seq %" PRId64 " to %" PRId64
                         ": it is not kept",
                         received->lines, received->first_seq, received->last_seq);
    if (received->lines > 0 && !request->by_time && received->first_seq <= request->after)
        return error_set(err, ERR_PROTOCOL,
                         "the export begins at seq %" PRId64 ", after %" PRId64
                         " was asked for: it is not kept",
                         received->first_seq, request->after);
    return true;
}

static bool commit(const struct incoming *incoming, struct archive_part *part,
                   const struct received *received, struct path *gz, struct error *err)
{
    const struct session *session = incoming->session;
    struct archive_facts facts = {
        .client_id = session->settings->client_id,
        .agent_id = session->agent_id,
        .store_id = incoming->request->store_id,
        .since = incoming->request->since,
        .after = incoming->request->after,
        .first_seq = received->first_seq,
        .last_seq = received->last_seq,
        .count = received->lines,
        .bytes = received->bytes,
        .period_start_us = received->first_us,
        .period_end_us = received->last_us,
        .created_us = clock_utc_us(session->clock),
    };
    memcpy(facts.sha256, received->sha256, sizeof(facts.sha256));
    return archive_commit(part, &facts, gz, err);
}

static bool refused(const struct session *session, const struct http_exchange *exchange, bool *store_changed,
                    struct error *err)
{
    char word[REFUSAL_WORD_BYTES];
    session_refusal_word(exchange, word);
    *store_changed = exchange->status == 409 && strcmp(word, "store_changed") == 0;
    enum error_code code = ERR_PROTOCOL;
    if (*store_changed)
        code = ERR_CHANGED;
    else if (exchange->status == 401)
        code = ERR_DENIED;
    else if (exchange->status == 429 || exchange->status == 503)
        code = ERR_BUSY;
    return session_refused(session, exchange, code, err);
}

static bool finish(struct incoming *incoming, struct archive_part *part, struct export_result *result,
                   struct error *err)
{
    struct received received;
    if (!receiver_finish(&incoming->receiver, &received, err) ||
        !check_promise(&incoming->promise, incoming->request, &received, err))
        return false;
    result->lines = received.lines;
    result->bytes = received.bytes;
    if (received.lines == 0)
        return true; /* an archive of nothing would only fill the folder */
    result->first_seq = received.first_seq;
    result->last_seq = received.last_seq;
    result->period_start_us = received.first_us;
    result->period_end_us = received.last_us;
    return commit(incoming, part, &received, &result->archive, err);
}

static bool run(struct incoming *incoming, struct archive_part *part, struct export_result *result,
                struct error *err)
{
    SCOPE_BUF struct buf target = BUF_LIMIT(TARGET_MAX_BYTES);
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    if (!write_target(incoming->request, &target, err))
        return false;
    struct http_exchange exchange = {.method = "GET",
                                     .target = target.data,
                                     .sink = take_piece,
                                     .headers_done = take_headers,
                                     .context = incoming,
                                     .answer_body = &body};
    bool came = session_exchange(incoming->session, &exchange, err);
    notices_end(incoming->session->notices);
    result->lines = incoming->receiver.lines;
    result->bytes = incoming->receiver.bytes;
    if (!came)
        return false;
    if (exchange.status != 200)
        return refused(incoming->session, &exchange, &result->store_changed, err);
    return finish(incoming, part, result, err);
}

bool export_fetch(struct session *session, const struct archive_folder *folder,
                  const struct export_request *request, struct export_result *result, struct error *err)
{
    *result = (struct export_result){.lines = 0};
    int64_t began_us = clock_monotonic_us(session->clock);
    struct incoming incoming = {.session = session, .request = request, .err = err};
    SCOPE_ARCHIVE_PART struct archive_part part = {.fd = -1};
    if (!archive_part_open(&part, folder, clock_utc_us(session->clock), err))
        return false;
    bool done = receiver_open(&incoming.receiver, part.fd, err) && run(&incoming, &part, result, err);
    receiver_close(&incoming.receiver);
    if (!done && err->code == ERR_INPUT)
        err->code = ERR_PROTOCOL; /* no file of the user's is wrong: the agent is */
    result->us = clock_monotonic_us(session->clock) - began_us;
    return done;
}
