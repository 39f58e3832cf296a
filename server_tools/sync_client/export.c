#include "server_tools/sync_client/export.h"

#include <inttypes.h>

#include "common/wire/export_words.h"
#include "server_tools/central/small_streams.h"
#include "server_tools/sync_client/receiver.h"

enum {
    FRAME_MAX_BYTES = 64 * 1024, /* of a compressed stream, besides its lines */
};

static const int line_bytes_max[ARCHIVE_STREAMS] = {[ARCHIVE_READINGS] = RECORD_LINE_MAX_BYTES,
                                                    [ARCHIVE_ALARMS] = INFO_LINE_MAX_BYTES,
                                                    [ARCHIVE_CHANNELS] = INFO_LINE_MAX_BYTES};

/* Held while the answer comes in. */
struct incoming {
    struct session *session;
    const struct export_request *request;
    struct receiver receiver;
    struct export_promise promise;
    struct error *err;
};

static struct export_ask ask_of(const struct export_request *request)
{
    return (struct export_ask){.stream = archive_stream_word(request->stream),
                               .format = request->format,
                               .store_id = request->store_id,
                               .since = request->since,
                               .has_seq = request->has_seq,
                               .after = request->after,
                               .limit = request->limit};
}

static const char *header_of(const void *client, const char *name)
{
    return http_client_header(client, name);
}

static bool take_headers(void *context, struct http_client *client)
{
    struct incoming *incoming = context;
    const struct export_ask ask = ask_of(incoming->request);
    if (!export_promise_read(&ask, header_of, client, &incoming->promise, incoming->err))
        return false;
    if (incoming->request->stream == ARCHIVE_READINGS)
        notices_begin(incoming->session->notices, "receiving", incoming->promise.count);
    return true;
}

/* More lines than the headers say, or more bytes than so many lines can need: whatever else comes would only
 * fill the disk. */
static bool check_room(const struct incoming *incoming, struct error *err)
{
    int64_t count = incoming->promise.count;
    int64_t lines_bytes = incoming->receiver.bytes - FRAME_MAX_BYTES;
    if (incoming->receiver.lines <= count && lines_bytes / line_bytes_max[incoming->request->stream] <= count)
        return true;
    return error_set(err, ERR_PROTOCOL, "the export says %" PRId64 " %s and sends more: it is not kept",
                     count, archive_stream_word(incoming->request->stream));
}

static bool take_piece(void *context, struct view piece)
{
    struct incoming *incoming = context;
    if (!receiver_take(&incoming->receiver, piece, incoming->err) || !check_room(incoming, incoming->err))
        return false;
    if (incoming->request->stream == ARCHIVE_READINGS)
        notices_advance(incoming->session->notices, incoming->receiver.lines, incoming->receiver.bytes);
    return true;
}

/* ---- the end ---- */

/* What the lines say: that counts, not what the headers say. */
static bool read_readings(const struct receiver *receiver, struct export_result *result, struct error *err)
{
    struct received_ends ends;
    if (!receiver_ends(receiver, &ends, err))
        return false;
    result->file.first_seq = ends.first_seq;
    result->file.last_seq = ends.last_seq;
    result->period_start_us = ends.first_us;
    result->period_end_us = ends.last_us;
    return true;
}

/* They are few: every line is read. */
static bool read_small(int fd, enum archive_stream stream, struct archive_file *file, struct error *err)
{
    struct small_totals totals;
    bool read = stream == ARCHIVE_ALARMS ? alarms_read(fd, NULL, NULL, &totals, err)
                                         : channels_read(fd, NULL, NULL, &totals, err);
    if (!read)
        return error_wrap(err, "the export of %s", archive_stream_word(stream));
    file->first_seq = totals.first_seq;
    file->last_seq = totals.last_seq;
    return true;
}

static bool check_range(const struct export_request *request, const struct archive_file *file,
                        struct error *err)
{
    if (file->count == 0 || file->first_seq < 0)
        return true;
    if (file->last_seq - file->first_seq < file->count - 1)
        return error_set(err, ERR_PROTOCOL,
                         "the export holds %" PRId64 " %s from seq %" PRId64 " to %" PRId64
                         ": it is not kept",
                         file->count, archive_stream_word(request->stream), file->first_seq, file->last_seq);
    return request->since[0] != '\0' || file->first_seq > request->after ||
           error_set(err, ERR_PROTOCOL,
                     "the export begins at seq %" PRId64 ", after %" PRId64 " was asked for: it is not kept",
                     file->first_seq, request->after);
}

static bool check_promise(const struct export_promise *promise, const struct export_request *request,
                          const struct archive_file *file, struct error *err)
{
    if (file->count != promise->count)
        return error_set(err, ERR_PROTOCOL,
                         "the export says %" PRId64 " %s and holds %" PRId64 ": it is not kept",
                         promise->count, archive_stream_word(request->stream), file->count);
    if (file->first_seq != promise->first_seq || file->last_seq != promise->last_seq)
        return error_set(err, ERR_PROTOCOL,
                         "the export says seq %" PRId64 " to %" PRId64 " and holds %" PRId64 " to %" PRId64
                         " (-1: none): it is not kept",
                         promise->first_seq, promise->last_seq, file->first_seq, file->last_seq);
    return check_range(request, file, err);
}

static bool refused(const struct session *session, const struct http_exchange *exchange,
                    struct export_result *result, struct error *err)
{
    char word[REFUSAL_WORD_BYTES];
    session_refusal_word(exchange, word);
    result->store_changed = exchange->status == 409 && strcmp(word, "store_changed") == 0;
    result->no_cursor = exchange->status == 400 && strcmp(word, "no_cursor") == 0;
    bool set_back = exchange->status == 400 && strcmp(word, "bad_after") == 0;
    enum error_code code = ERR_PROTOCOL;
    if (result->store_changed || result->no_cursor)
        code = ERR_CHANGED;
    else if (exchange->status == 401)
        code = ERR_DENIED;
    else if (exchange->status == 429 || exchange->status == 503)
        code = ERR_BUSY;
    session_refused(session, exchange, code, err);
    return set_back
               ? error_wrap(err,
                            "more of the machine's store is here than it has itself: was an older copy of it "
                            "restored? Fetch with --since what is missing, then let it begin a new store "
                            "(move its data folder away)")
               : false;
}

static bool finish(struct incoming *incoming, int fd, struct export_result *result, struct error *err)
{
    const struct export_request *request = incoming->request;
    struct archive_file *file = &result->file;
    struct received received;
    if (!receiver_finish(&incoming->receiver, &received, err))
        return false;
    memcpy(file->sha256, received.sha256, sizeof(file->sha256));
    bool read = request->stream == ARCHIVE_READINGS ? read_readings(&incoming->receiver, result, err)
                                                    : read_small(fd, request->stream, file, err);
    if (!read || !check_promise(&incoming->promise, request, file, err))
        return false;
    file->present = true;
    return true;
}

static bool run(struct incoming *incoming, int fd, struct export_result *result, struct error *err)
{
    SCOPE_BUF struct buf target = BUF_LIMIT(EXPORT_TARGET_MAX_BYTES);
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    const struct export_ask ask = ask_of(incoming->request);
    if (!export_ask_write(&ask, &target, err))
        return false;
    const char *const headers[] = {export_ask_accept(&ask), NULL};
    struct http_exchange exchange = {.method = "GET",
                                     .target = target.data,
                                     .headers = headers,
                                     .sink = take_piece,
                                     .headers_done = take_headers,
                                     .context = incoming,
                                     .answer_body = &body};
    bool came = session_exchange(incoming->session, &exchange, err);
    notices_end(incoming->session->notices);
    result->file.count = incoming->receiver.lines;
    result->file.bytes = incoming->receiver.bytes;
    if (!came)
        return false;
    if (exchange.status != 200)
        return refused(incoming->session, &exchange, result, err);
    return finish(incoming, fd, result, err);
}

bool export_fetch(struct session *session, int fd, const struct export_request *request,
                  struct export_result *result, struct error *err)
{
    *result = (struct export_result){.file = {.after = -1, .first_seq = -1, .last_seq = -1},
                                     .period_start_us = INT64_MIN,
                                     .period_end_us = INT64_MIN};
    int64_t began_us = clock_monotonic_us(session->clock);
    struct incoming incoming = {.session = session, .request = request, .err = err};
    bool done =
        receiver_open(&incoming.receiver, fd, request->format, line_bytes_max[request->stream], err) &&
        (!request->read_lines || receiver_read_lines(&incoming.receiver, err)) &&
        run(&incoming, fd, result, err);
    receiver_close(&incoming.receiver);
    if (!done && err->code == ERR_INPUT)
        err->code = ERR_PROTOCOL; /* no file of the user's is wrong: the agent is */
    result->us = clock_monotonic_us(session->clock) - began_us;
    return done;
}
