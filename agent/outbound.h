/* The Outbound API: what was measured, over HTTP to whoever has the key. Only reads the telemetry store. It
 * is a second server of the agent; nothing that fails here ends the agent. Source: docs/data_contract.md,
 * "Outbound API". Threads: tick, open and close by one thread; requests by the server's. */
#ifndef AGENT_OUTBOUND_H
#define AGENT_OUTBOUND_H

#include <stdatomic.h>

#include "collector/kept_reader.h"
#include "common/app/appliance.h"
#include "common/net/http_server.h"

enum {
    OUTBOUND_ROWS_MAX = 100 * 1000, /* of one /data */
    OUTBOUND_ANSWERS_MAX = 8,       /* at the same time */
    OUTBOUND_BIND_RETRY_S = 5,      /* an address of a VPN may come later than the agent */
    OUTBOUND_DENIED_LOG_S = 60,     /* wrong keys are one line in so long */
    OUTBOUND_EXACT_SEQS = 200000,   /* so many are counted, more are estimated */
};

/* Those who came with a wrong key since the last line of the log about them. */
struct outbound_denied {
    pthread_mutex_t lock;
    uint64_t count;
    int64_t said_us; /* monotonic */
    bool said;
};

struct outbound {
    const struct appliance *appliance; /* borrowed, as log and clock */
    const struct log *log;
    const struct clock *clock;
    int64_t started_us; /* monotonic, as tried_us */
    int64_t tried_us;
    bool open;
    bool refused; /* the address cannot be had yet, and the log says so */
    char key[SECRET_BYTES];
    struct kept_reader kept;
    struct outbound_denied denied;
    atomic_int answers; /* under way */
    struct http_server *server;
};

/* Begins to serve, where there is an OUTBOUND_API_KEY; says in the log why not. */
void outbound_open(struct outbound *outbound, const struct appliance *appliance, const struct log *log,
                   const struct clock *clock);
/* About once a second: asks again for an address that could not be had. */
void outbound_tick(struct outbound *outbound);
void outbound_close(struct outbound *outbound); /* a zeroed struct is fine */

/* For http_server_config. */
extern const struct http_route outbound_routes[];
extern const size_t outbound_route_count;
void outbound_before(struct http_request *request);

#endif
