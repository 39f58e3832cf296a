/* Carries rollouts out within the service: a chore of the keeper's takes orders from the tables and writes
 * results there, the loop has the talks with the machines. What is lost with the process is done again: a
 * machine is always asked how it stands before anything is sent. Threads: rollout_desk_run on the keeper's,
 * the rest on the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_DESK_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_DESK_H

#include "common/store/pg.h"
#include "server_tools/sync_service/turn.h"

enum {
    ROLLOUT_PERIOD_MS = 1000,
    ROLLOUT_TALKS_MAX = 32,       /* at the same time */
    ROLLOUT_SESSION_KEPT_S = 900, /* a vehicle's, after its last talk */
};

struct rollout_desk;

/* scene: borrowed; it may be filled after this. */
struct rollout_desk *rollout_desk_new(const struct sync_scene *scene, struct error *err) MUST_USE;
/* Ends the talks, while the pool still is; what the keeper has posted may come later and does nothing. */
void rollout_desk_stop(struct rollout_desk *desk); /* NULL is fine */
/* After the mailbox is gone. NULL is fine. */
void rollout_desk_free(struct rollout_desk *desk);

/* A chore (keeper.h), every ROLLOUT_PERIOD_MS. */
bool rollout_desk_run(void *desk, struct pg *pg, struct error *err) MUST_USE;

#endif
