/* agent/last_sync.txt: until when (RFC 3339, the time of its last reading) the last whole export reached.
 * Exports note it on any thread; the main thread writes it durably, at most once a flush.
 * Threads: safe, but for one flush at a time. */
#ifndef AGENT_LAST_SYNC_H
#define AGENT_LAST_SYNC_H

#include <pthread.h>

#include "common/os/file.h"

struct last_sync {
    struct path path;
    pthread_mutex_t lock;
    int64_t time_us; /* INT64_MIN: never */
    bool unwritten;
};

/* Reads what is there; an unreadable file counts as never. path: borrowed for this call. */
void last_sync_init(struct last_sync *last, const struct path *path);
void last_sync_clear(struct last_sync *last);

void last_sync_note(struct last_sync *last, int64_t time_us);
int64_t last_sync_time_us(struct last_sync *last);
/* Writes it when it has changed; after a failure the next flush tries again. */
bool last_sync_flush(struct last_sync *last, struct error *err) MUST_USE;

#endif
