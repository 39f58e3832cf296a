/* Vehicles as the tables have them. Whoever may write to `vehicles` adds one there by SQL: what else belongs
 * to it need not be there. Knows nothing of threads. Threads: the connection's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_KEEPER_VEHICLES_H
#define SERVER_TOOLS_SYNC_SERVICE_KEEPER_VEHICLES_H

#include "common/store/pg.h"
#include "server_tools/sync_service/vehicle.h"

/* Of those that are pulled (not `push`), by vehicle_id. holder: the leases that must be ours, NULL: any.
 * only: a client_id or a name, NULL: all. *vehicles: malloc'ed, the caller's. *unfit: rows that no vehicle
 * can be (a transport that is none) and are left out; why: of the first of them. Errors: those of
 * pg_query, ERR_MEMORY. */
bool vehicles_read(struct pg *pg, const char *holder, const char *only, struct vehicle **vehicles,
                   size_t *count, size_t *unfit, struct error *why, struct error *err) MUST_USE;

#endif
