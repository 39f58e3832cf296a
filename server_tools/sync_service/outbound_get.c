#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_service/outbound_internal.h"

enum {
    HEADER_BYTES = CONFIG_TEXT_BYTES + 16,
    CACHE = 256, /* of the machine's numbers, while rows are gone through */
};

/* ---- a request ---- */

static void print_target(char target[OUTBOUND_TARGET_BYTES], const char *path, const struct window *window)
{
    char from[RFC3339_US_BYTES];
    char to[RFC3339_US_BYTES];
    if (window == NULL) {
        snprintf(target, OUTBOUND_TARGET_BYTES, "%s", path);
        return;
    }
    rfc3339_format_us(from, window->from_us);
    rfc3339_format_us(to, window->to_us);
    snprintf(target, OUTBOUND_TARGET_BYTES, "%s?from=%s&to=%s", path, from, to);
}

static bool send_request(struct outbound_get *get, struct http_pool_request *request, struct error *err)
{
    struct outbound *outbound = get->outbound;
    struct outbound_call *call = malloc(sizeof(*call));
    if (call == NULL)
        return error_set(err, ERR_MEMORY, "no memory for a request");
    *call = (struct outbound_call){.outbound = outbound, .get = get};
    request->context = call;
    call->transfer = http_pool_start(outbound->scene->pool, request, err);
    if (call->transfer == NULL) {
        free(call);
        return false;
    }
    get->call = call;
    outbound->pending++;
    return true;
}

/* request: how long and how much; the rest is the same for all. */
static bool start(struct outbound_get *get, const char *what, const struct window *window,
                  struct http_pool_request request, struct error *err)
{
    const struct outbound *outbound = get->outbound;
    const struct vehicle *vehicle = &outbound->vehicle;
    const char *key =
        vehicle->api_key[0] != '\0' ? vehicle->api_key : outbound->scene->settings->vehicle_default_api_key;
    char target[OUTBOUND_TARGET_BYTES];
    char header[HEADER_BYTES];
    print_target(target, what, window);
    snprintf(header, sizeof(header), "X-API-Key: %s", key);
    const char *const headers[] = {"Accept: application/json", header, NULL};
    request.host = vehicle->host;
    request.port = vehicle->api_port;
    request.method = "GET";
    request.target = target;
    request.headers = headers;
    request.floor_s = sync_pull_floor_s(outbound->scene->settings);
    request.gzip = true;
    request.body_ends_itself = true; /* all of them are JSON, read to its last byte and no further */
    get->what = what;
    get->error.code = ERR_NONE;
    get->truncated = get->crowded = false;
    return send_request(get, &request, err) || error_wrap(err, "%s", what);
}

static struct http_pool_request small_request(const struct outbound_get *get,
                                              void (*done)(void *context, struct http_transfer *transfer,
                                                           const struct http_pool_answer *answer))
{
    return (struct http_pool_request){
        .total_ms = get->outbound->scene->settings->pull_timeout_ms,
        .max_body_bytes = OUTBOUND_ANSWER_MAX_BYTES,
        .done = done,
    };
}

/* ---- the answer ---- */

static void on_room(void *context)
{
    const struct outbound_get *get = context;
    if (get->call != NULL)
        http_transfer_resume(get->call->transfer);
}

/* Whether it may become large. Nobody waits for that with a connection in his hands: it would be one of those
 * that others need, and the vehicle drops who does not read. */
static bool take_place(struct outbound_get *get)
{
    const struct sync_scene *scene = get->outbound->scene;
    get->has_place = get->has_place || (writer_has_room(scene->writer, OUTBOUND_LARGE_BYTES) &&
                                        gap_lane_try(scene->gaps, &get->place));
    return get->has_place;
}

static enum http_take on_piece(void *context, struct view piece)
{
    const struct outbound_call *call = context;
    struct outbound_get *get = call->get;
    if (get == NULL)
        return HTTP_STOP;
    struct writer *writer = call->outbound->scene->writer;
    if (data_answer_row_count(get->data) > OUTBOUND_SMALL_ROWS && !take_place(get)) {
        get->truncated = get->crowded = true;
        return HTTP_STOP;
    }
    if (!get->has_place && !writer_has_room(writer, piece.size)) {
        writer_wait_for_room(writer, &get->waits);
        return HTTP_PAUSE;
    }
    if (!data_answer_feed(get->data, piece, &get->error))
        return HTTP_STOP;
    get->truncated = data_answer_truncated(get->data);
    return get->truncated ? HTTP_STOP : HTTP_TAKEN;
}

static bool check_status(const struct outbound_get *get, unsigned status, struct error *err)
{
    if (status == 200)
        return true;
    if (status == 401 || status == 403)
        return error_set(err, ERR_DENIED, "%s: %u, wrong API key", get->what, status);
    if (status >= 300 && status < 400)
        return error_set(err, ERR_PROTOCOL, "%s: %u, a redirect is not followed", get->what, status);
    return error_set(err, ERR_PROTOCOL, "%s: HTTP %u", get->what, status);
}

static bool check_answer(struct outbound_get *get, const struct http_pool_answer *answer, struct error *err)
{
    if (get->error.code != ERR_NONE) {
        *err = get->error;
        return error_wrap(err, "%s", get->what);
    }
    if (get->truncated)
        return true;
    if (answer->err != NULL) {
        *err = *answer->err;
        return error_wrap(err, "%s", get->what);
    }
    if (!check_status(get, answer->status, err))
        return false;
    if (get->data == NULL || data_answer_end(get->data, err)) {
        get->truncated = get->data != NULL && data_answer_truncated(get->data);
        return true;
    }
    return error_wrap(err, "%s", get->what);
}

/* NULL: nobody waits for it any more. */
static struct outbound_get *end_call(struct outbound_call *call, const struct http_pool_answer *answer)
{
    struct outbound *outbound = call->outbound;
    struct outbound_get *get = call->get;
    free(call);
    metric_add(outbound->scene->metrics, METRIC_WIRE_BYTES, answer->wire_bytes);
    if (outbound_release(outbound) || get == NULL)
        return NULL;
    get->call = NULL;
    get->wire_bytes += answer->wire_bytes;
    get->status = answer->status;
    get->duration_us = answer->duration_us;
    return get;
}

/* ---- rows of channels that nobody has heard of ---- */

static bool has_stranger(struct outbound_get *get)
{
    return get->data != NULL && !get->truncated &&
           outbound_channels_find_stranger(get->outbound, get->data, &get->stranger);
}

static bool take_channels(struct outbound_get *get, const struct http_pool_answer *answer, struct error *err)
{
    struct outbound *outbound = get->outbound;
    struct job_channel *channels;
    size_t count;
    if (answer->err != NULL) {
        *err = *answer->err;
        return false;
    }
    if (!check_status(get, answer->status, err) ||
        !outbound_channels_read(answer->body, &channels, &count, err))
        return false;
    bool is_turn = get == &outbound->turn.get;
    outbound_channels_take(outbound, is_turn ? outbound->turn.batch.last : NULL, channels, count);
    return true;
}

static void on_channels(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct outbound_get *get = end_call(context, answer);
    struct error err;
    struct error why;
    (void)transfer;
    if (get == NULL)
        return;
    bool listed = take_channels(get, answer, &why);
    get->what = "/data";
    if (!listed)
        error_set(&err, ERR_PROTOCOL, "/data: a row of channel %d, and /channels did not come again: %s",
                  get->stranger, why.text);
    else if (has_stranger(get))
        error_set(&err, ERR_PROTOCOL,
                  "/data: a row of channel %d, which /channels does not have: another vehicle's?",
                  get->stranger);
    else
        err.code = ERR_NONE;
    get->done(get->outbound, answer->body, err.code == ERR_NONE ? NULL : &err);
}

/* The machine may have got it since it was asked. */
static bool ask_channels_again(struct outbound_get *get, struct error *err)
{
    return start(get, "/channels", NULL, small_request(get, on_channels), err);
}

/* ---- the requests ---- */

static void on_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct outbound_get *get = end_call(context, answer);
    struct error err;
    (void)transfer;
    if (get == NULL)
        return;
    bool taken = check_answer(get, answer, &err);
    bool strange = taken && has_stranger(get);
    if (strange && ask_channels_again(get, &err))
        return;
    get->done(get->outbound, answer->body, taken && !strange ? NULL : &err);
}

bool outbound_get_small(struct outbound_get *get, const char *what, const struct window *window,
                        struct error *err)
{
    data_answer_free(get->data);
    get->data = NULL;
    return start(get, what, window, small_request(get, on_done), err);
}

bool outbound_get_data(struct outbound_get *get, struct window window, struct error *err)
{
    const struct http_pool_request request = {
        .total_ms = get->outbound->scene->settings->pull_timeout_ms * OUTBOUND_DATA_TIMES,
        .max_body_bytes = OUTBOUND_DATA_MAX_BYTES,
        .piece = on_piece,
        .done = on_done,
    };
    data_answer_free(get->data);
    get->data = data_answer_new(window, err);
    get->waits.room = on_room;
    get->waits.context = get;
    return get->data != NULL && start(get, "/data", &window, request, err);
}

void outbound_get_clear(struct outbound_get *get)
{
    if (get->call != NULL) {
        get->call->get = NULL;
        http_transfer_cancel(get->call->transfer);
        get->call = NULL;
    }
    writer_wait_no_more(get->outbound->scene->writer, &get->waits);
    gap_lane_done(get->outbound->scene->gaps, &get->place);
    get->has_place = false;
    data_answer_free(get->data);
    get->data = NULL;
}

/* ---- its rows ---- */

int64_t outbound_get_span_us(const struct outbound_get *get)
{
    const struct central_row *rows = data_answer_rows(get->data);
    size_t count = data_answer_row_count(get->data);
    return count == 0 ? 0 : rows[count - 1].time_us - rows[0].time_us;
}

bool outbound_get_rows(struct outbound_get *get, struct central_row **rows, size_t *count, struct error *err)
{
    struct {
        int32_t remote_id, index;
    } cache[CACHE];
    memset(cache, 0xff, sizeof(cache)); /* -1: none */
    size_t taken_count;
    SCOPE_FREE struct central_row *taken = data_answer_take_rows(get->data, &taken_count);
    for (size_t i = 0; i < taken_count; i++) {
        int32_t remote_id = taken[i].channel_id;
        size_t slot = (size_t)remote_id % CACHE;
        if (cache[slot].remote_id != remote_id) {
            if (!channel_book_by_id(get->outbound->book, remote_id, &cache[slot].index, err))
                return false;
            cache[slot].remote_id = remote_id;
        }
        taken[i].channel_id = cache[slot].index;
    }
    *rows = POINTER_TAKE(taken);
    *count = taken_count;
    return true;
}
