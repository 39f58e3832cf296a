/* When each vehicle has its turn: a cycle every sync_interval_s, all vehicles side by side, the dead and
 * those that are too slow again and again with back-off (doubled from one interval up to CYCLE_BACKOFF_MAX_S,
 * with jitter). A cycle that overruns is not started twice: a vehicle whose turn goes on is left out of the
 * next one, which is none when nobody else could begin; each cycle ends with its own last vehicle's turn, and
 * that is how long it took. Nothing begins while PostgreSQL is away. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_CYCLE_H
#define SERVER_TOOLS_SYNC_SERVICE_CYCLE_H

#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/turn.h"

enum {
    CYCLE_BACKOFF_MAX_S = 300,
    CYCLE_BACKOFF_SLOW_MAX_S = 120, /* with the longest turn: less than SILENT_AFTER_SEC */
};

struct cycle_totals {
    size_t vehicles, ok, timeout, error, left_out;
    int64_t rows_added, bytes, duration_us;
};

struct cycle;
struct cycle *cycle_new(const struct sync_scene *scene, struct keeper *keeper, struct error *err) MUST_USE;
void cycle_free(struct cycle *cycle); /* NULL is fine */

/* Every sync_interval_s from now on, until freed. */
bool cycle_run(struct cycle *cycle, struct error *err) MUST_USE;
/* One cycle, gaps filled to their end. only: a client_id or a name; NULL: all. done: from the loop. err: no
 * vehicle of that name, or PostgreSQL was not there. */
void cycle_once(struct cycle *cycle, const char *only,
                void (*done)(void *context, const struct cycle_totals *totals, const struct error *err),
                void *context);

#endif
