/* Where the lines of an export come from: readings, alarms, channels, or a table of PostgreSQL, behind one
 * table of functions. Knows nothing of compression or of who asked. Threads: one at a time. */
#ifndef AGENT_LINE_SOURCE_H
#define AGENT_LINE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/error.h"

struct line_source;

struct line_source_kind {
    /* As many whole lines as fit; *size 0: the end, and every row of the range was a line. out_bytes: at
     * least INFO_LINE_MAX_BYTES. */
    bool (*read)(struct line_source *source, char *out, size_t out_bytes, size_t *size, struct error *err);
    void (*free)(struct line_source *source);
    /* From another thread: makes a read that waits for something fail soon. NULL: none waits. */
    void (*stop)(struct line_source *source);
};

/* The first member of every source's own struct. */
struct line_source {
    const struct line_source_kind *kind;
};

#endif
