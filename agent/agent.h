/* What the agent's requests share: one struct made by agent_open, borrowed by every handler. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdatomic.h>

#include "agent/authenticator.h"
#include "agent/contacts.h"
#include "agent/export_table.h"
#include "agent/identity.h"
#include "agent/last_sync.h"
#include "agent/outbound.h"
#include "agent/rate.h"
#include "agent/sessions.h"
#include "common/app/appliance.h"
#include "common/net/http_server.h"

enum {
    AGENT_EXPORTS_MAX = 8, /* at the same time */
    AGENT_UPDATES_MAX = 1,
    AGENT_RETRY_S = 10, /* Retry-After of what is busy or not there yet */
};

struct agent {
    const struct appliance *appliance; /* borrowed, as log and clock */
    const struct log *log;
    const struct clock *clock;
    int64_t started_us; /* monotonic */
    struct identity identity;
    struct authenticator authenticator;
    struct rate rate;
    struct sessions *sessions;
    struct last_sync last_sync;
    struct contacts contacts;
    struct path telemetry_folder;
    bool of_table; /* exports are of a table in PostgreSQL */
    struct export_table table;
    atomic_int exports;       /* under way */
    atomic_bool stopping;     /* what waits for PostgreSQL gives up */
    atomic_bool support_busy; /* a support bundle is under way */
    atomic_int updates;       /* coming in or being verified */
    struct http_server *server;
    struct outbound outbound;
};

/* Loads keys and certificate and makes all the tables; serves nothing yet. appliance, log, clock: borrowed.
 */
bool agent_open(struct agent *agent, const struct appliance *appliance, const struct log *log,
                const struct clock *clock, struct error *err) MUST_USE;
bool agent_serve(struct agent *agent, struct error *err) MUST_USE;
/* What is done about once a second: ends sessions, writes last_sync.txt and contacts.json, and looks whether
 * the Outbound API can be served by now. */
void agent_tick(struct agent *agent);
/* Ends what is served, then says and writes what is left. A zeroed struct is fine. */
void agent_close(struct agent *agent);

#endif
