/* The list of what lies in ROOT, for a support bundle: kind and permissions, owner, size, time and path of
 * each file, never what is in it. */
#ifndef AGENT_SUPPORT_LISTING_H
#define AGENT_SUPPORT_LISTING_H

#include "common/base/buf.h"

enum {
    SUPPORT_LISTING_MAX = 4000,        /* files in all */
    SUPPORT_LISTING_FOLDER_MAX = 1000, /* of one folder */
    SUPPORT_LISTING_DEPTH = 8,
    SUPPORT_LISTING_MAX_BYTES = 1024 * 1024,
};

/* A line a file; says where it left some out. Follows no link. Errors: ERR_MEMORY, ERR_IO (ROOT itself). */
bool support_listing(int root_fd, struct buf *out, struct error *err) MUST_USE;

#endif
