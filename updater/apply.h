/* `updater apply`: the approved package becomes the running version, or nothing has changed. Knows the order
 * of the steps (docs/updates.md); each step is a module of its own. Threads: one at a time. */
#ifndef UPDATER_APPLY_H
#define UPDATER_APPLY_H

#include "common/base/clock.h"
#include "updater/backup.h"

struct apply_result {
    char version[RELEASE_VERSION_BYTES]; /* that `current` points to now, on probation */
    char previous[RELEASE_VERSION_BYTES];
    char backup[BACKUP_NAME_BYTES]; /* in ROOT/backups */
};

/* Holds the queue's lock all the time, and does what recover_run does first. The services go on meanwhile;
 * who calls restarts them. Errors: ERR_NOT_FOUND `nothing_pending`, `not_approved`; ERR_BUSY `busy`: nothing
 * was touched. Every other error has a reason too, is the state FAILED, and the old version stays as it was.
 */
bool apply_run(const char *root, const struct clock *clock, struct apply_result *out,
               struct error *err) MUST_USE;

#endif
