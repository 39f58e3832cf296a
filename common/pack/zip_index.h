/* The structure of a zip archive (PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5), read strictly from a file: the
 * end record, the central directory and every local header must say the same, and together account for every
 * byte of the file. Reads headers only, never data; knows nothing of what the entries mean. Errors carry a
 * stable `reason` (struct error), each named in docs/package_format.md. Threads: an index that is made is
 * read-only. */
#ifndef COMMON_PACK_ZIP_INDEX_H
#define COMMON_PACK_ZIP_INDEX_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum {
    ZIP_MAX_ENTRIES = 20000 + 2, /* the package's files, its manifest and signature */
    ZIP_NAME_MAX_BYTES = 1024 + 16,
    ZIP_STORE = 0,
    ZIP_DEFLATE = 8,
};

struct zip_entry {
    const char *name; /* UTF-8 without control characters, relative, no `.` or `..` part; the index's own */
    uint64_t packed_bytes, bytes;
    uint64_t header_offset, data_offset; /* in the file */
    uint32_t crc32;
    uint16_t method; /* ZIP_STORE or ZIP_DEFLATE */
    mode_t mode;     /* st_mode as the archive has it, of a regular file; 0: it has none */
};

struct zip_index;

/* fd: a regular file, borrowed for this call; read with pread. Memory is bounded by ZIP_MAX_ENTRIES.
 * Errors: ERR_INPUT with a reason, ERR_IO, ERR_MEMORY. */
struct zip_index *zip_index_read(int fd, struct error *err) MUST_USE;
void zip_index_free(struct zip_index *index); /* NULL is fine */
static inline void scope_zip_index(struct zip_index **index)
{
    zip_index_free(*index);
}
#define SCOPE_ZIP_INDEX SCOPE(scope_zip_index)

/* In the order in which they lie in the file. */
size_t zip_index_count(const struct zip_index *index);
const struct zip_entry *zip_index_entry(const struct zip_index *index, size_t number);

/* The content of one entry, piece by piece, in bounded memory: libarchive is given this entry alone. False as
 * soon as take says so, more comes than `bytes`, or the content is not what crc32 and bytes say. */
typedef bool zip_take(void *context, struct view piece, struct error *err);
bool zip_entry_read(int fd, const struct zip_entry *entry, zip_take *take, void *context,
                    struct error *err) MUST_USE;

#endif
