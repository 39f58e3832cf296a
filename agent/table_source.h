/* The rows of a table in PostgreSQL as record lines without seq, in constant memory: one COPY, read as fast
 * as its lines are taken. Threads: one at a time; its stop is safe from any. */
#ifndef AGENT_TABLE_SOURCE_H
#define AGENT_TABLE_SOURCE_H

#include "agent/line_source.h"
#include "agent/table_link.h"
#include "common/base/log.h"

/* link: taken over, also on failure; in the transaction that copy_sql belongs to. count: the rows that must
 * come. Waits for the first of them. log: borrowed; told of names that were changed. */
struct line_source *table_source_new(struct table_link *link, const char *copy_sql, int64_t count,
                                     const struct log *log, struct error *err) MUST_USE;

#endif
