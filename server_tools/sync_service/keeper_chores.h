/* Chores on the tables that sync_service itself fills. Each may run at any time, in several processes at
 * once. Threads: the connection's. Errors: those of pg_query. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_KEEPER_CHORES_H
#define SERVER_TOOLS_SYNC_SERVICE_KEEPER_CHORES_H

#include <stdint.h>

#include "common/store/pg.h"

enum { JOURNAL_CHUNK = 10000, QUARANTINE_CHUNK = 10000, WORKERS_KEPT_S = 3600 };

/* Forgets entries that ended before then, JOURNAL_CHUNK at a time. */
bool chore_prune_journal(struct pg *pg, int64_t before_us, struct error *err) MUST_USE;

/* Forgets processes that have been dead for WORKERS_KEPT_S. */
bool chore_forget_workers(struct pg *pg, struct error *err) MUST_USE;

/* Readings up to until_us go from measurements_quarantine into measurements, QUARANTINE_CHUNK at a time.
 * vehicle_ids: of these vehicles, as PostgreSQL writes an int[]; NULL: of all. Outside of any transaction. */
bool chore_release_quarantine(struct pg *pg, const char *vehicle_ids, int64_t until_us, int64_t *released,
                              struct error *err) MUST_USE;

#endif
