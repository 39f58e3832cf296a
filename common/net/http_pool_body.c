#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/net/http_pool_internal.h"

static bool refuse(struct http_transfer *transfer)
{
    transfer->refused = true;
    return false;
}

static bool refuse_by_caller(struct http_transfer *transfer)
{
    error_set(&transfer->err, ERR_CANCELLED, "stopped while the answer was coming in");
    return refuse(transfer);
}

static bool is_success(const struct http_transfer *transfer)
{
    return transfer->head.status / 100 == 2;
}

/* ---- the head ---- */

static bool start_unpacking(struct http_transfer *transfer)
{
    transfer->unpacking = calloc(1, sizeof(*transfer->unpacking));
    if (transfer->unpacking == NULL)
        return error_set(&transfer->err, ERR_MEMORY, "no memory left for an answer");
    transfer->unpacking->reader = gzip_reader_new(&transfer->err);
    return transfer->unpacking->reader != NULL;
}

static bool choose_unpacking(struct http_transfer *transfer)
{
    const char *coding = http_head_find(&transfer->head, "Content-Encoding");
    if (coding == NULL || coding[0] == '\0' || strcasecmp(coding, "identity") == 0)
        return true;
    if (transfer->request.gzip && strcasecmp(coding, "gzip") == 0)
        return start_unpacking(transfer);
    return error_set(&transfer->err, ERR_PROTOCOL,
                     "an answer with a Content-Encoding that was not asked for: %.40s", coding);
}

static bool end_head(struct http_transfer *transfer)
{
    const struct http_pool_request *request = &transfer->request;
    bool success = is_success(transfer);
    transfer->kept.limit_bytes = success ? request->max_body_bytes : HTTP_CURL_ERROR_BODY_MAX_BYTES;
    if (!choose_unpacking(transfer))
        return refuse(transfer);
    if (transfer->request.tls && transfer->pin[0] == '\0')
        http_curl_peer_pem(transfer->easy->curl, &transfer->pem);
    if (!success || request->headers_done == NULL)
        return true;
    bool go_on = request->headers_done(request->context, transfer);
    return (go_on && !transfer->cancelled) || refuse_by_caller(transfer);
}

size_t http_transfer_on_header(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct http_transfer *transfer = context;
    bool ended_before = transfer->head.status != 0;
    if (!http_head_take(&transfer->head, transfer->easy->curl, (struct view){data, count}, &transfer->err)) {
        refuse(transfer);
        return 0;
    }
    if (ended_before || transfer->head.status == 0)
        return count;
    return end_head(transfer) ? count : 0;
}

/* ---- the body ---- */

static bool count_body(struct http_transfer *transfer, size_t size)
{
    size_t max = is_success(transfer) ? transfer->request.max_body_bytes : 0;
    transfer->body_bytes += size;
    if (max == 0 || transfer->body_bytes <= max)
        return true;
    error_set(&transfer->err, ERR_LIMIT, "the answer is larger than %zu bytes", max);
    return refuse(transfer);
}

/* To whom it belongs: the sink, or what is kept. */
static enum http_take give(struct http_transfer *transfer, struct view piece)
{
    const struct http_pool_request *request = &transfer->request;
    if (!is_success(transfer) || request->piece == NULL) {
        if (http_curl_keep_body(&transfer->kept, transfer->head.status, piece, &transfer->err))
            return HTTP_TAKEN;
        refuse(transfer);
        return HTTP_STOP;
    }
    enum http_take take = request->piece(request->context, piece);
    if (transfer->cancelled || take == HTTP_STOP) {
        refuse_by_caller(transfer);
        return HTTP_STOP;
    }
    return take;
}

/* All of *in, moved on as it is taken. */
static enum http_take give_unpacked(struct http_transfer *transfer, struct view *in)
{
    struct http_unpacking *unpacking = transfer->unpacking;
    for (;;) {
        if (unpacking->size == 0 && !gzip_read(unpacking->reader, in, unpacking->out, HTTP_POOL_UNPACK_BYTES,
                                               &unpacking->size, &transfer->err)) {
            transfer->err.code = ERR_PROTOCOL;
            refuse(transfer);
            return HTTP_STOP;
        }
        if (unpacking->size == 0)
            return HTTP_TAKEN;
        enum http_take take = give(transfer, (struct view){unpacking->out, unpacking->size});
        if (take != HTTP_TAKEN)
            return take;
        size_t size = unpacking->size;
        unpacking->size = 0;
        if (!count_body(transfer, size))
            return HTTP_STOP;
    }
}

static enum http_take take_piece(struct http_transfer *transfer, struct view piece)
{
    struct http_unpacking *unpacking = transfer->unpacking;
    if (unpacking == NULL) {
        enum http_take take = give(transfer, piece);
        return take == HTTP_TAKEN && !count_body(transfer, piece.size) ? HTTP_STOP : take;
    }
    struct view in = {piece.data + unpacking->skip, piece.size - unpacking->skip};
    enum http_take take = give_unpacked(transfer, &in);
    unpacking->skip = take == HTTP_PAUSE ? piece.size - in.size : 0;
    return take;
}

size_t http_transfer_on_body(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct http_transfer *transfer = context;
    if (transfer->cancelled) {
        refuse_by_caller(transfer);
        return 0;
    }
    switch (take_piece(transfer, (struct view){data, count})) {
    case HTTP_TAKEN:
        transfer->wire_bytes += count;
        return count;
    case HTTP_PAUSE:
        transfer->paused = true;
        transfer->paused_us = clock_monotonic_us(clock_system());
        return CURL_WRITEFUNC_PAUSE;
    case HTTP_STOP:
        break;
    }
    return 0;
}
