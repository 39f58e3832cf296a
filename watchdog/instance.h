/* One watchdog a ROOT: the lock run/watchdog.lock, which also says who holds it. */
#ifndef WATCHDOG_INSTANCE_H
#define WATCHDOG_INSTANCE_H

#include "common/base/error.h"

/* Takes the lock until the descriptor is closed. -1 and ERR_BUSY, with the holder's pid in the text, when
 * another instance has it. */
int instance_lock(const char *root, struct error *err) MUST_USE;

/* Whether a watchdog runs for this ROOT now. True also for a user who may not look: then run/status.json
 * says. */
bool instance_runs(const char *root);

#endif
