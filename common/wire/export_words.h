/* How an export is asked for, and what the headers of its answer promise. Knows nothing of how they travel
 * nor of what is in the lines. Source: docs/protocol.md, "GET /data/export". Threads: safe. */
#ifndef COMMON_WIRE_EXPORT_WORDS_H
#define COMMON_WIRE_EXPORT_WORDS_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/pack/packer.h"

enum { EXPORT_TARGET_MAX_BYTES = 512 };

struct export_ask {
    const char *stream; /* "readings", "alarms" or "channels"; borrowed, as all texts here */
    enum pack_format format;
    const char *store_id;
    const char *since; /* "": by `after`, where there are seq */
    bool has_seq;
    int64_t after;
    int64_t limit; /* 0: none */
};

/* Path and query; with a final NUL. Errors: ERR_LIMIT, ERR_MEMORY. */
bool export_ask_write(const struct export_ask *ask, struct buf *out, struct error *err) MUST_USE;
/* The header that names the format: "Accept: application/zstd". */
const char *export_ask_accept(const struct export_ask *ask);

struct export_promise {
    int64_t count;               /* lines */
    int64_t first_seq, last_seq; /* -1: the stream has no seq, or no line */
};
/* header: gives a header of the answer, or NULL. Errors: ERR_PROTOCOL (missing, no number, another format or
 * store than was asked for). */
bool export_promise_read(const struct export_ask *ask,
                         const char *(*header)(const void *context, const char *name), const void *context,
                         struct export_promise *out, struct error *err) MUST_USE;

#endif
