/* Lines of the streams `alarms` and `channels`: written by agent, read by sync_client. One JSON object a
 * line, LF at its end. Few and small, so both sides use the JSON reader and writer. Their texts hold no
 * control characters: those, and bytes that are no UTF-8, are written as '?' and refused when read. Source:
 * docs/data_contract.md. Threads: safe. */
#ifndef COMMON_WIRE_ALARM_RECORD_H
#define COMMON_WIRE_ALARM_RECORD_H

#include "common/wire/record.h"

enum {
    ALARM_SEVERITY_BYTES = 16,
    ALARM_MESSAGE_BYTES = 256,
    CHANNEL_UNIT_BYTES = 64,
    CHANNEL_DESCRIPTION_BYTES = 256,
    INFO_LINE_MAX_BYTES = 4096, /* no line of the two streams is longer, LF included */
};

/* {"seq","alarm_id","channel","severity","message","raised_at","resolved_at"} */
struct alarm_record {
    int64_t seq, alarm_id;
    char channel[RECORD_CHANNEL_BYTES];
    char severity[ALARM_SEVERITY_BYTES];
    char message[ALARM_MESSAGE_BYTES];
    int64_t raised_us, resolved_us; /* INT64_MIN: null, it lasts */
};
/* Appends one line. False: the channel has no name that is ok, or out is full. */
bool alarm_record_write(const struct alarm_record *alarm, struct buf *out) MUST_USE;
/* line: without its LF. All members must be there, and no other; out is untouched on failure. Errors:
 * ERR_INPUT says what is wrong. */
bool alarm_record_read(struct view line, struct alarm_record *out, struct error *err) MUST_USE;
/* For who follows `seq` and must get past a line that alarm_record_read refuses. False: it has no seq, or is
 * not an object of these members alone, so that nothing can be said of what it is. */
bool alarm_record_seq(struct view line, int64_t *seq) MUST_USE;

/* {"channel","unit","phys_min","phys_max","description"} */
struct channel_record {
    char channel[RECORD_CHANNEL_BYTES];
    char unit[CHANNEL_UNIT_BYTES];
    double phys_min, phys_max; /* NaN: null */
    char description[CHANNEL_DESCRIPTION_BYTES];
};
bool channel_record_write(const struct channel_record *channel, struct buf *out) MUST_USE;
bool channel_record_read(struct view line, struct channel_record *out, struct error *err) MUST_USE;

#endif
