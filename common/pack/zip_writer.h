/* A zip archive written to a descriptor, through libarchive: the same calls give the same bytes, whatever the
 * time zone, the locale, the user and the umask. So entries carry no time of their own: the format's
 * earliest, 1980-01-01 (libarchive would write local time). zip64 where it is needed. Knows nothing of
 * packages. libarchive 3.6 crashes when memory runs out for its central directory (64 KiB at a time): for
 * programs that people start, not for daemons. Threads: one at a time. */
#ifndef COMMON_PACK_ZIP_WRITER_H
#define COMMON_PACK_ZIP_WRITER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

struct zip_writer;

/* fd: borrowed, written from its place on. */
struct zip_writer *zip_writer_new(int fd, struct error *err) MUST_USE;
void zip_writer_free(struct zip_writer *writer); /* NULL is fine; what was not ended is no archive */

/* name: relative, UTF-8, one that zip_index_read takes; copied. mode: 0755 or 0644. size: bytes, exactly as
 * many must follow. Errors: ERR_USAGE (a name or size that no entry can have, with the reader's reason),
 * ERR_INTERNAL (the entry before is not complete), ERR_LIMIT (ZIP_MAX_ENTRIES), ERR_SPACE, ERR_IO,
 * ERR_MEMORY. */
bool zip_writer_begin(struct zip_writer *writer, const char *name, mode_t mode, int64_t size,
                      struct error *err) MUST_USE;
/* Errors: ERR_INTERNAL (more than was said), ERR_SPACE, ERR_IO, ERR_MEMORY. */
bool zip_writer_data(struct zip_writer *writer, struct view piece, struct error *err) MUST_USE;
/* Central directory and end record. Nothing is fsynced. Errors: as zip_writer_data. */
bool zip_writer_end(struct zip_writer *writer, struct error *err) MUST_USE;

static inline void scope_zip_writer(struct zip_writer **writer)
{
    zip_writer_free(*writer);
}
#define SCOPE_ZIP_WRITER SCOPE(scope_zip_writer)

#endif
