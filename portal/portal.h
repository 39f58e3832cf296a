/* What the parts of the portal share: made by main.c, borrowed by every handler (http_context).
 * Threads: read-only once the server runs, but for what is safe by itself. */
#ifndef PORTAL_PORTAL_H
#define PORTAL_PORTAL_H

#include <stdatomic.h>

#include "common/app/daemon.h"
#include "common/net/http_server.h"
#include "portal/pin.h"
#include "portal/readings.h"
#include "portal/session.h"

struct live;
struct pages;
struct update_details;
struct update_progress;

struct portal {
    struct daemon daemon;
    struct path data_folder; /* TELEMETRY_DIR */
    struct appliance_secrets secrets;
    struct session_key session_key;
    struct pin_guard *pins;
    struct readings *readings;
    struct readings *history; /* another one: a chart must not hold up the live values */
    struct pages *pages;
    struct update_details *details;
    bool tls;
    struct buf cert_pem, key_pem; /* with tls */
    int64_t started_us;           /* monotonic */
    struct http_server *server;
    _Atomic(struct live *) live; /* NULL while starting and stopping; so the next */
    _Atomic(struct update_progress *) progress;
};

enum { PORTAL_JSON_MAX_BYTES = 4 * 1024 * 1024 };

#endif
