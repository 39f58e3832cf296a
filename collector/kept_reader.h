/* A store reader that several threads share: opened when there is a store, opened anew when the collector
 * begins another. Knows nothing of what is read. Threads: safe; who has begun holds it alone. */
#ifndef COLLECTOR_KEPT_READER_H
#define COLLECTOR_KEPT_READER_H

#include <pthread.h>

#include "collector/telemetry_store.h"

struct kept_reader {
    char folder[PATH_LIMIT_BYTES];
    pthread_mutex_t lock;
    struct store_reader *reader; /* NULL: not open */
};

/* folder: TELEMETRY_DIR, absolute; copied. There need not be a store yet. Errors: ERR_LIMIT. */
bool kept_reader_init(struct kept_reader *kept, const char *folder, struct error *err) MUST_USE;
void kept_reader_clear(struct kept_reader *kept);

/* kept->reader is the caller's until kept_reader_end, which is called also after a failure. Errors: those of
 * store_reader_open. */
bool kept_reader_begin(struct kept_reader *kept, struct error *err) MUST_USE;
/* ok: what was read went well; a reader that failed is opened anew the next time. Returns ok. */
bool kept_reader_end(struct kept_reader *kept, bool ok);

#endif
