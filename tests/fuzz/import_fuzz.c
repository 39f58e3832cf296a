/* What the importer reads: compressed bytes, inflated, cut into lines, read. The first byte says how large
 * the pieces are; what does not begin like gzip is compressed first, so that lines are found quickly too.
 * However it is cut, the outcome is the same. */
#include <stdint.h>
#include <stdlib.h>

#include "common/pack/gzip.h"
#include "server_tools/central/archive_reader.h"

enum { PACKED_MAX_BYTES = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    int64_t count;
    uint64_t sum;
};

static bool see(void *context, const struct record_reading *reading, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(record_channel_name_ok(reading->channel));
    seen->count++;
    seen->sum += (uint64_t)reading->time_us ^ (uint64_t)reading->seq;
    return true;
}

static bool read_in_pieces(struct view packed, size_t piece_bytes, struct seen *seen)
{
    struct error err;
    *seen = (struct seen){0};
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(see, seen, &err);
    must(reader != NULL);
    for (size_t at = 0; at < packed.size; at += piece_bytes) {
        size_t left = packed.size - at;
        struct view piece = {packed.data + at, left < piece_bytes ? left : piece_bytes};
        if (!archive_reader_feed(reader, piece, &err))
            return false;
    }
    must(archive_reader_lines(reader) == seen->count);
    return archive_reader_finish(reader, &err);
}

static void pack(struct view text, struct buf *out)
{
    struct gzip_writer *writer = gzip_writer_new(NULL);
    must(writer != NULL);
    bool ended = false;
    while (!ended) {
        char *room = buf_reserve(out, 4096);
        must(room != NULL);
        buf_commit(out, gzip_write(writer, &text, true, room, 4096, &ended));
    }
    gzip_writer_free(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct view bytes = {(const char *)data + 1, size - 1};
    SCOPE_BUF struct buf packed = BUF_LIMIT(PACKED_MAX_BYTES);
    if (view_starts(bytes, "\x1f\x8b"))
        buf_append_view(&packed, bytes);
    else
        pack(bytes, &packed);

    struct seen whole;
    struct seen pieces;
    bool whole_ok = read_in_pieces(buf_view(&packed), packed.size + 1, &whole);
    bool pieces_ok = read_in_pieces(buf_view(&packed), (size_t)data[0] + 1, &pieces);
    must(whole_ok == pieces_ok);
    if (whole_ok)
        must(whole.count == pieces.count && whole.sum == pieces.sum);
    return 0;
}
