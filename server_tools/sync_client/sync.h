/* One session from its beginning to its end. Knows the order of things, not how they are done. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_SYNC_H
#define SERVER_TOOLS_SYNC_CLIENT_SYNC_H

#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/report.h"
#include "server_tools/sync_client/settings.h"

/* report: filled as far as it went, also when it fails. */
bool sync_run(const struct settings *settings, struct notices *notices, struct report *report,
              struct error *err) MUST_USE;

#endif
