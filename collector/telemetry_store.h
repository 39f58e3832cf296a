/* The appliance's telemetry store as readers see it (agent, portal): which file is the current one, and
 * reading a range of seq. Written by the collector alone (collector/store_writer.h). Schema: docs/protocol.md
 * and migrations/appliance. Threads: a reader belongs to one thread at a time. */
#ifndef COLLECTOR_TELEMETRY_STORE_H
#define COLLECTOR_TELEMETRY_STORE_H

#include <stdint.h>

#include "common/app/store_file.h"
#include "common/base/buf.h"
#include "common/os/file.h"
#include "common/store/db.h"

enum { STORE_ID_BYTES = 37, STORE_CHANNELS_MAX = 10000, STORE_CHUNK_ROWS = 4096 };

struct store_reader;

/* Errors: ERR_NOT_FOUND (the collector has not made it yet), ERR_CORRUPT, ERR_IO. */
struct store_reader *store_reader_open(const char *folder, struct error *err) MUST_USE;
void store_reader_close(struct store_reader *reader); /* NULL is fine */
static inline void scope_store_reader(struct store_reader **reader)
{
    store_reader_close(*reader);
}
#define SCOPE_STORE_READER SCOPE(scope_store_reader)

const char *store_reader_id(const struct store_reader *reader); /* store_id */

/* True when data/current_store names another file by now: close and open again. */
bool store_reader_is_stale(const struct store_reader *reader);

struct store_state {
    int64_t next_seq;
    int64_t readings;      /* an estimate: max seq - min seq + 1 */
    int64_t first_time_us; /* of the oldest and newest reading; INT64_MIN when empty */
    int64_t last_time_us;
};
bool store_reader_state(struct store_reader *reader, struct store_state *out, struct error *err) MUST_USE;

/* What is exported: a range of seq fixed now. */
struct store_range {
    int64_t first_seq, last_seq;         /* inclusive; first > last: empty */
    int64_t count;                       /* exactly the readings in it */
    int64_t first_time_us, last_time_us; /* of the first and last row by seq; INT64_MIN when empty */
    int64_t since_us;                    /* only rows strictly later than this; INT64_MIN: all */
};
/* after: seq > after. limit: at most so many rows; 0: all. Each in one short read transaction. */
bool store_range_after(struct store_reader *reader, int64_t after, int64_t limit, struct store_range *out,
                       struct error *err) MUST_USE;
bool store_range_since(struct store_reader *reader, int64_t since_us, int64_t limit, struct store_range *out,
                       struct error *err) MUST_USE;

struct store_row {
    int64_t seq, time_us;
    int64_t channel_id;
    double value; /* NaN: null */
};
/* Up to max_rows rows of the range with seq > after, in order of seq, in one short read transaction (never
 * held over calls). *count 0: the end. The fast way (one SELECT with a sink function). */
bool store_range_read(struct store_reader *reader, const struct store_range *range, int64_t after,
                      struct store_row *rows, size_t max_rows, size_t *count, struct error *err) MUST_USE;

/* ---- readings in the order of time ---- */
/* from_us <= time < to_us, fixed now: what is written later is not of it. */
struct store_window {
    int64_t from_us, to_us;
    int64_t last_seq;
    int64_t count;  /* its rows, exactly, up to the max_rows of its opening */
    bool truncated; /* there are more than that; the first in time are its rows */
};
/* In one short read transaction, from the index of times alone. */
bool store_window_open(struct store_reader *reader, int64_t from_us, int64_t to_us, int64_t max_rows,
                       struct store_window *out, struct error *err) MUST_USE;
/* Up to max_rows rows of the window (beyond its count, too: the caller counts) behind the row `after` (NULL:
 * from its beginning), in order of time and then of channel, in one short read transaction. *count 0: the
 * end. */
bool store_window_read(struct store_reader *reader, const struct store_window *window,
                       const struct store_row *after, struct store_row *rows, size_t max_rows, size_t *count,
                       struct error *err) MUST_USE;

struct store_channel {
    int64_t channel_id;
    char name[128];
    char unit[64];
    double phys_min, phys_max; /* NaN: none */
    char description[256];
};
/* All channels by id. *out is malloc'd, freed by the caller. */
bool store_channels(struct store_reader *reader, struct store_channel **out, size_t *count,
                    struct error *err) MUST_USE;

/* The newest reading of each channel, by channel_id. The first call of a reader looks back over the newest
 * million readings (0.2 s at most); a channel without one there is left out. Later calls read only what is
 * new: keep the reader open. *out: malloc'd. */
bool store_latest(struct store_reader *reader, struct store_row **out, size_t *count,
                  struct error *err) MUST_USE;

/* ---- alarms: few (docs/appliance.md, "Alarms"), so they are given as whole structs ---- */
enum { STORE_SEVERITY_BYTES = 16, STORE_MESSAGE_BYTES = 256, STORE_ALARMS_CHUNK = 500 };
struct store_alarm {
    int64_t alarm_id; /* the time it was raised in us, moved on until unique */
    int64_t seq;      /* a new one when it is resolved */
    int64_t channel_id;
    char severity[STORE_SEVERITY_BYTES];
    char message[STORE_MESSAGE_BYTES];
    int64_t raised_us, resolved_us; /* INT64_MIN: it lasts */
};
/* Their seqs in a range fixed now, as store_range_after and store_range_since do it for readings; since_us:
 * raised or resolved strictly later. The times of the range are the first and last of those. */
bool store_alarm_range(struct store_reader *reader, int64_t after, int64_t since_us, int64_t limit,
                       struct store_range *out, struct error *err) MUST_USE;
/* Up to max_alarms of that range with seq > after, in order of seq. An alarm that was resolved meanwhile has
 * left the range (its new seq is behind it): the next export has it. *count 0: the end. */
bool store_alarm_range_read(struct store_reader *reader, const struct store_range *range, int64_t after,
                            struct store_alarm *alarms, size_t max_alarms, size_t *count,
                            struct error *err) MUST_USE;
/* For people: those that were open at any time of from_us..to_us, the newest first; at most max_alarms. */
bool store_alarms_between(struct store_reader *reader, int64_t from_us, int64_t to_us,
                          struct store_alarm *alarms, size_t max_alarms, size_t *count,
                          struct error *err) MUST_USE;
/* Those that were raised or resolved in from_us <= time < to_us, in order of raised_us and alarm_id, behind
 * the alarm `after` (NULL: from the first); at most max_alarms. *count 0: the end. */
bool store_alarms_in(struct store_reader *reader, int64_t from_us, int64_t to_us,
                     const struct store_alarm *after, struct store_alarm *alarms, size_t max_alarms,
                     size_t *count, struct error *err) MUST_USE;

/* ---- what one channel did over a range of time ---- */
enum { HISTORY_POINTS_MAX = 4000 };

struct history_point {
    int64_t time_us; /* of a point that is one reading: its own; else the point's beginning */
    double min, max; /* NaN: there were only nulls */
};

struct history {
    int64_t step_us; /* 0: every point is one reading */
    size_t count;
};

/* from_us <= time < to_us, in at most max_points (2 to HISTORY_POINTS_MAX, room for them in points) with the
 * least and the greatest value of each, so that no spike disappears; in order of time. Stretches without
 * readings have no points. Long ranges are read from the roll-ups that the collector keeps
 * (collector/rollup.h), then the first point may begin up to ROLLUP_S before from_us. */
bool store_history(struct store_reader *reader, int64_t channel_id, int64_t from_us, int64_t to_us,
                   struct history_point *points, size_t max_points, struct history *out,
                   struct error *err) MUST_USE;

#endif
