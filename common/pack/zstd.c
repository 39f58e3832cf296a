#include "common/pack/zstd.h"

#include <stdint.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    /* Export lines of a vehicle come to 0.83 of gzip -6. A line resembles its neighbours: higher levels and
     * larger windows find matches farther away, whose offsets cost more (window 2^19: 0.88, level 3: 0.96),
     * and take longer. */
    ZSTD_LEVEL = 1,
    ZSTD_WINDOW_LOG = 17,
    ZSTD_READ_WINDOW_LOG = 23,
    ZSTD_MAGIC_BYTES = 4,
};
_Static_assert(ZSTD_READ_WINDOW_BYTES == 1 << ZSTD_READ_WINDOW_LOG, "the window that is read");

/* ---- writing ---- */

struct zstd_writer {
    ZSTD_CCtx *stream;
};

/* The first call makes the tables: with nothing to compress, so that no later one asks for memory, and so
 * that the frame does not depend on how much of the text the first piece is. */
static bool prepare_writer(ZSTD_CCtx *stream)
{
    ZSTD_inBuffer nothing = {"", 0, 0};
    char out[1];
    ZSTD_outBuffer room = {out, 0, 0};
    return !ZSTD_isError(ZSTD_CCtx_setParameter(stream, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(stream, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(stream, ZSTD_c_checksumFlag, 1)) &&
           !ZSTD_isError(ZSTD_compressStream2(stream, &room, &nothing, ZSTD_e_continue));
}

struct zstd_writer *zstd_writer_new(struct error *err)
{
    struct zstd_writer *writer = calloc(1, sizeof(*writer));
    if (writer != NULL)
        writer->stream = ZSTD_createCCtx();
    if (writer != NULL && writer->stream != NULL && prepare_writer(writer->stream))
        return writer;
    zstd_writer_free(writer);
    error_set(err, ERR_MEMORY, "no memory left for a zstd stream");
    return NULL;
}

void zstd_writer_free(struct zstd_writer *writer)
{
    if (writer != NULL)
        ZSTD_freeCCtx(writer->stream);
    free(writer);
}

size_t zstd_write(struct zstd_writer *writer, struct view *in, bool last, char *out, size_t out_bytes,
                  bool *ended)
{
    ZSTD_inBuffer given = {in->data, in->size, 0};
    ZSTD_outBuffer room = {out, out_bytes, 0};
    /* fails only on parameters that do not exist and on buffers that changed */
    size_t left = ZSTD_compressStream2(writer->stream, &room, &given, last ? ZSTD_e_end : ZSTD_e_continue);
    if (given.pos > 0)
        *in = (struct view){in->data + given.pos, in->size - given.pos};
    *ended = last && left == 0;
    return room.pos;
}

/* ---- reading ---- */

struct zstd_reader {
    ZSTD_DCtx *stream;
    size_t magic_bytes; /* of the frame's first four, taken */
    bool any;           /* a byte was taken */
    bool ended;         /* at the end of a frame */
    bool more;          /* libzstd may hold output that had no room */
};

struct zstd_reader *zstd_reader_new(struct error *err)
{
    struct zstd_reader *reader = calloc(1, sizeof(*reader));
    if (reader != NULL)
        reader->stream = ZSTD_createDCtx();
    if (reader != NULL && reader->stream != NULL &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(reader->stream, ZSTD_d_windowLogMax, ZSTD_READ_WINDOW_LOG)))
        return reader;
    zstd_reader_free(reader);
    error_set(err, ERR_MEMORY, "no memory left for a zstd stream");
    return NULL;
}

void zstd_reader_free(struct zstd_reader *reader)
{
    if (reader != NULL)
        ZSTD_freeDCtx(reader->stream);
    free(reader);
}

static bool explain(size_t result, struct error *err)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return error_set(err, ERR_MEMORY, "no memory left for a zstd stream");
    case ZSTD_error_frameParameter_windowTooLarge:
        return error_set(err, ERR_INPUT, "zstd: a window larger than %d MiB", ZSTD_READ_WINDOW_BYTES >> 20);
    case ZSTD_error_checksum_wrong:
        return error_set(err, ERR_INPUT, "zstd: the checksum does not match the content");
    default:
        return error_set(err, ERR_INPUT, "zstd: the compressed data is damaged (%s)",
                         ZSTD_getErrorName(result));
    }
}

/* libzstd itself would take skippable frames, and with some builds those of its first versions. */
static bool magic_ok(const struct zstd_reader *reader, const struct view *in, struct error *err)
{
    static const char magic[] = "\x28\xb5\x2f\xfd";
    size_t size = ZSTD_MAGIC_BYTES - reader->magic_bytes;
    if (size > in->size)
        size = in->size;
    return size == 0 || memcmp(in->data, magic + reader->magic_bytes, size) == 0 ||
           error_set(err, ERR_INPUT, "zstd: no zstd frame where one must be");
}

static void note_taken(struct zstd_reader *reader, struct view *in, size_t taken)
{
    if (taken == 0)
        return;
    *in = (struct view){in->data + taken, in->size - taken};
    reader->any = true;
    reader->magic_bytes += taken;
    if (reader->magic_bytes > ZSTD_MAGIC_BYTES)
        reader->magic_bytes = ZSTD_MAGIC_BYTES;
}

bool zstd_read(struct zstd_reader *reader, struct view *in, char *out, size_t out_bytes, size_t *size,
               struct error *err)
{
    ZSTD_outBuffer room = {out, out_bytes, 0};
    while (room.pos < room.size && (in->size > 0 || reader->more)) {
        if (!magic_ok(reader, in, err))
            return false;
        ZSTD_inBuffer given = {in->data, in->size, 0};
        size_t before = room.pos;
        size_t result = ZSTD_decompressStream(reader->stream, &room, &given);
        if (ZSTD_isError(result))
            return explain(result, err);
        note_taken(reader, in, given.pos);
        reader->ended = result == 0;
        reader->more = !reader->ended && room.pos == room.size;
        if (reader->ended)
            reader->magic_bytes = 0;
        if (room.pos == before && given.pos == 0)
            break; /* more input is needed */
    }
    *size = room.pos;
    return true;
}

bool zstd_reader_at_end(const struct zstd_reader *reader)
{
    return reader->any && reader->ended;
}
