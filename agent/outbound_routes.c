/* The calls of the Outbound API, and the key that stands before every one of them. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/accept.h"
#include "agent/exporter.h"
#include "agent/outbound.h"
#include "agent/outbound_items.h"
#include "agent/outbound_window.h"
#include "common/base/text.h"
#include "common/net/json_writer.h"

enum { NAME_BYTES = 256 };

static struct outbound *outbound_of(const struct http_request *request)
{
    return http_context(request);
}

/* ---- the key ---- */

/* One line of the log in OUTBOUND_DENIED_LOG_S, however many there are. */
static void note_denied(struct outbound *outbound, const char *peer)
{
    struct outbound_denied *denied = &outbound->denied;
    int64_t now_us = clock_monotonic_us(outbound->clock);
    uint64_t count = 0;
    pthread_mutex_lock(&denied->lock);
    denied->count++;
    if (!denied->said || now_us - denied->said_us >= OUTBOUND_DENIED_LOG_S * US_PER_S) {
        count = denied->count;
        denied->count = 0;
        denied->said = true;
        denied->said_us = now_us;
    }
    pthread_mutex_unlock(&denied->lock);
    if (count > 0)
        log_warn(outbound->log,
                 "Outbound API: %" PRIu64 " requests without the right X-API-Key, the last from %s", count,
                 peer);
}

void outbound_before(struct http_request *request)
{
    struct outbound *outbound = outbound_of(request);
    struct view key;
    bool once = http_header_once(request, "X-API-Key", &key);
    if (once && key.data != NULL && text_equal_constant_time(key, view_of(outbound->key)))
        return;
    note_denied(outbound, http_peer(request));
    http_answer_error(request, 401, key.data == NULL ? "no_key" : "wrong_key",
                      once ? "X-API-Key must be the OUTBOUND_API_KEY of this machine's credentials.env"
                           : "X-API-Key must be there once");
}

/* ---- an answer, streamed ---- */

struct outbound_answer {
    struct outbound *outbound;
    struct exporter *exporter;
    char peer[HTTP_ADDRESS_BYTES];
};

static ssize_t read_answer(void *context, char *out, size_t out_bytes)
{
    const struct outbound_answer *answer = context;
    struct error err;
    ssize_t size = exporter_read(answer->exporter, out, out_bytes, &err);
    if (size < 0)
        log_warn(answer->outbound->log, "Outbound API: answer to %s broken off: %s", answer->peer, err.text);
    return size;
}

static void release_answer(void *context)
{
    struct outbound_answer *answer = context;
    exporter_free(answer->exporter);
    atomic_fetch_sub(&answer->outbound->answers, 1);
    free(answer);
}

/* A store that is not there is no empty one: whoever took that for an answer would never ask again for what
 * is on a disk that is mounted late. */
static void refuse_failed(struct http_request *request, const struct error *err)
{
    const char *detail = "the telemetry store cannot be read; the agent's log says why";
    if (err->code == ERR_NOT_FOUND)
        detail = "there is no telemetry store: the collector has not begun one, or its disk is not mounted";
    else
        log_error(outbound_of(request)->log, "Outbound API: %s", err->text);
    http_answer_error(request, 503, "store_failed", detail);
}

/* A place among those that may be answered at the same time; release_answer gives it back. */
static bool take_place(struct http_request *request)
{
    struct outbound *outbound = outbound_of(request);
    if (atomic_fetch_add(&outbound->answers, 1) < OUTBOUND_ANSWERS_MAX)
        return true;
    atomic_fetch_sub(&outbound->answers, 1);
    http_add_header(request, "Retry-After", "1");
    http_answer_error(request, 503, "busy", "as many answers are under way as this machine gives at once");
    return false;
}

/* about: how many items come. */
static struct outbound_answer *new_answer(struct http_request *request, struct view head,
                                          struct outbound_items *items, int64_t about, bool gzip,
                                          struct error *err)
{
    struct line_source *source = outbound_list_new(head, items, err);
    if (source == NULL)
        return NULL;
    struct exporter *exporter = exporter_new(source, about, gzip ? PACK_GZIP : PACK_NONE, err);
    if (exporter == NULL)
        return NULL;
    struct outbound_answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        exporter_free(exporter);
        error_set(err, ERR_MEMORY, "an answer");
        return NULL;
    }
    answer->outbound = outbound_of(request);
    answer->exporter = exporter;
    snprintf(answer->peer, sizeof(answer->peer), "%s", http_peer(request));
    return answer;
}

/* items: taken over; NULL: the head is all. */
static void answer_list(struct http_request *request, const struct buf *head, struct outbound_items *items,
                        int64_t about)
{
    struct error err;
    bool gzip = accept_gzip_encoding(http_header(request, "Accept-Encoding"));
    if (!take_place(request)) {
        if (items != NULL)
            items->kind->free(items);
        return;
    }
    struct outbound_answer *answer = new_answer(request, buf_view(head), items, about, gzip, &err);
    if (answer == NULL) {
        atomic_fetch_sub(&outbound_of(request)->answers, 1);
        log_error(outbound_of(request)->log, "Outbound API: %s", err.text);
        http_answer_error(request, 500, "internal",
                          "the answer could not be begun; the agent's log says why");
        return;
    }
    if (gzip)
        http_add_header(request, "Content-Encoding", "gzip");
    http_add_header(request, "Vary", "Accept-Encoding");
    http_add_header(request, "Cache-Control", "no-store");
    http_answer_stream(request, 200, "application/json", read_answer, answer, release_answer);
}

static bool takes_no_parameters(struct http_request *request)
{
    if (http_query_count(request) == 0)
        return true;
    http_answer_error(request, 400, "bad_request", "this call has no parameters");
    return false;
}

/* ---- /status ---- */

/* How many readings there are: counted while they are few, else by their seq, which alarms have, too. */
static bool count_readings(struct store_reader *reader, struct store_state *state, struct error *err)
{
    struct store_range range;
    if (!store_reader_state(reader, state, err))
        return false;
    if (state->readings == 0 || state->readings > OUTBOUND_EXACT_SEQS)
        return true;
    if (!store_range_after(reader, 0, 0, &range, err))
        return false;
    state->readings = range.count;
    return true;
}

static void write_status(struct outbound *outbound, const struct store_state *state, bool db_ok,
                         struct buf *out)
{
    struct json_writer writer;
    char name[NAME_BYTES];
    if (gethostname(name, sizeof(name)) != 0)
        name[0] = '\0';
    name[sizeof(name) - 1] = '\0';
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "name", name);
    json_string(&writer, "software_version", outbound->appliance->version);
    json_time_us(&writer, "time", clock_utc_us(outbound->clock));
    json_i64(&writer, "uptime_s", (clock_monotonic_us(outbound->clock) - outbound->started_us) / US_PER_S);
    json_bool(&writer, "db_ok", db_ok);
    json_time_us(&writer, "last_reading_at", state->last_time_us);
    json_i64(&writer, "readings", state->readings);
    json_end_object(&writer);
}

static void answer_status(struct http_request *request)
{
    struct outbound *outbound = outbound_of(request);
    struct store_state state = {.last_time_us = INT64_MIN};
    struct error err;
    SCOPE_BUF struct buf text = BUF_LIMIT(OUTBOUND_HEAD_MAX_BYTES);
    if (!takes_no_parameters(request))
        return;
    bool ok = kept_reader_begin(&outbound->kept, &err) && count_readings(outbound->kept.reader, &state, &err);
    if (!kept_reader_end(&outbound->kept, ok)) {
        state = (struct store_state){.last_time_us = INT64_MIN};
        if (err.code != ERR_NOT_FOUND)
            log_error(outbound->log, "Outbound API: %s", err.text);
    }
    write_status(outbound, &state, ok, &text);
    answer_list(request, &text, NULL, 0);
}

/* ---- /channels, /data/latest ---- */

typedef struct outbound_items *make_items(struct store_reader *reader, struct error *err);

/* With the kept reader. */
static void answer_facts(struct http_request *request, struct buf *head, make_items *make)
{
    struct outbound *outbound = outbound_of(request);
    struct error err;
    struct outbound_items *items = NULL;
    if (kept_reader_begin(&outbound->kept, &err))
        items = make(outbound->kept.reader, &err);
    if (kept_reader_end(&outbound->kept, items != NULL))
        answer_list(request, head, items, 0);
    else
        refuse_failed(request, &err);
}

static void answer_channels(struct http_request *request)
{
    SCOPE_BUF struct buf head = BUF_LIMIT(OUTBOUND_HEAD_MAX_BYTES);
    if (!takes_no_parameters(request))
        return;
    buf_append_text(&head, "{\"channels\":[");
    answer_facts(request, &head, outbound_channels_new);
}

static void answer_latest(struct http_request *request)
{
    SCOPE_BUF struct buf head = BUF_LIMIT(OUTBOUND_HEAD_MAX_BYTES);
    struct json_writer writer;
    if (!takes_no_parameters(request))
        return;
    json_writer_init(&writer, &head);
    json_object(&writer, NULL);
    json_time_us(&writer, "time", clock_utc_us(outbound_of(request)->clock));
    json_array(&writer, "values");
    answer_facts(request, &head, outbound_latest_new);
}

/* ---- /data, /alarms ---- */

static void write_data_head(struct buf *head, const struct outbound_window *asked,
                            const struct store_window *window)
{
    struct json_writer writer;
    json_writer_init(&writer, head);
    json_object(&writer, NULL);
    json_time_us(&writer, "from", asked->from_us);
    json_time_us(&writer, "to", asked->to_us);
    json_bool(&writer, "truncated", window->truncated);
    json_i64(&writer, "count", window->count);
    json_array(&writer, "rows");
}

/* reader: taken over. */
static struct outbound_items *open_rows(struct store_reader *reader, const struct outbound_window *asked,
                                        struct store_window *window, struct error *err)
{
    if (store_window_open(reader, asked->from_us, asked->to_us, OUTBOUND_ROWS_MAX, window, err))
        return outbound_rows_new(reader, window, err);
    store_reader_close(reader);
    return NULL;
}

static void answer_data(struct http_request *request)
{
    struct outbound *outbound = outbound_of(request);
    struct outbound_window asked;
    struct store_window window = {.count = 0};
    struct error err;
    SCOPE_BUF struct buf head = BUF_LIMIT(OUTBOUND_HEAD_MAX_BYTES);
    if (!outbound_window_read(request, &asked))
        return;
    struct store_reader *reader = store_reader_open(outbound->kept.folder, &err);
    struct outbound_items *items = reader == NULL ? NULL : open_rows(reader, &asked, &window, &err);
    if (items == NULL) {
        refuse_failed(request, &err);
        return;
    }
    write_data_head(&head, &asked, &window);
    answer_list(request, &head, items, window.count);
}

static void answer_alarms(struct http_request *request)
{
    struct outbound *outbound = outbound_of(request);
    struct outbound_window asked;
    struct error err;
    SCOPE_BUF struct buf head = BUF_LIMIT(OUTBOUND_HEAD_MAX_BYTES);
    if (!outbound_window_read(request, &asked))
        return;
    struct store_reader *reader = store_reader_open(outbound->kept.folder, &err);
    struct outbound_items *items =
        reader == NULL ? NULL : outbound_alarms_new(reader, asked.from_us, asked.to_us, &err);
    if (items == NULL) {
        refuse_failed(request, &err);
        return;
    }
    buf_append_text(&head, "{\"alarms\":[");
    answer_list(request, &head, items, 0);
}

const struct http_route outbound_routes[] = {
    {.method = HTTP_GET, .path = "/status", .handle = answer_status},
    {.method = HTTP_GET, .path = "/channels", .handle = answer_channels},
    {.method = HTTP_GET, .path = "/data", .handle = answer_data},
    {.method = HTTP_GET, .path = "/data/latest", .handle = answer_latest},
    {.method = HTTP_GET, .path = "/alarms", .handle = answer_alarms},
};
const size_t outbound_route_count = COUNT_OF(outbound_routes);
