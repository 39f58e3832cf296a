/* Fetches the small streams of a session, alarms by their own cursor and channels whole, into an archive that
 * has its readings already. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_PULL_SMALL_H
#define SERVER_TOOLS_SYNC_CLIENT_PULL_SMALL_H

#include "server_tools/sync_client/export.h"
#include "server_tools/sync_client/home.h"

struct small {
    struct session *session; /* borrowed, as the next two */
    struct home *home;
    const struct agent_status *agent;
    enum pack_format format;
    bool store_changed; /* out: the agent has another store by now */
};

/* What the agent does not offer is left out. False: what did come whole is in part and info, the rest is
 * not; the error says why. */
bool pull_small(struct small *small, struct archive_part *part, struct archive_info *info,
                struct error *err) MUST_USE;

#endif
