/* Results of queries for people (columns of text) and for programs (one JSON object). Knows nothing of what
 * is listed. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_LISTING_H
#define SERVER_TOOLS_SYNC_SERVICE_LISTING_H

#include "common/base/buf.h"
#include "common/store/pg.h"

enum { LISTING_COLUMNS_MAX = 16 };

/* A column of timestamptz as RFC 3339 in UTC; its name must be said: LISTING_TIME("v.last_seen_at") " AS ..."
 */
#define LISTING_TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

struct listing {
    const char *member; /* of the JSON object: an array of objects, a member a column */
    const char *sql;    /* a SELECT without parameters */
    const char
        *columns; /* those that people see, by name, separated by commas; times are shown by the second */
    const char *empty; /* what people read when there are no rows */
};

/* Several one below the other, as one object in JSON. Runs in one transaction with app.user_role set. */
bool listing_print(struct pg *pg, const struct listing *listings, size_t count, bool as_json, struct buf *out,
                   struct error *err) MUST_USE;

#endif
