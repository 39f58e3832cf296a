/* One line of Influx line protocol as a valid struct: `measurement[,tag=value...]
 * field=value[,field=value...] [timestamp]`. Source: "Line protocol" of the InfluxDB v2 reference. Knows
 * nothing of channels, of sockets or of what a timestamp's unit is. Allocates nothing. Threads: a struct
 * belongs to one thread.
 *
 * Stricter than some writers: no empty names or tag values, no tag twice, NaN and infinities are no numbers.
 * A backslash escapes a comma, an equals sign or a blank, and nothing else: any other stays as it is. */
#ifndef COLLECTOR_LINE_PROTOCOL_H
#define COLLECTOR_LINE_PROTOCOL_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum {
    LINE_MAX_BYTES = 64 * 1024, /* its LF included */
    LINE_MAX_TAGS = 64,
    LINE_MAX_FIELDS = 1024,
};

/* Texts point into the line and are still escaped: line_unescape. */
struct line_tag {
    struct view key, value;
};

struct line_field {
    struct view key;
    bool is_text; /* a quoted string: value is 0 */
    double value; /* a boolean: 1 or 0; a whole number: the double next to it */
};

struct line_point {
    struct view measurement;
    size_t tag_count, field_count;
    struct line_tag tags[LINE_MAX_TAGS]; /* sorted by key */
    struct line_field fields[LINE_MAX_FIELDS];
    bool has_time;
    int64_t time; /* as it stands there; what it counts is not said */
};

/* line: without its LF; a CR at its end is left out. out is worthless on failure. Errors: ERR_INPUT says what
 * was expected where. */
bool line_parse(struct view line, struct line_point *out, struct error *err) MUST_USE;

/* True when there is nothing to parse: a comment (`#` first) or blanks alone. */
bool line_is_empty(struct view line);

/* The size of the first line with its LF: an LF inside a quoted string does not end it. 0: no end yet. */
size_t line_end(struct view bytes);

/* Takes the escapes out of one of the point's texts. out: at least text.size bytes. Returns the size. */
size_t line_unescape(char *out, struct view text);

#endif
