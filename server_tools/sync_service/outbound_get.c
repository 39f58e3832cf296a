#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_service/outbound_internal.h"

enum {
    HEADER_BYTES = CONFIG_TEXT_BYTES + 16,
    S_MS = 1000,
    CACHE = 256, /* of the machine's numbers, while rows are gone through */
};

/* ---- the answer ---- */

static void on_place(void *context)
{
    struct outbound_get *get = context;
    get->has_place = true;
    if (get->call != NULL)
        http_transfer_resume(get->call->transfer);
}

static enum http_take on_piece(void *context, struct view piece)
{
    const struct outbound_call *call = context;
    struct outbound_get *get = call->get;
    if (get == NULL)
        return HTTP_STOP;
    struct writer *writer = call->outbound->scene->writer;
    bool large = data_answer_row_count(get->data) > OUTBOUND_SMALL_ROWS;
    if (!get->has_place && (large || !writer_has_room(writer, piece.size))) {
        if (!writer_has_room(writer, piece.size))
            gap_lane_wait_for_room(get->outbound->scene->gaps, writer);
        gap_lane_ask(get->outbound->scene->gaps, &get->place);
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

static void on_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct outbound_call *call = context;
    struct outbound *outbound = call->outbound;
    struct outbound_get *get = call->get;
    (void)transfer;
    free(call);
    metric_add(outbound->scene->metrics, METRIC_WIRE_BYTES, answer->wire_bytes);
    if (outbound_release(outbound) || get == NULL)
        return;
    get->call = NULL;
    get->wire_bytes += answer->wire_bytes;
    get->status = answer->status;
    get->duration_us = answer->duration_us;
    struct error err;
    if (check_answer(get, answer, &err))
        get->done(outbound, answer->body, NULL);
    else
        get->done(outbound, answer->body, &err);
}

/* ---- the request ---- */

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
    request->done = on_done;
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
    request.floor_s = outbound->scene->settings->pull_timeout_s;
    request.gzip = true;
    get->what = what;
    get->error.code = ERR_NONE;
    get->truncated = false;
    return send_request(get, &request, err) || error_wrap(err, "%s", what);
}

bool outbound_get_small(struct outbound_get *get, const char *what, const struct window *window,
                        struct error *err)
{
    const struct http_pool_request request = {
        .total_ms = get->outbound->scene->settings->pull_timeout_s * S_MS,
        .max_body_bytes = OUTBOUND_ANSWER_MAX_BYTES,
    };
    data_answer_free(get->data);
    get->data = NULL;
    return start(get, what, window, request, err);
}

bool outbound_get_data(struct outbound_get *get, struct window window, struct error *err)
{
    const struct http_pool_request request = {
        .total_ms = get->outbound->scene->settings->pull_timeout_s * S_MS * OUTBOUND_DATA_TIMES,
        .max_body_bytes = OUTBOUND_DATA_MAX_BYTES,
        .piece = on_piece,
    };
    data_answer_free(get->data);
    get->data = data_answer_new(window, err);
    get->place.run = on_place;
    get->place.context = get;
    return get->data != NULL && start(get, "/data", &window, request, err);
}

void outbound_get_clear(struct outbound_get *get)
{
    if (get->call != NULL) {
        get->call->get = NULL;
        http_transfer_cancel(get->call->transfer);
        get->call = NULL;
    }
    gap_lane_done(get->outbound->scene->gaps, &get->place);
    get->has_place = false;
    data_answer_free(get->data);
    get->data = NULL;
}

/* ---- its rows ---- */

static int compare_ids(const void *a, const void *b)
{
    const int32_t *left = a;
    const int32_t *right = b;
    return (*left > *right) - (*left < *right);
}

static bool find_channel(struct outbound *outbound, int32_t remote_id, int32_t *index, struct error *err)
{
    if (outbound->has_list &&
        (outbound->listed_count == 0 || bsearch(&remote_id, outbound->listed, outbound->listed_count,
                                                sizeof(remote_id), compare_ids) == NULL))
        return error_set(err, ERR_PROTOCOL,
                         "/data: a row of channel %d, which /channels does not have: another vehicle's?",
                         remote_id);
    return channel_book_by_id(outbound->book, remote_id, index, err);
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
            if (!find_channel(get->outbound, remote_id, &cache[slot].index, err))
                return false;
            cache[slot].remote_id = remote_id;
        }
        taken[i].channel_id = cache[slot].index;
    }
    *rows = POINTER_TAKE(taken);
    *count = taken_count;
    return true;
}
