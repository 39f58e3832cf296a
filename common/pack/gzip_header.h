/* The header of a gzip member (RFC 1952, section 2.3), taken in any pieces. isa-l 2.30 has a reader of its
 * own, but it loses the header's checksum when the header comes in two pieces. Keeps nothing of the header:
 * names and times mean nothing here. Threads: one at a time. */
#ifndef COMMON_PACK_GZIP_HEADER_H
#define COMMON_PACK_GZIP_HEADER_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

/* What comes next, in the order of RFC 1952. */
enum gzip_header_step {
    GZIP_HEADER_FIXED,   /* ten bytes: magic, method, flags, time, extra flags, system */
    GZIP_HEADER_EXTRA,   /* two bytes of size, then as many bytes */
    GZIP_HEADER_NAME,    /* up to and with a NUL */
    GZIP_HEADER_COMMENT, /* up to and with a NUL */
    GZIP_HEADER_CHECK,   /* the low two bytes of the CRC-32 of all before */
    GZIP_HEADER_DONE,    /* the deflate stream */
};

struct gzip_header {
    enum gzip_header_step step;
    uint32_t bytes;       /* taken in this step */
    uint32_t extra_bytes; /* size of the extra field, once its two bytes are taken */
    uint32_t crc;
    uint8_t flags;
};

void gzip_header_init(struct gzip_header *header);

/* Takes bytes from *in (moved on) until the header ends or *in does. Errors: ERR_INPUT. */
bool gzip_header_read(struct gzip_header *header, struct view *in, struct error *err) MUST_USE;

#endif
