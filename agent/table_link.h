/* The connection that a table is exported through, which never keeps its user waiting: the whole of it, and
 * each call on it, has a time by which it is ended from outside, however the server behaves.
 * Threads: its calls belong to one thread at a time; table_link_break is safe from any. */
#ifndef AGENT_TABLE_LINK_H
#define AGENT_TABLE_LINK_H

#include <stdatomic.h>

#include "common/store/pg.h"

struct table_link;

/* max_s: how long it may last from now on. stopping: borrowed; when it becomes true, calls under way end.
 * Errors: those of pg_open, ERR_MEMORY. */
struct table_link *table_link_open(const char *url, int max_s, const atomic_bool *stopping,
                                   struct error *err) MUST_USE;
void table_link_close(struct table_link *link); /* NULL is fine */

/* A call on this: between begin and end, for at most so long. */
struct pg *table_link_begin(struct table_link *link, int max_s);
/* ok: what the call has returned, with err. Returns it; a call that was ended from outside says so
 * (ERR_TIMEOUT, ERR_CANCELLED). */
bool table_link_end(struct table_link *link, bool ok, struct error *err) MUST_USE;

/* Ends it under whoever waits in it. */
void table_link_break(struct table_link *link);

#endif
