/* One talk with one machine about its package: how it stands there, and, where that is the order's next step,
 * the package itself or its withdrawal. Knows nothing of SQL. docs/operations/rollouts.md. Threads: the
 * loop's.
 */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_TALK_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_TALK_H

#include "server_tools/sync_service/agent_session.h"
#include "server_tools/sync_service/rollout_db.h"

struct rollout_talk {
    struct rollout_order order;
    int package_fd;                /* -1: none; owned */
    struct agent_session *session; /* borrowed */
    const struct sync_settings *settings;
    struct rollout_result result;
    /* From the loop, once; never from within start. */
    void (*done)(struct rollout_talk *talk);
    void *context;
};

/* The members up to `settings`, done and context are set by the caller. False: result.problem says why, and
 * `done` is not called. */
bool rollout_talk_start(struct rollout_talk *talk) MUST_USE;

/* What an answer of POST /update means: the state that follows, ROLLOUT_OFFERED when it must be tried again.
 * status: of HTTP; body: hostile bytes. Fills reason and detail, or problem. For tests. */
void rollout_talk_read_offer(unsigned status, struct view body, struct rollout_result *out);

#endif
