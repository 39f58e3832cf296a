/* An answer as it goes over the wire: headers, gzip, chunks, and the faults that cut it short. */
#include "tests/bench/farm.h"

enum { GZIP_FROM_BYTES = 512, ANSWER_OUT_MAX = 4 * FARM_PIECE_BYTES + 65536 + (1 << 20) };

void answer_clear(struct answer *answer)
{
    body_clear(&answer->body);
    buf_clear(&answer->out);
    gzip_writer_free(answer->gzip);
    *answer = (struct answer){0};
}

/* What goes over the wire of a piece of the body; valid until packed changes. */
static struct view pack_piece(struct answer *answer, struct view piece, bool last, struct buf *packed)
{
    bool ended = false;
    if (answer->gzip == NULL)
        return piece;
    while (piece.size > 0 || (last && !ended)) {
        char *at = buf_reserve(packed, FARM_PIECE_BYTES);
        if (at == NULL)
            break;
        buf_commit(packed, gzip_write(answer->gzip, &piece, last, at, FARM_PIECE_BYTES, &ended));
    }
    return buf_view(packed);
}

static void append_chunk(struct answer *answer, struct view piece)
{
    if (piece.size == 0)
        return;
    buf_printf(&answer->out, "%zx\r\n", piece.size);
    buf_append_view(&answer->out, piece);
    buf_append_text(&answer->out, "\r\n");
}

static void append_headers(struct answer *answer, unsigned status, int32_t vehicle)
{
    buf_printf(&answer->out, "HTTP/1.1 %u Made up\r\nContent-Type: application/json\r\n", status);
    if (answer->gzip != NULL)
        buf_append_text(&answer->out, "Content-Encoding: gzip\r\n");
    if (status == 302) {
        uint32_t other = sim_address(vehicle + 1);
        buf_printf(&answer->out, "Location: http://%u.%u.%u.%u/status\r\n", other >> 24, other >> 16 & 255,
                   other >> 8 & 255, other & 255);
    }
    if (answer->close)
        buf_append_text(&answer->out, "Connection: close\r\n");
}

/* Half of what follows the headers, and no more of it. */
static void cut_short(struct answer *answer, size_t headers)
{
    if (answer->fault == FAULT_HANG) {
        answer->out.size = headers;
        answer->made = answer->stall = true;
    } else if (answer->fault == FAULT_MID_CLOSE) {
        answer->out.size = headers + (answer->out.size - headers) / 2;
        answer->made = answer->close = true;
    }
}

void answer_begin(struct farm *farm, struct answer *answer, int32_t vehicle, bool tls,
                  const struct request *request, enum fault fault)
{
    *answer = (struct answer){
        .begun = true, .fault = fault, .close = request->close, .out = {.limit_bytes = ANSWER_OUT_MAX}};
    if (fault == FAULT_SILENT) {
        answer->made = answer->stall = true;
        return;
    }
    SCOPE_BUF struct buf packed = BUF_LIMIT(ANSWER_OUT_MAX);
    unsigned status = body_for(farm, vehicle, tls, request, fault, &answer->body);
    buf_reset(&farm->scratch);
    body_more(farm, &answer->body, &farm->scratch, &answer->made);
    if (request->gzip && farm->scratch.size >= GZIP_FROM_BYTES)
        answer->gzip = gzip_writer_new(NULL);
    struct view piece = pack_piece(answer, buf_view(&farm->scratch), answer->made, &packed);
    append_headers(answer, status, vehicle);
    if (answer->made)
        buf_printf(&answer->out, "Content-Length: %zu\r\n\r\n", piece.size);
    else
        buf_append_text(&answer->out, "Transfer-Encoding: chunked\r\n\r\n");
    size_t headers = answer->out.size;
    answer->chunked = !answer->made;
    if (answer->chunked)
        append_chunk(answer, piece);
    else
        buf_append_view(&answer->out, piece);
    cut_short(answer, headers);
}

void answer_more(struct farm *farm, struct answer *answer)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(ANSWER_OUT_MAX);
    buf_reset(&answer->out);
    answer->sent = 0;
    buf_reset(&farm->scratch);
    body_more(farm, &answer->body, &farm->scratch, &answer->made);
    append_chunk(answer, pack_piece(answer, buf_view(&farm->scratch), answer->made, &packed));
    if (answer->made)
        buf_append_text(&answer->out, "0\r\n\r\n");
}
