/* The queue of one update: pending_update/ with the zip, meta.json (the commit point: a zip that it does not
 * name is garbage), approved.json, state.json and progress.jsonl; the floors of version and time. The agent
 * queues, the portal approves, the updater applies and says how far it is, the watchdog starts it.
 * Everything is written beside, fsynced and renamed: after a crash it is the old or the new.
 * Threads and processes: changes are made under run/update.lock, which each function that changes takes
 * (ERR_BUSY); reading needs no lock and sees whole files. */
#ifndef UPDATER_PENDING_H
#define UPDATER_PENDING_H

#include "common/app/appliance.h"
#include "updater/manifest.h"

enum {
    PENDING_REASON_BYTES = 64,
    PENDING_TEXT_BYTES = 512,
    PENDING_NOTES_MAX_BYTES = 64 * 1024,
    PENDING_WHO_BYTES = 64,
};

enum update_state {
    UPDATE_NONE,      /* nothing was ever queued, or the history was taken note of */
    UPDATE_PENDING,   /* waits for the operator, the window, or the watchdog */
    UPDATE_APPROVED,  /* waits for the watchdog */
    UPDATE_APPLYING,  /* verify ... switch */
    UPDATE_PROBATION, /* the new version runs and has not proved itself */
    UPDATE_COMMITTED,
    UPDATE_ROLLED_BACK, /* it was tried; reason and text say why it was undone */
    UPDATE_FAILED,      /* it never ran; the old version was never left */
    UPDATE_REJECTED,    /* by the operator */
};
/* "pending" */
const char *update_state_name(enum update_state state);

struct pending {
    bool there;                          /* meta.json names a zip, and it is there */
    char file[PATH_LIMIT_BYTES];         /* its name in pending_update/ */
    char version[RELEASE_VERSION_BYTES]; /* of the package that `state` is about */
    char manifest_sha256[MANIFEST_SHA256_BYTES];
    struct buf notes; /* NUL-terminated */
    int64_t received_us;
    char from[PENDING_WHO_BYTES];        /* address that delivered it */
    bool approved;                       /* approved.json names this very manifest */
    char approved_by[PENDING_WHO_BYTES]; /* "operator", "window", "auto" */
    int64_t approved_us;
    enum update_state state;
    char previous[RELEASE_VERSION_BYTES]; /* that ran before; "" */
    char reason[PENDING_REASON_BYTES];    /* stable word of a failure; "" */
    char text[PENDING_TEXT_BYTES];        /* for people; "" */
    int64_t changed_us;                   /* of the state */
};

/* Errors: ERR_IO, ERR_CORRUPT (a file of the queue that makes no sense is reported and counts as missing). */
bool pending_read(const char *root, struct pending *out, struct error *err) MUST_USE;
void pending_clear(struct pending *pending);

/* Floors, raised when a package is queued and never lowered; "" and the build's time when there were none. */
struct pending_floors {
    char version[RELEASE_VERSION_BYTES];
    int64_t time_us;
};
bool pending_floors_read(const char *root, struct pending_floors *out, struct error *err) MUST_USE;

struct pending_offer {
    const char *temporary; /* the verified zip, a name in pending_update/, fsynced by this call */
    const struct manifest *manifest;
    const char *manifest_sha256;
    const char *from;
};
/* Raises the floors, renames the zip into place, writes meta.json: then it is queued, and what was pending
 * before is garbage and removed. Errors: ERR_BUSY (one is being applied or in probation). */
bool pending_queue(const char *root, const struct pending_offer *offer, const struct clock *clock,
                   struct error *err) MUST_USE;

/* manifest_sha256: what the operator has seen; NULL: whatever is pending. Errors: ERR_NOT_FOUND
 * (`nothing_pending`), ERR_CHANGED (`changed`), ERR_BUSY (`busy`). */
bool pending_approve(const char *root, const char *manifest_sha256, const char *by, const struct clock *clock,
                     struct error *err) MUST_USE;
bool pending_reject(const char *root, const char *text, const struct clock *clock,
                    struct error *err) MUST_USE;

/* By the updater, under the lock that it holds. */
bool pending_set_state(const char *root, enum update_state state, const char *reason, const char *text,
                       const struct clock *clock, struct error *err) MUST_USE;
/* Adds a line {"step","pct","msg","time"} to progress.jsonl; begun anew with "verify". */
bool pending_progress(const char *root, const char *step, int pct, const char *msg, const struct clock *clock,
                      struct error *err) MUST_USE;
/* Removes what meta.json does not name, and a queue that has come to its end. */
bool pending_sweep(const char *root, struct error *err) MUST_USE;

/* One line of releases' history, oldest first; append-only, outlives everything. */
struct history_entry {
    int64_t time_us;
    char event[32]; /* queued, approved, rejected, applied, committed, rolled_back, failed, recovered,
                       rollback */
    char version[RELEASE_VERSION_BYTES];
    char previous[RELEASE_VERSION_BYTES];
    char by[PENDING_WHO_BYTES];
    char reason[PENDING_REASON_BYTES];
    char text[PENDING_TEXT_BYTES];
};
bool update_history_add(const char *root, const struct history_entry *entry, struct error *err) MUST_USE;
/* The newest `limit`, newest first. */
bool update_history_read(const char *root, size_t limit, struct history_entry *out, size_t *count,
                         struct error *err) MUST_USE;

#endif
