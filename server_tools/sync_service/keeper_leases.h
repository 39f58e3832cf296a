/* Which process pulls which vehicles, in the tables sync_workers and vehicle_leases. Knows nothing of
 * threads. Threads: the connection's. Errors: those of pg_query. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_KEEPER_LEASES_H
#define SERVER_TOOLS_SYNC_SERVICE_KEEPER_LEASES_H

#include <stdint.h>

#include "common/store/pg.h"

enum { WORKER_ID_BYTES = 37 }; /* a UUID */

/* This process lives for KEEPER_ALIVE_S more. *lived: it had not expired; otherwise others may have taken
 * what was ours. */
bool leases_renew(struct pg *pg, const char *worker_id, bool *lived, struct error *err) MUST_USE;

/* Gives back what is above a fair share (all vehicles by all processes that live, rounded up), and takes free
 * ones up to it; whom another process looks at now is left to it. */
bool leases_balance(struct pg *pg, const char *worker_id, struct error *err) MUST_USE;

/* Whether leases_balance would take some now: a process died, or gave some back. */
bool leases_may_take(struct pg *pg, const char *worker_id, bool *may, struct error *err) MUST_USE;

/* All of ours are free, and this process is forgotten. */
bool leases_give_back(struct pg *pg, const char *worker_id, struct error *err) MUST_USE;

#endif
