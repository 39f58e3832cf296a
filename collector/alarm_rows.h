/* Alarms in the store's table: what waits in an alarm_judge becomes rows, and what lasted at the last stop is
 * found again. Works inside the writer's transactions, knows no limits. Threads: the writer's. */
#ifndef COLLECTOR_ALARM_ROWS_H
#define COLLECTOR_ALARM_ROWS_H

#include "collector/alarm_judge.h"
#include "common/store/db.h"

struct alarm_rows {
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *insert, *update, *find;
    /* Ids known to be taken: many alarms that are raised at one time cost no search. from inclusive, until
     * exclusive; empty when equal. */
    int64_t taken_from, taken_until;
};

bool alarm_rows_open(struct alarm_rows *rows, sqlite3 *db, struct error *err) MUST_USE;
void alarm_rows_close(struct alarm_rows *rows);

/* Their channels must have rows: marks those that have none yet. */
void alarm_rows_need_channels(struct alarm_judge *judge, struct channel_table *channels);
/* All that waits; each takes the next seq and, when it is new, its id: the time it was raised, moved on until
 * unique (given_id). */
bool alarm_rows_write(struct alarm_rows *rows, struct alarm_judge *judge, struct channel_table *channels,
                      int64_t *next_seq, struct error *err) MUST_USE;
/* The transaction failed: ids that it took are free again. */
void alarm_rows_rolled_back(struct alarm_rows *rows);

/* What the store says that lasts is handed to the judge. What can end no more (its limit was taken out of
 * config.txt) ends now_us; *ended: how many. */
bool alarm_rows_load(sqlite3 *db, struct channel_table *channels, int64_t now_us, struct alarm_judge *judge,
                     size_t *ended, struct error *err) MUST_USE;

#endif
