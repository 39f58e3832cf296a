/* The alarms of a run: has every reading judged before it is written, tells the log, and keeps the judge in
 * step with the store in use: what lasted at the last stop goes on, and what lasts is raised anew in a store
 * that replaces a damaged one. Knows nothing of transactions. Threads: one at a time. */
#ifndef COLLECTOR_ALARM_KEEPER_H
#define COLLECTOR_ALARM_KEEPER_H

#include "collector/store_writer.h"

enum {
    ALARM_LOG_LINES = 20, /* in one period; what is above is counted and said in one line */
    ALARM_LOG_PERIOD_S = 10,
};

struct alarm_keeper {
    struct alarm_judge *judge;
    struct channel_table *channels;
    const struct log *log;
    size_t judged;                 /* of the readings that wait */
    char store_id[STORE_ID_BYTES]; /* of the store that the judge is in step with; "": none yet */
    int64_t log_period_us;         /* monotonic: when the log's period began */
    size_t log_lines;              /* in this period, also those that were not written */
    bool memory_said;
};

/* channels: with their CHANNEL lines; borrowed, as log is. */
bool alarm_keeper_init(struct alarm_keeper *keeper, struct channel_table *channels, const struct log *log,
                       struct error *err) MUST_USE;
void alarm_keeper_clear(struct alarm_keeper *keeper);

/* A store was opened, its channels are loaded. */
bool alarm_keeper_take_over(struct alarm_keeper *keeper, struct store_writer *writer,
                            struct error *err) MUST_USE;
/* Judges those that were not judged yet, in order of time: they are put in that order. Before the first store
 * is open nobody knows what lasts: then it waits, as the readings do, unless `now`. */
void alarm_keeper_judge(struct alarm_keeper *keeper, struct batch *pending, bool now);

#endif
