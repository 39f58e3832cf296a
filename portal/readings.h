/* The telemetry store for several threads: opened when there is one, opened anew when the collector begins
 * another. Knows nothing of JSON. Threads: safe; each call holds the reader for itself. */
#ifndef PORTAL_READINGS_H
#define PORTAL_READINGS_H

#include "collector/telemetry_store.h"

struct readings;

/* folder: TELEMETRY_DIR, absolute; copied. There need not be a store yet. */
struct readings *readings_new(const char *folder, struct error *err) MUST_USE;
void readings_free(struct readings *readings); /* NULL is fine */

struct readings_state {
    struct store_state store;
    char store_id[STORE_ID_BYTES];
    int64_t bytes; /* of the store and its write-ahead log */
};

/* Errors of all three: ERR_NOT_FOUND (no store yet), ERR_CORRUPT, ERR_BUSY, ERR_IO. */
bool readings_state(struct readings *readings, struct readings_state *out, struct error *err) MUST_USE;
/* *out: malloc'd. */
bool readings_channels(struct readings *readings, struct store_channel **out, size_t *count,
                       struct error *err) MUST_USE;

struct latest {
    struct store_row *rows; /* by channel_id; malloc'd */
    size_t count;
    char store_id[STORE_ID_BYTES];
};
bool readings_latest(struct readings *readings, struct latest *out, struct error *err) MUST_USE;

static inline void scope_latest(struct latest *latest)
{
    free(latest->rows);
}
#define SCOPE_LATEST SCOPE(scope_latest)

#endif
