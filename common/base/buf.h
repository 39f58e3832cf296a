/* A growing buffer of bytes with a ceiling. Knows nothing of what the bytes mean.
 * Its failure is sticky: a series of appends is checked once, at the end, with buf_check.
 * Threads: one at a time. */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

struct buf {
    char *data; /* NULL while empty; not NUL-terminated but after buf_text */
    size_t size;
    size_t capacity;
    size_t limit_bytes;
    bool over_limit; /* sticky */
    bool no_memory;  /* sticky */
};

/* SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES); */
#define BUF_LIMIT(bytes)                                                                                     \
    {                                                                                                        \
        .limit_bytes = (bytes)                                                                               \
    }
#define SCOPE_BUF SCOPE(buf_clear)

void buf_clear(struct buf *buf); /* frees; keeps the limit; ready for use again */
void buf_reset(struct buf *buf); /* empties; keeps the memory; forgets failures */

/* Each appends wholly or not at all; false when the limit or the memory is reached (sticky). */
bool buf_append(struct buf *buf, const void *data, size_t size);
bool buf_append_view(struct buf *buf, struct view view);
bool buf_append_text(struct buf *buf, const char *text);
bool buf_append_byte(struct buf *buf, char byte);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for `size` more bytes: returns where to write them, or NULL; buf_commit says how many were written. */
char *buf_reserve(struct buf *buf, size_t size) MUST_USE;
void buf_commit(struct buf *buf, size_t size);

/* Removes the first `size` bytes. */
void buf_consume(struct buf *buf, size_t size);

struct view buf_view(const struct buf *buf);

/* The content as a NUL-terminated string, valid until the next change; "" when it failed. */
const char *buf_text(struct buf *buf);

/* True when nothing failed so far. Errors: ERR_LIMIT, ERR_MEMORY; what names the content for people. */
bool buf_check(const struct buf *buf, const char *what, struct error *err) MUST_USE;

#endif
