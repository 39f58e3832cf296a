/* zstd streams (RFC 8878) on libzstd: a compressor for one stream, a decompressor that is strict about the
 * end. Knows nothing of files. Threads: one at a time. */
#ifndef COMMON_PACK_ZSTD_H
#define COMMON_PACK_ZSTD_H

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

struct zstd_writer;

struct zstd_writer *zstd_writer_new(struct error *err) MUST_USE;
void zstd_writer_free(struct zstd_writer *writer); /* NULL is fine */

/* As gzip_write: one frame with a checksum of its content. The same calls give the same bytes. */
size_t zstd_write(struct zstd_writer *writer, struct view *in, bool last, char *out, size_t out_bytes,
                  bool *ended);

struct zstd_reader;

struct zstd_reader *zstd_reader_new(struct error *err) MUST_USE;
void zstd_reader_free(struct zstd_reader *reader); /* NULL is fine */

/* As gzip_read, of frames one after another; no skippable and no older frames. Errors: ERR_INPUT (no zstd
 * frame, damaged, checksum, a window above ZSTD_READ_WINDOW_BYTES), ERR_MEMORY. */
enum { ZSTD_READ_WINDOW_BYTES = 8 << 20 };
bool zstd_read(struct zstd_reader *reader, struct view *in, char *out, size_t out_bytes, size_t *size,
               struct error *err) MUST_USE;
/* True when everything so far ended exactly at a frame's end: a stream may end here. */
bool zstd_reader_at_end(const struct zstd_reader *reader);

#endif
