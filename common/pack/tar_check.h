/* Whether bytes are a whole tar archive of regular files (POSIX.1-2001, ustar and pax), looked at as they
 * come: every header with its checksum, every file as long as its header says, the two blocks of zeros at the
 * end. Keeps nothing but the last file's name. Threads: one at a time. */
#ifndef COMMON_PACK_TAR_CHECK_H
#define COMMON_PACK_TAR_CHECK_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum { TAR_BLOCK_BYTES = 512, TAR_SHORT_NAME_BYTES = 101 };

struct tar_check { /* zeroed: nothing came yet */
    unsigned char block[TAR_BLOCK_BYTES];
    size_t block_bytes;
    int64_t content_bytes; /* of the entry, its padding included, still to come */
    int64_t bytes;         /* of contents, so far */
    int64_t files;
    int zero_blocks;
    char last_name[TAR_SHORT_NAME_BYTES]; /* as ustar has it: of a longer name its beginning */
};

/* Errors: ERR_INPUT. */
bool tar_check_take(struct tar_check *check, struct view piece, struct error *err) MUST_USE;
/* True when the archive ends here. Errors: ERR_UNREACHABLE (something is missing). */
bool tar_check_finish(const struct tar_check *check, struct error *err) MUST_USE;

#endif
