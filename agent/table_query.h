/* What is asked of a table before its rows come: which of them, and how many. All of it, the copy too, is one
 * read-only transaction on one snapshot. Threads: one at a time. */
#ifndef AGENT_TABLE_QUERY_H
#define AGENT_TABLE_QUERY_H

#include "agent/table_link.h"
#include "common/app/sql_table.h"

enum {
    TABLE_QUERY_S = 60,        /* each question, and what comes before a copy's first row */
    TABLE_READ_S = 10,         /* each block of lines after that (FEED_BLOCK_BYTES) */
    TABLE_TRANSACTION_S = 600, /* all together, however slow the client is: a snapshot holds up vacuum */
    TABLE_OVERLAP_S = 60,      /* rows may be committed so much later than their time */
};

/* The rows later than since_us - TABLE_OVERLAP_S and not later than the server's clock, in order of time. */
struct table_range {
    int64_t since_us; /* INT64_MIN: all */
    int64_t limit;    /* 0: no limit */
    /* found out: */
    int64_t count;
    int64_t first_us, last_us; /* INT64_MIN when there are none */
    int64_t left_out;          /* rows of the table with no time, one in the future or before the year 1 */
};

/* Begins the transaction and finds out. copy_sql: appended, the COPY that gives just these rows. Errors:
 * ERR_USAGE (no such table, or columns of other types), those of table_link and pg. */
bool table_range_find(struct table_link *link, const struct sql_table *table, struct table_range *range,
                      struct buf *copy_sql, struct error *err) MUST_USE;

#endif
