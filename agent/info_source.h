/* The streams that are few, alarms and channels: all of their lines are fixed and held in memory from the
 * start on, so that an alarm which is resolved meanwhile does not leave a gap. Threads: one at a time. */
#ifndef AGENT_INFO_SOURCE_H
#define AGENT_INFO_SOURCE_H

#include "agent/line_source.h"
#include "collector/telemetry_store.h"

enum { ALARMS_EXPORT_MAX = 10000 }; /* of one export; the next one has the rest: 3.3 MiB */

/* Errors of both: those of the store, ERR_MEMORY, ERR_CORRUPT (no line can be made of one). */

/* The alarms with seq > after and later than since_us (INT64_MIN: all), at most `limit` (0: no limit) and at
 * most ALARMS_EXPORT_MAX, in order of seq. reader: borrowed for this call. out: exactly what the source will
 * give; with a count of 0 the rest of it says nothing. */
struct line_source *alarms_source_new(struct store_reader *reader, int64_t after, int64_t since_us,
                                      int64_t limit, struct store_range *out, struct error *err) MUST_USE;

/* Every channel, by channel_id. *count: the lines. */
struct line_source *channels_source_new(struct store_reader *reader, size_t *count,
                                        struct error *err) MUST_USE;

#endif
