/* A vehicle as the tables have it (vehicles, vehicle_sync), read anew before each of its turns. Anybody may
 * have written its row: vehicle_check says whether it can be asked. Knows nothing of SQL. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_VEHICLE_H
#define SERVER_TOOLS_SYNC_SERVICE_VEHICLE_H

#include "server_tools/central/central.h"

enum { VEHICLE_NAME_BYTES = 128, VEHICLE_KEY_BYTES = 256, VEHICLE_HOST_BYTES = 256 };

enum transport {
    TRANSPORT_AGENT,    /* the signed session on agent_port, cursors by seq */
    TRANSPORT_OUTBOUND, /* the Outbound API on api_port, windows of time */
    TRANSPORT_PUSH,     /* it comes to us (trackers): never pulled */
};
const char *transport_word(enum transport transport); /* "agent", "outbound", "push" */

struct vehicle {
    int64_t vehicle_id;
    char client_id[CLIENT_ID_BYTES];
    char name[VEHICLE_NAME_BYTES];
    char host[VEHICLE_HOST_BYTES]; /* "": none is known */
    enum transport transport;
    uint16_t agent_port, api_port;   /* 0: what the table has is no port */
    char api_key[VEHICLE_KEY_BYTES]; /* "": VEHICLE_DEFAULT_API_KEY */
    char agent_id[SHA256_HEX_BYTES]; /* "": never met */
    bool accept_new_agent;           /* the first agent that answers is taken and pinned */
    int64_t silent_after_s;          /* 0: the service's default */
    const char *too_long;            /* the column whose text was cut, a literal; NULL: none was */

    /* ---- how far it is home (INT64_MIN: NULL) ---- */
    /* Outbound, in the vehicle's own clock: everything before last_sync_us is home, and so is everything from
     * live_from_us to live_to_us; between last_sync_us and live_from_us lies a gap that is being filled.
     * Without one live_from_us is INT64_MIN. */
    int64_t last_sync_us, live_from_us, live_to_us;
    /* Signed: the same by seq of store_id: readings 1..cursor_seq and live_after_seq+1..live_seq are home.
     * -1: no live range. */
    char store_id[65]; /* "": none is known */
    int64_t cursor_seq, alarms_seq, live_after_seq, live_seq;
    /* The vehicle's clock minus ours at checked_us (our clock); INT64_MIN: never compared. */
    int64_t clock_offset_us, checked_us;
    int64_t last_seen_us;
    int64_t quarantined; /* readings whose time has not come yet */
};

/* A name, an IPv4 or an IPv6 address. Errors: ERR_USAGE, what a host is. */
bool vehicle_host_ok(const char *host, struct error *err) MUST_USE;
/* Whether its row lets it be asked by its transport. Errors: ERR_INPUT, which says what to set and how. */
bool vehicle_check(const struct vehicle *vehicle, struct error *err) MUST_USE;

#endif
