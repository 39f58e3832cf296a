/* The two small streams of an archive, alarms and channels, read from their files line by line. Knows nothing
 * of the central store. Threads: safe, but a descriptor belongs to one. */
#ifndef SERVER_TOOLS_CENTRAL_SMALL_STREAMS_H
#define SERVER_TOOLS_CENTRAL_SMALL_STREAMS_H

#include "common/wire/alarm_record.h"

/* Borrowed until it returns. False (with err) stops the reading. */
typedef bool alarm_on_record(void *context, const struct alarm_record *alarm, struct error *err);
typedef bool channel_on_record(void *context, const struct channel_record *channel, struct error *err);

struct small_totals {
    int64_t count;
    int64_t first_seq, last_seq; /* of alarms; -1 without any */
};

/* From the file's beginning to its end; on_...: NULL only checks. Errors: ERR_IO; ERR_INPUT with the line's
 * number: not a whole stream of gzip or zstd, no such line, seq that does not grow, a channel that is
 * described twice, more channels than CHANNEL_CACHE_MAX. One alarm may come several times: what it is now
 * comes last. */
bool alarms_read(int fd, alarm_on_record *on_alarm, void *context, struct small_totals *totals,
                 struct error *err) MUST_USE;
bool channels_read(int fd, channel_on_record *on_channel, void *context, struct small_totals *totals,
                   struct error *err) MUST_USE;

#endif
