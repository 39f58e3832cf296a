/* The records of a zip archive as structs (PKWARE APPNOTE 6.3.10): end records, central and local headers,
 * data descriptors; each is checked as far as it can be by itself. Reads memory only. Threads: safe. */
#ifndef COMMON_PACK_ZIP_HEADERS_H
#define COMMON_PACK_ZIP_HEADERS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/pack/zip_reason.h"

enum {
    ZIP_END_BYTES = 22,           /* 4.3.16, without a comment */
    ZIP_END64_BYTES = 56,         /* 4.3.14 */
    ZIP_END64_LOCATOR_BYTES = 20, /* 4.3.15 */
    ZIP_CENTRAL_BYTES = 46,       /* 4.3.12, without name and extra fields */
    ZIP_LOCAL_BYTES = 30,         /* 4.3.7, likewise */
    ZIP_DESCRIPTOR_MAX_BYTES = 24,
    ZIP_EXTRA_MAX_BYTES = 128, /* UT, ux and zip64 take at most 66 */
};

enum zip_signature {
    ZIP_SIGNATURE_LOCAL = 0x04034b50,
    ZIP_SIGNATURE_CENTRAL = 0x02014b50,
    ZIP_SIGNATURE_END = 0x06054b50,
    ZIP_SIGNATURE_END64 = 0x06064b50,
    ZIP_SIGNATURE_END64_LOCATOR = 0x07064b50,
    ZIP_SIGNATURE_DESCRIPTOR = 0x08074b50,
};

enum zip_flag {
    ZIP_FLAG_ENCRYPTED = 1 << 0,
    ZIP_FLAG_DEFLATE_HINTS = 3 << 1,
    ZIP_FLAG_DESCRIPTOR = 1 << 3,
    ZIP_FLAG_STRONG_ENCRYPTION = 1 << 6,
    ZIP_FLAG_UTF8 = 1 << 11,
    ZIP_FLAG_HIDDEN = 1 << 13,
};

/* Little endian, as all of zip. */
uint16_t zip_get16(const unsigned char *at);
uint32_t zip_get32(const unsigned char *at);
uint64_t zip_get64(const unsigned char *at);

/* Where the central directory lies. */
struct zip_directory {
    uint64_t entries, bytes, offset;
    uint64_t end; /* where it must end: offset of the first end record */
};

/* tail: the file's last bytes, as many as all three end records have, or the whole of a smaller file. */
bool zip_end_parse(struct view tail, uint64_t file_bytes, struct zip_directory *out,
                   struct error *err) MUST_USE;

/* What a central and a local header both say. */
struct zip_header {
    struct view name; /* points into what was parsed; any bytes */
    uint64_t packed_bytes, bytes;
    uint64_t offset; /* of the local header; in a local header 0 */
    uint32_t crc32;
    uint32_t dos_time; /* date and time */
    uint16_t method, flags;
    mode_t mode;        /* of a regular file; 0: none. In a local header 0 */
    bool zip64;         /* has that extra field */
    size_t total_bytes; /* of the header, with name and extra fields */
};

/* text: begins with the header, and may go on behind it. Errors: ERR_INPUT with a reason; a name longer than
 * max_name_bytes is one. */
bool zip_central_parse(struct view text, size_t max_name_bytes, struct zip_header *out,
                       struct error *err) MUST_USE;
/* Sizes and CRC-32 may be 0 when a descriptor follows. */
bool zip_local_parse(struct view text, size_t max_name_bytes, struct zip_header *out,
                     struct error *err) MUST_USE;

/* text: all that lies between the content and what comes next; 0, 12 or 16 bytes, or with zip64 20 or 24. */
bool zip_descriptor_equals(struct view text, const struct zip_header *central, bool zip64);

#endif
