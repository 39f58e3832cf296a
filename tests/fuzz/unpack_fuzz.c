/* Compressed bytes from another machine, of either format: any bytes are a stream or an error, the same
 * however they are cut; what is packed unpacks again, and with a bit turned over it is an error or the same.
 * The first byte says how large the pieces are, the second which format, and which bit. */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/pack/packer.h"

enum { OUT_MAX_BYTES = 1024 * 1024, ROOM_BYTES = 4096, FORMAT_BIT = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

enum outcome { FAILED, CUT_OFF, WHOLE };

static enum outcome unpack(struct view bytes, size_t piece_bytes, struct buf *out)
{
    bool ok = true;
    size_t used = 0;
    size_t wrote = 0;
    struct unpacker *unpacker = unpacker_new(NULL);
    struct view piece = {bytes.data, 0};
    must(unpacker != NULL);
    while (ok && (used < bytes.size || piece.size > 0 || wrote == ROOM_BYTES)) {
        if (piece.size == 0) {
            size_t left = bytes.size - used;
            piece = (struct view){bytes.data + used, left < piece_bytes ? left : piece_bytes};
            used += piece.size;
        }
        char *room = buf_reserve(out, ROOM_BYTES);
        if (room == NULL)
            break; /* a small input that unpacks to much */
        struct error err = {.code = ERR_NONE};
        ok = unpacker_read(unpacker, &piece, room, ROOM_BYTES, &wrote, &err);
        must(ok ? wrote <= ROOM_BYTES : err.code == ERR_INPUT || err.code == ERR_MEMORY);
        buf_commit(out, ok ? wrote : 0);
    }
    enum outcome outcome = !ok ? FAILED : unpacker_at_end(unpacker) ? WHOLE : CUT_OFF;
    unpacker_free(unpacker);
    return outcome;
}

static void pack(struct view text, enum pack_format format, size_t room_bytes, struct buf *out)
{
    struct packer *packer = packer_new(format, NULL);
    bool ended = false;
    must(packer != NULL);
    while (!ended) {
        char *room = buf_reserve(out, room_bytes);
        must(room != NULL);
        buf_commit(out, packer_write(packer, &text, true, room, room_bytes, &ended));
    }
    packer_free(packer);
}

/* libzstd compares a frame's content size with what its last, empty block leaves only when it has all of the
 * frame at once: then it refuses what in pieces passes. */
static bool same_outcome(struct view bytes, enum outcome at_once, enum outcome in_pieces)
{
    return at_once == in_pieces || (view_starts(bytes, "\x28\xb5\x2f\xfd") && at_once == FAILED);
}

static void try_bytes(struct view bytes, size_t piece_bytes)
{
    SCOPE_BUF struct buf whole = BUF_LIMIT(OUT_MAX_BYTES);
    SCOPE_BUF struct buf pieces = BUF_LIMIT(OUT_MAX_BYTES);
    enum outcome at_once = unpack(bytes, bytes.size + 1, &whole);
    enum outcome in_pieces = unpack(bytes, piece_bytes, &pieces);
    if (whole.over_limit || pieces.over_limit)
        return;
    must(same_outcome(bytes, at_once, in_pieces));
    must(at_once == FAILED || view_equal(buf_view(&whole), buf_view(&pieces)));
}

/* Cut off anywhere it is not whole; with a bit turned over it is not whole, or the bit meant nothing. */
static void try_damage(struct buf *packed, struct view text, size_t at)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(OUT_MAX_BYTES);
    struct view cut = {packed->data, at % packed->size};
    must(unpack(cut, packed->size, &out) != WHOLE || cut.size == 0);
    buf_reset(&out);
    packed->data[at % packed->size] ^= (char)(1 << at % 8);
    enum outcome outcome = unpack(buf_view(packed), packed->size, &out);
    must(out.over_limit || outcome != WHOLE || view_equal(buf_view(&out), text));
}

static void try_text(struct view text, enum pack_format format, size_t room_bytes, size_t at)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(OUT_MAX_BYTES);
    SCOPE_BUF struct buf out = BUF_LIMIT(OUT_MAX_BYTES);
    pack(text, format, room_bytes, &packed);
    must(unpack(buf_view(&packed), room_bytes, &out) == WHOLE && view_equal(buf_view(&out), text));
    try_damage(&packed, text, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct view bytes = {(const char *)data + 2, size - 2};
    size_t piece_bytes = (size_t)data[0] + 1;
    try_bytes(bytes, piece_bytes);
    try_text(bytes, (data[1] & FORMAT_BIT) != 0 ? PACK_ZSTD : PACK_GZIP, piece_bytes, data[1] >> 1);
    return 0;
}
