#include "server_tools/sync_client/receiver.h"

#include <stdlib.h>
#include <string.h>

#include "common/os/file.h"

enum { GZIP_FIRST_BYTE = 0x1f };

bool receiver_open(struct receiver *receiver, int fd, enum pack_format format, int64_t line_max_bytes,
                   struct error *err)
{
    *receiver = (struct receiver){.fd = fd, .format = format, .line_max_bytes = line_max_bytes};
    sha256_start(&receiver->hash);
    receiver->pending = malloc(RECEIVER_WRITE_BYTES);
    receiver->text = malloc(RECEIVER_TEXT_BYTES);
    if (receiver->pending == NULL || receiver->text == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for receiving an export");
    receiver->unpacker = unpacker_new(err);
    return receiver->unpacker != NULL;
}

static bool note_reading(void *context, const struct record_reading *reading, struct error *err)
{
    struct receiver *receiver = context;
    (void)err;
    if (receiver->lines++ == 0) {
        receiver->first_seq = reading->seq;
        receiver->first_us = reading->time_us;
    }
    receiver->last_us = reading->time_us;
    return true;
}

bool receiver_read_lines(struct receiver *receiver, struct error *err)
{
    receiver->reader = archive_reader_new(note_reading, receiver, err);
    return receiver->reader != NULL;
}

void receiver_close(struct receiver *receiver)
{
    archive_reader_free(receiver->reader);
    unpacker_free(receiver->unpacker);
    free(receiver->pending);
    free(receiver->text);
    *receiver = (struct receiver){.fd = -1};
}

/* ---- the file ---- */

static bool write_pending(struct receiver *receiver, struct error *err)
{
    if (!file_write_all(receiver->fd, receiver->pending, receiver->pending_bytes, err))
        return error_wrap(err, "the archive");
    receiver->pending_bytes = 0;
    return true;
}

static bool keep(struct receiver *receiver, struct view piece, struct error *err)
{
    sha256_add(&receiver->hash, piece.data, piece.size);
    receiver->bytes += (int64_t)piece.size;
    while (piece.size > 0) {
        size_t room = RECEIVER_WRITE_BYTES - receiver->pending_bytes;
        size_t size = piece.size < room ? piece.size : room;
        memcpy(receiver->pending + receiver->pending_bytes, piece.data, size);
        receiver->pending_bytes += size;
        piece = (struct view){piece.data + size, piece.size - size};
        if (receiver->pending_bytes == RECEIVER_WRITE_BYTES && !write_pending(receiver, err))
            return false;
    }
    return true;
}

/* ---- the text ---- */

static int64_t count_lines(const char *text, size_t size)
{
    int64_t lines = 0;
    const char *end = text + size;
    while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        lines++;
        text++;
    }
    return lines;
}

/* Keeps the last bytes of all that came. */
static void keep_end(struct receiver *receiver, const char *text, size_t size)
{
    if (size >= sizeof(receiver->last)) {
        memcpy(receiver->last, text + size - sizeof(receiver->last), sizeof(receiver->last));
        receiver->last_bytes = sizeof(receiver->last);
        return;
    }
    size_t stay = sizeof(receiver->last) - size;
    if (stay > receiver->last_bytes)
        stay = receiver->last_bytes;
    memmove(receiver->last, receiver->last + receiver->last_bytes - stay, stay);
    memcpy(receiver->last + stay, text, size);
    receiver->last_bytes = stay + size;
}

static bool look_at(struct receiver *receiver, const char *text, size_t size, struct error *err)
{
    size_t room = sizeof(receiver->first) - receiver->first_bytes;
    size_t begin = size < room ? size : room;
    memcpy(receiver->first + receiver->first_bytes, text, begin);
    receiver->first_bytes += begin;
    receiver->lines += count_lines(text, size);
    receiver->text_bytes += (int64_t)size;
    keep_end(receiver, text, size);
    return receiver->text_bytes / receiver->line_max_bytes <= receiver->lines ||
           error_set(err, ERR_INPUT, "the export is not made of lines of %lld bytes at most",
                     (long long)receiver->line_max_bytes);
}

/* The unpacker takes either format: the first byte tells which it is (RFC 1952, 2.3.1; anything else must be
 * zstd, which the unpacker checks). */
static bool check_format(const struct receiver *receiver, struct view piece, struct error *err)
{
    static const char *const names[] = {[PACK_GZIP] = "gzip", [PACK_ZSTD] = "zstd"};
    if (receiver->bytes > 0 || piece.size == 0)
        return true;
    bool gzip = piece.data[0] == GZIP_FIRST_BYTE;
    return gzip == (receiver->format == PACK_GZIP) ||
           error_set(err, ERR_INPUT, "the export is no %s", names[receiver->format]);
}

static bool read_lines(struct receiver *receiver, struct view piece, struct error *err)
{
    struct error problem;
    return archive_reader_feed(receiver->reader, piece, &problem) ||
           error_set(err, problem.code, "the export: %s: it is not kept", problem.text);
}

bool receiver_take(struct receiver *receiver, struct view piece, struct error *err)
{
    if (!check_format(receiver, piece, err) || !keep(receiver, piece, err))
        return false;
    if (receiver->reader != NULL)
        return read_lines(receiver, piece, err);
    size_t size;
    do {
        if (!unpacker_read(receiver->unpacker, &piece, receiver->text, RECEIVER_TEXT_BYTES, &size, err))
            return error_wrap(err, "the export");
        if (!look_at(receiver, receiver->text, size, err))
            return false;
    } while (piece.size > 0 || size == RECEIVER_TEXT_BYTES);
    return true;
}

/* ---- the end ---- */

static bool read_line(struct view line, const char *which, int64_t *seq, int64_t *time_us, struct error *err)
{
    struct record_reading reading;
    if (!record_read_reading(line, &reading, err))
        return error_wrap(err, "the export's %s line", which);
    *seq = reading.seq;
    *time_us = reading.time_us;
    return true;
}

bool receiver_finish(struct receiver *receiver, struct received *out, struct error *err)
{
    if (!write_pending(receiver, err))
        return false;
    const struct archive_reader *reader = receiver->reader;
    bool ended = reader != NULL ? archive_reader_at_end(reader) : unpacker_at_end(receiver->unpacker);
    if (!ended)
        return error_set(err, ERR_UNREACHABLE, "the export broke off: its compressed stream has no end");
    if (reader != NULL && !archive_reader_finish(reader, err))
        return error_wrap(err, "the export");
    *out = (struct received){.lines = receiver->lines, .bytes = receiver->bytes};
    sha256_finish_hex(&receiver->hash, out->sha256);
    return true;
}

bool receiver_ends(const struct receiver *receiver, struct received_ends *out, struct error *err)
{
    struct received_ends ends = {-1, -1, INT64_MIN, INT64_MIN};
    if (receiver->reader != NULL && receiver->lines > 0) {
        *out = (struct received_ends){receiver->first_seq, archive_reader_last_seq(receiver->reader),
                                      receiver->first_us, receiver->last_us};
        return true;
    }
    if (receiver->last_bytes == 0) {
        *out = ends;
        return true;
    }
    const char *first_end = memchr(receiver->first, '\n', receiver->first_bytes);
    const char *last_end = receiver->last + receiver->last_bytes - 1;
    if (first_end == NULL || *last_end != '\n')
        return error_set(err, ERR_INPUT, "the export is not made of lines");
    const char *before = memrchr(receiver->last, '\n', receiver->last_bytes - 1);
    const char *last = before != NULL ? before + 1 : receiver->last;
    if (!read_line((struct view){receiver->first, (size_t)(first_end - receiver->first)}, "first",
                   &ends.first_seq, &ends.first_us, err) ||
        !read_line((struct view){last, (size_t)(last_end - last)}, "last", &ends.last_seq, &ends.last_us,
                   err))
        return false;
    *out = ends;
    return true;
}
