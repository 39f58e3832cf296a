/* The event stream of the page: `reading` events about once a second, `service` events when watchdog or
 * collector write their state anew, `update_available` when an update is queued and `update` when its state
 * changes. Nobody watching: nothing runs.
 * Threads: live_subscribe from any; the rest from the loop's. */
#ifndef PORTAL_LIVE_H
#define PORTAL_LIVE_H

#include "portal/portal.h"

enum { LIVE_PERIOD_MS = 1000 };

/* portal: borrowed, its server runs. */
struct live *live_start(struct portal *portal, struct error *err) MUST_USE;
/* Ends every stream. Before the server's stop; a request under way may still call live_subscribe. */
void live_stop(struct live *live);
/* After the server's stop. NULL is fine in both. */
void live_free(struct live *live);

/* Answers a request with the stream; the newest values and the health come first. */
void live_subscribe(struct live *live, struct http_request *request);

#endif
