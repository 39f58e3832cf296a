/* The channel's name of a point's field: measurement.field{tag=value,tag=value}, tags sorted by key. Knows
 * nothing of inputs or stores. Threads: a struct belongs to one thread.
 *
 * Different series get different names: what ends a part is escaped inside it by a backslash, and so is a
 * backslash: `.` in a measurement, `{` in a field, `=` in a tag's key, `,` and `}` in its value. */
#ifndef COLLECTOR_LINE_CHANNEL_H
#define COLLECTOR_LINE_CHANNEL_H

#include "collector/line_protocol.h"
#include "common/wire/record.h"

/* What is the same for all fields of a point, made once. */
struct line_channel {
    char name[RECORD_CHANNEL_BYTES]; /* "cpu." */
    size_t size;
    char tags[RECORD_CHANNEL_BYTES]; /* "{host=a}" */
    size_t tags_size;
    bool fits;
};
void line_channel_begin(struct line_channel *channel, const struct line_point *point);

/* Points into the struct until the next call. False: longer than a channel's name can be. */
bool line_channel_name(struct line_channel *channel, struct view field, struct view *out) MUST_USE;

#endif
