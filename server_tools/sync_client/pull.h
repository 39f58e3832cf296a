/* Fetches everything that existed when the session began, into as many archives as the link makes of it, and
 * puts each of them home at once. Alarms and channels come after the last readings, into their archive, so
 * that every channel of the readings is described. Knows when to try again. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_PULL_H
#define SERVER_TOOLS_SYNC_CLIENT_PULL_H

#include "server_tools/sync_client/export.h"
#include "server_tools/sync_client/home.h"
#include "server_tools/sync_client/report.h"

enum {
    PULL_LIMIT_MIN = 1000, /* readings asked for after a break */
    PULL_STORE_CHANGES_MAX = 3,
    PULL_ALARMS_MAX = 10000, /* as many as an agent gives at a time: there may be more */
};

/* report: filled as far as it went, also when it fails. What came whole is home even then. */
bool pull(struct session *session, struct home *home, const struct archive_folder *folder,
          struct report *report, struct error *err) MUST_USE;

#endif
