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

/* Errors of all: ERR_NOT_FOUND (no store yet), ERR_CORRUPT, ERR_BUSY, ERR_IO. */
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

struct channel_history {
    struct store_channel channel;
    struct history facts;
    struct history_point *points; /* malloc'd; NULL: there is no such channel */
};
/* max_points: 2 to HISTORY_POINTS_MAX. */
bool readings_history(struct readings *readings, struct view channel, int64_t from_us, int64_t to_us,
                      size_t max_points, struct channel_history *out, struct error *err) MUST_USE;

struct alarm_list {
    struct store_alarm *alarms; /* malloc'd, the newest first */
    size_t count;
    struct store_channel *channels; /* malloc'd, by channel_id: whose they are */
    size_t channel_count;
    size_t open; /* at this moment, of all; counted up to READINGS_OPEN_MAX */
};
enum { READINGS_OPEN_MAX = 1000 };
/* Those that were open at any time of from_us..to_us; from_us INT64_MAX: those that are open now. */
bool readings_alarms(struct readings *readings, int64_t from_us, int64_t to_us, size_t max_alarms,
                     struct alarm_list *out, struct error *err) MUST_USE;

/* What was raised or resolved since the mark of an earlier call, in that order; at most STORE_ALARMS_CHUNK.
 * mark: begun with {""}; the first call, and one that finds another store, gives none and takes the newest
 * place as its mark. */
struct alarm_mark {
    char store_id[STORE_ID_BYTES];
    int64_t seq;
};
bool readings_alarm_news(struct readings *readings, struct alarm_mark *mark, struct alarm_list *out,
                         struct error *err) MUST_USE;

static inline void scope_channel_history(struct channel_history *history)
{
    free(history->points);
}
#define SCOPE_CHANNEL_HISTORY SCOPE(scope_channel_history)
static inline void scope_alarm_list(struct alarm_list *list)
{
    free(list->alarms);
    free(list->channels);
}
#define SCOPE_ALARM_LIST SCOPE(scope_alarm_list)
static inline void scope_latest(struct latest *latest)
{
    free(latest->rows);
}
#define SCOPE_LATEST SCOPE(scope_latest)

#endif
