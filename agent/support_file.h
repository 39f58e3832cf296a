/* One file on its way into a support bundle: its last part, as large as it was when it was opened whatever
 * happens to it meanwhile, its secrets hidden. Knows nothing of archives. Threads: one at a time. */
#ifndef AGENT_SUPPORT_FILE_H
#define AGENT_SUPPORT_FILE_H

#include <stdint.h>

#include "agent/secret_mask.h"

enum {
    SUPPORT_WINDOW_BYTES = 64 * 1024,
    /* Of a line longer than the window so much is looked at again with what follows: a secret that begins
     * there is seen whole. */
    SUPPORT_OVERLAP_BYTES = 4 * 1024,
};

struct support_file {
    int fd; /* -1: none */
    struct secret_mask *mask;
    int64_t file_bytes;  /* as it was opened */
    int64_t given_bytes; /* the part of it that is given out */
    int64_t mtime_s;
    int64_t unread;      /* of given_bytes */
    int64_t hidden;      /* values */
    int64_t blank_bytes; /* could not be read, or it had become shorter: line feeds stand in place of them */
    int read_errno;      /* why; 0: shorter */
    bool begins_in_a_line; /* the part's first line has no beginning */
    size_t window_bytes, ready_bytes;
    char window[SUPPORT_WINDOW_BYTES];
};

/* Opens name beneath the folder for its last max_bytes at most, from a line's beginning where there is one.
 * mask: borrowed. Errors: file_open_beneath's, ERR_INPUT (compressed, a database or the like: what is secret
 * in it cannot be seen). */
bool support_file_open(struct support_file *file, int root_fd, const char *name, int64_t max_bytes,
                       struct secret_mask *mask, struct error *err) MUST_USE;
/* The next piece, valid until the next call; empty: all given_bytes were given out. */
struct view support_file_next(struct support_file *file) MUST_USE;
void support_file_close(struct support_file *file);

#endif
