/* One compressed stream, gzip (RFC 1952) or zstd (RFC 8878), behind one interface: what writes and what reads
 * need not know which. Knows nothing of files. Threads: one at a time. */
#ifndef COMMON_PACK_PACKER_H
#define COMMON_PACK_PACKER_H

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum pack_format {
    PACK_GZIP,
    PACK_ZSTD,
    PACK_NONE, /* the bytes as they are; for what writes alone */
};

/* ".gz", ".zst", "" */
const char *pack_suffix(enum pack_format format);

struct packer;

struct packer *packer_new(enum pack_format format, struct error *err) MUST_USE;
void packer_free(struct packer *packer); /* NULL is fine */

/* Compresses as much of *in as fits into out and moves *in on; returns the bytes written. last: *in is the
 * stream's last piece; *ended says that the stream's own end is out. Deterministic. */
size_t packer_write(struct packer *packer, struct view *in, bool last, char *out, size_t out_bytes,
                    bool *ended);

/* Recognises the format by the stream's first bytes. */
struct unpacker;

struct unpacker *unpacker_new(struct error *err) MUST_USE;
void unpacker_free(struct unpacker *unpacker); /* NULL is fine */

/* Decompresses from *in (moved on) into out; *size: bytes written. Several members or frames one after
 * another are one stream. Memory is bounded whatever the stream says (a zstd window is at most 8 MiB).
 * Errors: ERR_INPUT (neither format, damaged, checksum, window too large), ERR_MEMORY. */
bool unpacker_read(struct unpacker *unpacker, struct view *in, char *out, size_t out_bytes, size_t *size,
                   struct error *err) MUST_USE;
/* True when everything so far ended exactly at a member's end: a stream may end here. */
bool unpacker_at_end(const struct unpacker *unpacker);

#endif
