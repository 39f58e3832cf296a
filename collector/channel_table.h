/* The channels of this run: names, what is known of them, the scale and offset of CHANNEL lines, and the
 * numbers that the store gave them. Knows nothing of SQL. Threads: one at a time. */
#ifndef COLLECTOR_CHANNEL_TABLE_H
#define COLLECTOR_CHANNEL_TABLE_H

#include <stdint.h>

#include "collector/alarm.h"
#include "collector/input.h"
#include "collector/telemetry_store.h"
#include "common/app/config.h"

struct channel {
    struct store_channel known;                           /* known.channel_id 0: the store has not got it */
    double scale, offset;                                 /* a reading is value * scale + offset */
    struct alarm_limits limits;                           /* of that */
    bool configured_unit, configured_min, configured_max; /* a CHANNEL line's word stands above the input's */
    bool seen;                                            /* it gave a sample in this run */
    bool dirty;                                           /* the store has to be told */
    bool stored;                                          /* it has a row in the store */
};

struct channel_table;

enum { CHANNEL_NONE = UINT32_MAX };

struct channel_table *channel_table_new(struct error *err) MUST_USE;
void channel_table_free(struct channel_table *table); /* NULL is fine */

/* The CHANNEL lines. Errors: ERR_USAGE with the line. */
bool channel_table_configure(struct channel_table *table, const struct config_lines *lines,
                             struct error *err) MUST_USE;
/* A row of the store's own table. */
bool channel_table_load(struct channel_table *table, const struct store_channel *row,
                        struct error *err) MUST_USE;

/* The index of a sample's channel, made when new. CHANNEL_NONE: the name is none, or there are
 * STORE_CHANNELS_MAX already, or it is new and there are the sample's own max_channels. */
uint32_t channel_table_find(struct channel_table *table, const struct sample *sample);

/* The index of the channel of that name; CHANNEL_NONE when there is none. */
uint32_t channel_table_index_of(struct channel_table *table, struct view name);

struct channel *channel_table_at(struct channel_table *table, uint32_t index);
uint32_t channel_table_count(const struct channel_table *table);

/* Whether the store has to be told of any, so that a tick need not look at all. */
bool channel_table_is_dirty(const struct channel_table *table);
/* The store needs its row, also when it gave no sample in this run. */
void channel_table_need(struct channel_table *table, uint32_t index);
/* The store was told of all: what is dirty becomes stored. */
void channel_table_committed(struct channel_table *table);
/* The transaction failed: numbers that it gave are void. */
void channel_table_rolled_back(struct channel_table *table);
/* Another store is in use: it knows none of them. */
void channel_table_forget_numbers(struct channel_table *table);

#endif
