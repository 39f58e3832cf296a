/* Judges every reading against the limits of its channel, keeps which alarms last, and collects what the
 * store has to be told. Knows nothing of SQL, of logs or of a clock: times are those of the readings.
 * Threads: one at a time.
 *
 *              value at the limit or beyond
 *      quiet ------------------------------> lasts        one such pair for each limit; a null and a
 *        ^                                     |          channel that is silent move nothing
 *        +-------------------------------------+
 *              value back by more than the hysteresis
 *
 * Readings are judged in the order in which they are given. An alarm that is raised and ends before the store
 * was told of it is told once, whole. What waits is bounded: above ALARMS_WAITING_MAX the oldest of those
 * that came and went unstored are lost and counted; one that lasts, and the end of one that the store has,
 * never are (there is one of each a limit at most). */
#ifndef COLLECTOR_ALARM_JUDGE_H
#define COLLECTOR_ALARM_JUDGE_H

#include "collector/batch.h"
#include "collector/channel_table.h"

enum { ALARMS_WAITING_MAX = 64 * 1024 }; /* 4 MiB of memory */
_Static_assert(ALARMS_WAITING_MAX > 2 * STORE_CHANNELS_MAX * ALARM_SIDES,
               "there is room for what is never lost: an end that the store waits for and one that lasts");

struct alarm {
    int64_t alarm_id; /* 0: none yet. A store that replaces another gives it again, if it can */
    int64_t given_id; /* by the transaction that is under way */
    bool stored;      /* the store has it, as it was when it was raised */
    int64_t raised_us;
    int64_t ended_us; /* INT64_MIN: it lasts. Never before raised_us, whatever the readings' clock did */
    double value;     /* that raised it; NaN: before this run */
    uint32_t channel; /* index into the channel table */
    enum alarm_side side;
};

struct alarm_judge;

/* The limits of all channels that the table has by now: those of CHANNEL lines. channels: borrowed. */
struct alarm_judge *alarm_judge_new(struct channel_table *channels, struct error *err) MUST_USE;
void alarm_judge_free(struct alarm_judge *judge); /* NULL is fine */

/* Told of every alarm that is raised or ends, when it does; value: of the reading that did it. */
struct alarm_sink {
    void (*event)(void *context, const struct alarm *alarm, double value);
    void *context;
};
/* False: no memory was left for some event; the next reading of that channel brings it again. */
bool alarm_judge_readings(struct alarm_judge *judge, const struct reading *readings, size_t count,
                          const struct alarm_sink *sink) MUST_USE;

/* ---- what the store is told ---- */

/* What waits to be written, in order; one alarm stands there once. Valid until the next call but this one. */
struct alarm *alarm_judge_waiting(struct alarm_judge *judge, size_t *count);
/* All of it was written; its given_id hold. */
void alarm_judge_stored(struct alarm_judge *judge);
/* Another, empty store is in use: what lasts is raised anew there, at the time when it was. */
void alarm_judge_new_store(struct alarm_judge *judge);

/* An alarm that the store had when it was opened: it lasts on. False: its limit is gone, or something was
 * raised there already; end it. */
bool alarm_judge_adopt(struct alarm_judge *judge, const struct alarm *stored);
/* An alarm of the store that nothing can end any more ends now. Errors: ERR_MEMORY. */
bool alarm_judge_end(struct alarm_judge *judge, const struct alarm *stored, int64_t ended_us,
                     struct error *err) MUST_USE;

struct alarm_summary {
    size_t open;
    enum alarm_severity worst; /* of those that are open */
    uint64_t lost;             /* since the start */
};
struct alarm_summary alarm_judge_summary(const struct alarm_judge *judge);

#endif
