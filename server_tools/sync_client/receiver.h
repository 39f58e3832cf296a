/* Takes the bytes of an export as they come: writes them, hashes them, and unpacks them to see that they are
 * a whole stream of the format that was promised, and, where nobody else will, that every line is a reading.
 * Knows nothing of HTTP and of where the file will lie. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_RECEIVER_H
#define SERVER_TOOLS_SYNC_CLIENT_RECEIVER_H

#include "common/crypto/hash.h"
#include "common/pack/packer.h"
#include "common/wire/record.h"
#include "server_tools/central/archive_reader.h"

enum {
    RECEIVER_WRITE_BYTES = 512 * 1024, /* one write(2) */
    RECEIVER_TEXT_BYTES = 128 * 1024,  /* unpacked at a time: stays in the processor's cache */
};

struct receiver {
    int fd; /* borrowed */
    struct sha256 hash;
    struct unpacker *unpacker;
    enum pack_format format;
    char *pending; /* RECEIVER_WRITE_BYTES: not yet written */
    size_t pending_bytes;
    char *text; /* RECEIVER_TEXT_BYTES */
    int64_t bytes, lines, text_bytes;
    int64_t line_max_bytes;
    char first[RECORD_LINE_MAX_BYTES]; /* the beginning of the text */
    size_t first_bytes;
    char last[2 * RECORD_LINE_MAX_BYTES]; /* its end so far: the last line whole, and what is before it */
    size_t last_bytes;
    struct archive_reader
        *reader; /* reads every line, in place of the unpacker; NULL: they are only counted */
    int64_t first_seq, first_us, last_us; /* of the reader's lines */
};

/* format: what was promised; another one is refused. line_max_bytes: no line is longer, LF included; a text
 * that could not be made of such lines is refused while it comes, however little it was compressed to. */
bool receiver_open(struct receiver *receiver, int fd, enum pack_format format, int64_t line_max_bytes,
                   struct error *err) MUST_USE;
/* Before the first piece: every line is read as a reading whose seq grows, and the first that is none ends
 * it. */
bool receiver_read_lines(struct receiver *receiver, struct error *err) MUST_USE;
void receiver_close(struct receiver *receiver);
#define SCOPE_RECEIVER SCOPE(receiver_close)

/* Errors: ERR_INPUT (not of the format, damaged, no lines), ERR_SPACE, ERR_IO. */
bool receiver_take(struct receiver *receiver, struct view piece, struct error *err) MUST_USE;

struct received {
    int64_t lines, bytes;
    char sha256[SHA256_HEX_BYTES];
};
/* The end: everything is written (not yet fsynced). Errors: ERR_UNREACHABLE (the compressed stream was cut
 * off), ERR_SPACE, ERR_IO. */
bool receiver_finish(struct receiver *receiver, struct received *out, struct error *err) MUST_USE;

/* The first and last line of readings, read. */
struct received_ends {
    int64_t first_seq, last_seq; /* -1: the line has none, or there are no lines */
    int64_t first_us, last_us;   /* INT64_MIN without lines */
};
/* Errors: ERR_INPUT (its first or last line is no reading). */
bool receiver_ends(const struct receiver *receiver, struct received_ends *out, struct error *err) MUST_USE;

#endif
