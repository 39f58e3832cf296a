/* gzip streams (RFC 1952) on isa-l: a compressor for one stream, a decompressor that is strict about the
 * end. Knows nothing of files. Threads: one at a time. */
#ifndef COMMON_PACK_GZIP_H
#define COMMON_PACK_GZIP_H

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

struct gzip_writer;

struct gzip_writer *gzip_writer_new(struct error *err) MUST_USE;
void gzip_writer_free(struct gzip_writer *writer);

/* Compresses as much of *in as fits into out and moves *in on; returns the bytes written. last: *in is the
 * stream's last piece; done says (through *ended) that the trailer is out. Deterministic. */
size_t gzip_write(struct gzip_writer *writer, struct view *in, bool last, char *out, size_t out_bytes,
                  bool *ended);

struct gzip_reader;

struct gzip_reader *gzip_reader_new(struct error *err) MUST_USE;
void gzip_reader_free(struct gzip_reader *reader);

/* Decompresses from *in (moved on) into out. *size: bytes written. Several members one after another are one
 * stream. Errors: ERR_INPUT (not gzip, damaged, checksum). */
bool gzip_read(struct gzip_reader *reader, struct view *in, char *out, size_t out_bytes, size_t *size,
               struct error *err) MUST_USE;
/* True when everything so far ended exactly at a member's end: a stream may end here. */
bool gzip_reader_at_end(const struct gzip_reader *reader);

#endif
