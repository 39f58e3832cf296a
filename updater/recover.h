/* `updater recover`, `commit`, `undo`, `rollback`: what is decided about an update that was begun. What runs
 * is decided by `current` and ROOT/probation alone; pending_update/state.json, where services may write, only
 * gets told (docs/updates.md has the table). Each may be cut off anywhere and done again. Threads: one at a
 * time. */
#ifndef UPDATER_RECOVER_H
#define UPDATER_RECOVER_H

#include "common/base/clock.h"
#include "updater/pending.h"

struct recovery {
    char current[RELEASE_VERSION_BYTES];
    char previous[RELEASE_VERSION_BYTES]; /* to go back to; "" when there is none */
    bool on_probation;
    enum update_state state;
};

/* Before anything starts, on every start. Never changes `current`: finishes the notes of what was cut off,
 * removes releases beyond the previous one and what was left half made. Errors: ERR_BUSY, ERR_IO ... */
bool recover_run(const char *root, const struct clock *clock, struct recovery *out,
                 struct error *err) MUST_USE;
/* The same with pending_lock held already. */
bool recover_locked(const char *root, const struct clock *clock, struct recovery *out,
                    struct error *err) MUST_USE;

/* The version that runs has proved itself. Does nothing when none is on probation. */
bool recover_commit(const char *root, const struct clock *clock, struct recovery *out,
                    struct error *err) MUST_USE;

/* The version on probation failed: the previous one becomes current again. reason: a stable word; text: for
 * people. Does nothing when none is on probation. */
bool recover_undo(const char *root, const char *reason, const char *text, const struct clock *clock,
                  struct recovery *out, struct error *err) MUST_USE;

/* One version back by hand, whatever runs; touches restart.flag. Floors stay: what is newer than the highest
 * version that was ever queued may come, and that one itself. Errors: ERR_NOT_FOUND `no_previous`, ERR_BUSY.
 */
bool recover_rollback(const char *root, const struct clock *clock, struct recovery *out,
                      struct error *err) MUST_USE;

#endif
