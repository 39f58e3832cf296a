/* The monthly partitions of `measurements` in PostgreSQL: made ahead and when readings of a month come,
 * dropped whole when they are old. All by functions of the database (0002_fleet.sql), so that who calls need
 * not own a table. Knows nothing of who brings the readings. Threads: the connection's. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_MONTHS_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_MONTHS_H

#include "common/store/pg.h"
#include "server_tools/central/central.h"

enum { CENTRAL_MONTHS_AHEAD = 2, CENTRAL_MONTHS_KEPT_MAX = 1200 };

/* Makes the partitions that the rows' months lack, each in a transaction of its own; outside of any. Errors:
 * those of pg_query; ERR_DENIED without the right to EXECUTE fleet_make_month. */
bool central_prepare_months(struct pg *pg, const struct central_row *rows, size_t count,
                            struct error *err) MUST_USE;

/* For a chore now and then, outside of any transaction: makes this month and CENTRAL_MONTHS_AHEAD more, then
 * drops those that have been over for retention_months whole months (0: none, never), by the earlier of
 * now_us and the server's own clock. A partition is detached and dropped in a transaction of its own that
 * waits at most 200 ms for its locks, a few times over: nobody else waits for longer. Errors: ERR_BUSY
 * (somebody reads or writes for long: next time), ERR_USAGE (more than CENTRAL_MONTHS_KEPT_MAX), those of
 * pg_query. */
bool central_keep_months(struct pg *pg, int64_t now_us, int retention_months, struct error *err) MUST_USE;

#endif
