/* What a cycle says in the log, in the words of the first version of the service. With more than
 * CYCLE_LOG_VEHICLES vehicles a line for each is said at level debug, but for one that stops answering or
 * answers again. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_CYCLE_LOG_H
#define SERVER_TOOLS_SYNC_SERVICE_CYCLE_LOG_H

#include "server_tools/sync_service/cycle.h"

enum { CYCLE_LOG_VEHICLES = 50 };

void cycle_log_start(const struct log *log, size_t vehicles);
/* changed: its last turn went otherwise. */
void cycle_log_turn(const struct log *log, size_t vehicles, const char *name,
                    const struct turn_result *result, bool changed);
/* sleep_us: until the next one; below 0: there is none. */
void cycle_log_done(const struct log *log, const struct cycle_totals *totals, int64_t sleep_us);
/* Of one that another one followed before its last vehicle's turn was over. */
void cycle_log_overrun(const struct log *log, int64_t took_us);

#endif
