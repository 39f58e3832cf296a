#include "common/pack/gzip.h"

#include <isa-l/igzip_lib.h>
#include <stdint.h>

#include "common/pack/gzip_header.h"

enum {
    /* Export lines of a vehicle come to 1.16 times gzip -6 (noisier ones to 1.31) at ten times its speed.
     * Level 1 is as fast and a little larger, level 3 takes two to three times as long. Larger buffers
     * change nothing. */
    GZIP_LEVEL = 2,
    GZIP_LEVEL_BUFFER_BYTES = ISAL_DEF_LVL2_LARGE,
    /* isa-l's vector code likes its tables on a cache line. */
    GZIP_ALIGNMENT_BYTES = 64,
    /* isa-l counts what it is given in 32 bits. */
    GZIP_PIECE_MAX_BYTES = 1 << 30,
};

/* Zeroed, so that what is written never depends on what was in memory before. */
static void *new_aligned(size_t bytes, struct error *err)
{
    size_t rounded = (bytes + GZIP_ALIGNMENT_BYTES - 1) / GZIP_ALIGNMENT_BYTES * GZIP_ALIGNMENT_BYTES;
    void *memory = aligned_alloc(GZIP_ALIGNMENT_BYTES, rounded);
    if (memory == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a gzip stream");
    else
        memset(memory, 0, rounded);
    return memory;
}

static uint32_t piece_bytes(size_t bytes)
{
    return bytes < GZIP_PIECE_MAX_BYTES ? (uint32_t)bytes : GZIP_PIECE_MAX_BYTES;
}

/* Moves *in past what isa-l took of the piece that it was given. */
static void skip_taken(struct view *in, uint32_t given, uint32_t left)
{
    if (given == left)
        return;
    in->data += given - left;
    in->size -= given - left;
}

/* ---- writing ---- */

struct gzip_writer {
    struct isal_zstream stream;
    uint8_t level_buffer[GZIP_LEVEL_BUFFER_BYTES];
};

static void prepare_writer(struct gzip_writer *writer)
{
    isal_deflate_init(&writer->stream);
    writer->stream.level = GZIP_LEVEL;
    writer->stream.level_buf = writer->level_buffer;
    writer->stream.level_buf_size = sizeof(writer->level_buffer);
    writer->stream.gzip_flag = IGZIP_GZIP;
}

struct gzip_writer *gzip_writer_new(struct error *err)
{
    struct gzip_writer *writer = new_aligned(sizeof(*writer), err);
    if (writer != NULL)
        prepare_writer(writer);
    return writer;
}

void gzip_writer_free(struct gzip_writer *writer)
{
    free(writer);
}

size_t gzip_write(struct gzip_writer *writer, struct view *in, bool last, char *out, size_t out_bytes,
                  bool *ended)
{
    struct isal_zstream *stream = &writer->stream;
    uint32_t room = piece_bytes(out_bytes);
    uint32_t given = piece_bytes(in->size);
    stream->next_in = (uint8_t *)(uintptr_t)in->data; /* isa-l only reads there */
    stream->avail_in = given;
    stream->next_out = (uint8_t *)out;
    stream->avail_out = room;
    stream->end_of_stream = last && given == in->size;
    (void)isal_deflate(stream); /* fails only on a level or flush that does not exist */
    skip_taken(in, given, stream->avail_in);
    *ended = stream->internal_state.state == ZSTATE_END;
    return room - stream->avail_out;
}

/* ---- reading ---- */

struct gzip_reader {
    struct inflate_state state;
    struct gzip_header header; /* of the member that state reads */
};

static void prepare_reader(struct gzip_reader *reader)
{
    isal_inflate_init(&reader->state);
    reader->state.crc_flag = ISAL_GZIP_NO_HDR_VER; /* isa-l verifies the checksum and the length */
    gzip_header_init(&reader->header);
}

struct gzip_reader *gzip_reader_new(struct error *err)
{
    struct gzip_reader *reader = new_aligned(sizeof(*reader), err);
    if (reader != NULL)
        prepare_reader(reader);
    return reader;
}

void gzip_reader_free(struct gzip_reader *reader)
{
    free(reader);
}

/* The body of a member: one call of isa-l with what is left of *in and of the room. */
static bool inflate_piece(struct inflate_state *state, struct view *in, char *out, size_t out_bytes,
                          size_t *wrote, struct error *err)
{
    uint32_t given = piece_bytes(in->size);
    uint32_t room = piece_bytes(out_bytes);
    state->next_in = (uint8_t *)(uintptr_t)in->data;
    state->avail_in = given;
    state->next_out = (uint8_t *)out;
    state->avail_out = room;
    int result = isal_inflate(state);
    skip_taken(in, given, state->avail_in);
    *wrote = room - state->avail_out;
    if (result == ISAL_INCORRECT_CHECKSUM)
        return error_set(err, ERR_INPUT, "gzip: checksum or length does not match the content");
    return result == ISAL_DECOMP_OK || result == ISAL_END_INPUT ||
           error_set(err, ERR_INPUT, "gzip: the compressed data is damaged");
}

bool gzip_read(struct gzip_reader *reader, struct view *in, char *out, size_t out_bytes, size_t *size,
               struct error *err)
{
    size_t done = 0;
    for (;;) {
        if (gzip_reader_at_end(reader)) {
            if (in->size == 0)
                break;
            isal_inflate_reset(&reader->state); /* whatever follows must be another member */
            gzip_header_init(&reader->header);
        }
        if (!gzip_header_read(&reader->header, in, err))
            return false;
        if (reader->header.step != GZIP_HEADER_DONE)
            break;
        size_t before = in->size;
        size_t wrote;
        if (!inflate_piece(&reader->state, in, out + done, out_bytes - done, &wrote, err))
            return false;
        done += wrote;
        if (wrote == 0 && in->size == before)
            break; /* no progress: out is full, or more input is needed */
    }
    *size = done;
    return true;
}

bool gzip_reader_at_end(const struct gzip_reader *reader)
{
    return reader->state.block_state == ISAL_BLOCK_FINISH;
}
