/* Rows of COPY (SELECT time, channel, value) TO STDOUT (FORMAT BINARY), taken out of its messages. Source:
 * https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format". Threads: one at a time. */
#ifndef AGENT_TABLE_ROW_H
#define AGENT_TABLE_ROW_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

struct table_rows { /* zeroed: the beginning */
    bool begun;     /* the header is read */
    bool ended;     /* and so is the trailer */
};

struct table_row {
    int64_t time_us;     /* Unix */
    struct view channel; /* data NULL: NULL; points into the message */
    double value;        /* NaN: NULL */
};

/* Takes the next row off *message. *got false: it is used up. Errors: ERR_PROTOCOL. */
bool table_row_take(struct table_rows *rows, struct view *message, struct table_row *row, bool *got,
                    struct error *err) MUST_USE;

#endif
