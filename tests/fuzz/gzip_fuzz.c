/* gzip as it comes in, by hand and from outside: the header of a member, and whole streams of members.
 * However the bytes are cut, the outcome is the same. The first byte says how large the pieces are. */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/pack/gzip.h"
#include "common/pack/gzip_header.h"

enum { OUT_MAX_BYTES = 1024 * 1024, ROOM_BYTES = 4096, HEADER_MIN_BYTES = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct outcome {
    bool ok, ended;
    size_t used; /* of the input */
};

/* ---- the header ---- */

static struct outcome read_header(struct view bytes, size_t piece_bytes)
{
    struct outcome outcome = {.ok = true};
    struct gzip_header header;
    gzip_header_init(&header);
    while (outcome.ok && header.step != GZIP_HEADER_DONE && outcome.used < bytes.size) {
        size_t left = bytes.size - outcome.used;
        struct view piece = {bytes.data + outcome.used, left < piece_bytes ? left : piece_bytes};
        size_t given = piece.size;
        outcome.ok = gzip_header_read(&header, &piece, NULL);
        must(piece.size <= given && (piece.size == 0 || !outcome.ok || header.step == GZIP_HEADER_DONE));
        outcome.used += given - piece.size;
    }
    outcome.ended = header.step == GZIP_HEADER_DONE;
    must(!outcome.ended || outcome.used >= HEADER_MIN_BYTES);
    return outcome;
}

/* ---- the stream ---- */

static struct outcome read_stream(struct view bytes, size_t piece_bytes, struct buf *out)
{
    struct outcome outcome = {.ok = true};
    struct gzip_reader *reader = gzip_reader_new(NULL);
    must(reader != NULL);
    struct view piece = {bytes.data, 0};
    size_t wrote = 0;
    while (outcome.ok && (outcome.used < bytes.size || piece.size > 0 || wrote == ROOM_BYTES)) {
        if (piece.size == 0) {
            size_t left = bytes.size - outcome.used;
            piece = (struct view){bytes.data + outcome.used, left < piece_bytes ? left : piece_bytes};
            outcome.used += piece.size;
        }
        char *room = buf_reserve(out, ROOM_BYTES);
        if (room == NULL)
            break; /* a small input that unpacks to much: what there is must still be the same */
        outcome.ok = gzip_read(reader, &piece, room, ROOM_BYTES, &wrote, NULL);
        must(!outcome.ok || wrote <= ROOM_BYTES);
        buf_commit(out, outcome.ok ? wrote : 0);
    }
    outcome.ended = gzip_reader_at_end(reader);
    gzip_reader_free(reader);
    return outcome;
}

static void try_stream(struct view bytes, size_t piece_bytes)
{
    SCOPE_BUF struct buf whole = BUF_LIMIT(OUT_MAX_BYTES);
    SCOPE_BUF struct buf pieces = BUF_LIMIT(OUT_MAX_BYTES);
    struct outcome at_once = read_stream(bytes, bytes.size + 1, &whole);
    struct outcome in_pieces = read_stream(bytes, piece_bytes, &pieces);
    if (whole.no_memory || pieces.no_memory || whole.over_limit || pieces.over_limit)
        return;
    must(at_once.ok == in_pieces.ok);
    if (at_once.ok)
        must(at_once.ended == in_pieces.ended && view_equal(buf_view(&whole), buf_view(&pieces)));
}

/* What is written reads back, whatever the room that it is written into. */
static void try_writer(struct view text, size_t room_bytes)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(OUT_MAX_BYTES);
    SCOPE_BUF struct buf back = BUF_LIMIT(OUT_MAX_BYTES);
    struct gzip_writer *writer = gzip_writer_new(NULL);
    struct view left = text;
    bool ended = false;
    must(writer != NULL);
    while (!ended) {
        char *room = buf_reserve(&packed, room_bytes);
        must(room != NULL);
        buf_commit(&packed, gzip_write(writer, &left, true, room, room_bytes, &ended));
    }
    gzip_writer_free(writer);
    struct outcome outcome = read_stream(buf_view(&packed), room_bytes, &back);
    must(outcome.ok && outcome.ended && view_equal(buf_view(&back), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct view bytes = {(const char *)data + 1, size - 1};
    size_t piece_bytes = (size_t)data[0] + 1;
    struct outcome whole = read_header(bytes, size);
    struct outcome pieces = read_header(bytes, piece_bytes);
    must(whole.ok == pieces.ok && whole.ended == pieces.ended);
    must(!whole.ok || whole.used == pieces.used);
    try_stream(bytes, piece_bytes);
    try_writer(bytes, piece_bytes);
    return 0;
}
