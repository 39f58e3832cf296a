/* The documents of health: what watchdog and collector have written about themselves (run/status.json,
 * run/collector.json), the store, the disk, the machine. Threads: safe. */
#ifndef PORTAL_STATUS_H
#define PORTAL_STATUS_H

#include "common/net/json_writer.h"
#include "portal/portal.h"

#define STATUS_WATCHDOG_FILE  "status.json"
#define STATUS_COLLECTOR_FILE "collector.json"

/* The members "watchdog", "services" and "collector" of an open object. A file that is missing or damaged is
 * null: its writer has not started yet. */
void status_write_health(const struct portal *portal, struct json_writer *writer);

/* The whole answer of GET /api/status. */
void status_write(const struct portal *portal, struct json_writer *writer);

#endif
