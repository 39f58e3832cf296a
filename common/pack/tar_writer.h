/* A tar archive (POSIX.1-2001, pax) written piece by piece into memory that the caller empties: regular files
 * only, each as large as was said at its beginning. Knows nothing of files and of compression. The same calls
 * make the same bytes. Threads: one at a time. */
#ifndef COMMON_PACK_TAR_WRITER_H
#define COMMON_PACK_TAR_WRITER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum { TAR_NAME_MAX_BYTES = 1024, TAR_OUTPUT_MAX_BYTES = 4 * 1024 * 1024 };

struct tar_entry {
    const char *name; /* relative, ASCII, with `/` between its parts; copied */
    int64_t size;     /* bytes: exactly as many follow */
    mode_t mode;      /* permissions */
    int64_t mtime_s;  /* since 1970 */
};

struct tar_writer;

struct tar_writer *tar_writer_new(struct error *err) MUST_USE;
void tar_writer_free(struct tar_writer *writer); /* NULL is fine */

/* Errors: ERR_USAGE (a name that no archive should have, a size below 0), ERR_INTERNAL (the entry before is
 * not complete), ERR_LIMIT (TAR_OUTPUT_MAX_BYTES wait to be taken), ERR_MEMORY. */
bool tar_writer_begin(struct tar_writer *writer, const struct tar_entry *entry, struct error *err) MUST_USE;
/* Errors: ERR_INTERNAL (more than was said), ERR_LIMIT, ERR_MEMORY. */
bool tar_writer_data(struct tar_writer *writer, struct view piece, struct error *err) MUST_USE;
/* How many bytes of the entry are still to come. */
int64_t tar_writer_left(const struct tar_writer *writer);
/* The archive's end, two blocks of zeros. Errors: as tar_writer_begin. */
bool tar_writer_end(struct tar_writer *writer, struct error *err) MUST_USE;

/* What was written since the last tar_writer_taken; valid until the next call of any other function. */
struct view tar_writer_output(const struct tar_writer *writer);
void tar_writer_taken(struct tar_writer *writer);

static inline void scope_tar_writer(struct tar_writer **writer)
{
    tar_writer_free(*writer);
}
#define SCOPE_TAR_WRITER SCOPE(scope_tar_writer)

#endif
