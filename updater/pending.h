/* The queue of one update: ROOT/pending_update with the zip, meta.json (the commit point: a zip that it does
 * not name is garbage), approved.json, state.json and progress.jsonl, floors.json and history.jsonl. The
 * agent queues, the portal approves, the updater applies and says how far it is, the watchdog starts it. Each
 * file is written beside, fsynced and renamed: after a crash it is the old or the new one. Whoever may write
 * in that folder is not believed: the zip is verified again when it is applied. Threads and processes: what
 * changes the queue is done under run/update.lock (pending_lock); reading needs no lock and sees whole files.
 */
#ifndef UPDATER_PENDING_H
#define UPDATER_PENDING_H

#include "common/base/clock.h"
#include "common/net/json_writer.h"
#include "common/os/file.h"
#include "updater/manifest.h"

enum {
    PENDING_FILE_BYTES = 96,   /* update_v<version>-<n>.zip */
    PENDING_REASON_BYTES = 64, /* a stable word */
    PENDING_TEXT_BYTES = 512,  /* for people */
    PENDING_NOTES_MAX_BYTES = 64 * 1024,
    PENDING_WHO_BYTES = 64,
};

enum update_state {
    UPDATE_NONE,
    UPDATE_PENDING,     /* waits for the operator or the window */
    UPDATE_APPROVED,    /* waits for the watchdog */
    UPDATE_APPLYING,    /* verify ... switch */
    UPDATE_PROBATION,   /* the new version runs and has not proved itself */
    UPDATE_COMMITTED,   /* from here on: how the last one ended */
    UPDATE_ROLLED_BACK, /* it ran, and reason and text say why it was undone */
    UPDATE_FAILED,      /* it never ran */
    UPDATE_REJECTED,    /* by the operator, or `withdrawn` by the server */
};
/* "pending" */
const char *update_state_name(enum update_state state);
/* Whether it is over: COMMITTED and what follows. */
bool update_state_is_end(enum update_state state);

struct pending {
    enum update_state state;
    char version[RELEASE_VERSION_BYTES]; /* of the package that the state is about; "" with UPDATE_NONE */
    char manifest_sha256[MANIFEST_SHA256_BYTES];
    char file[PENDING_FILE_BYTES]; /* its name in pending_update; "" when it is over */
    char *notes;                   /* "" when it is over */
    int64_t received_us;
    char from[PENDING_WHO_BYTES];        /* the address that delivered it */
    char approved_by[PENDING_WHO_BYTES]; /* "operator", "window", "auto"; "" when nobody did */
    int64_t approved_us;
    char previous[RELEASE_VERSION_BYTES]; /* that ran before; "" until it is applied */
    char reason[PENDING_REASON_BYTES];    /* of a failure, a way back, a rejection; "" */
    char text[PENDING_TEXT_BYTES];        /* the same for people; "" */
    int64_t changed_us;                   /* of the state; INT64_MIN when nothing but the queueing happened */
};

/* In pending_update: what the agent is receiving. Nobody else touches it. */
#define PENDING_UPLOAD_NAME ".upload.zip"

/* What the files say. One that makes no sense counts as missing. Errors: ERR_IO, ERR_MEMORY. */
bool pending_read(const char *root, struct pending *out, struct error *err) MUST_USE;
void pending_clear(struct pending *pending);
#define SCOPE_PENDING SCOPE(pending_clear)

/* Held until the descriptor is closed. Returns -1 with ERR_BUSY when somebody else has it. */
int pending_lock(const char *root, struct error *err) MUST_USE;

/* ---- floors: what came once is never gone below ---- */

struct update_floors {
    char version[RELEASE_VERSION_BYTES]; /* the highest that was ever queued; "": none */
    int64_t time_us; /* the latest created_at of verified manifests, at least this program's own build */
};
bool update_floors_read(const char *root, struct update_floors *out, struct error *err) MUST_USE;
/* Takes the higher of each; durable. Under the lock. */
bool update_floors_raise(const char *root, const char *version, int64_t time_us, struct error *err) MUST_USE;

/* ---- what the agent and the portal do; each takes the lock ---- */

struct pending_offer {
    const char
        *temporary; /* the verified zip: its name in pending_update, PENDING_UPLOAD_NAME; not yet fsynced */
    const struct manifest *manifest;
    const char *manifest_sha256;
    const char *from;
};
/* Raises the floors, fsyncs and names the zip, writes meta.json: then it is queued and waits for approval,
 * and what was pending before is removed. The same manifest again while it is pending changes nothing (and
 * removes the temporary). Errors: ERR_BUSY `busy` (one is being applied, or in probation), ERR_SPACE ... */
bool pending_queue(const char *root, const struct pending_offer *offer, const struct clock *clock,
                   struct error *err) MUST_USE;

/* manifest_sha256: what the operator has seen; NULL: whatever is pending. Errors: ERR_NOT_FOUND
 * `nothing_pending`, ERR_CHANGED `changed`, ERR_BUSY `busy`. */
bool pending_approve(const char *root, const char *manifest_sha256, const char *by, const struct clock *clock,
                     struct error *err) MUST_USE;
/* By the server, which sees `from`: only what nobody has approved. It ends as a rejection with the reason
 * `withdrawn`. Errors: as above; an approved one is `busy`. */
bool pending_withdraw(const char *root, const char *manifest_sha256, const char *from,
                      const struct clock *clock, struct error *err) MUST_USE;
/* text: why. Errors: as above. */
bool pending_reject(const char *root, const char *text, const struct clock *clock,
                    struct error *err) MUST_USE;

/* ---- what the updater does, with the lock held ---- */

struct pending_outcome {
    const char *reason;   /* NULL: none */
    const char *text;     /* NULL: none */
    const char *previous; /* that ran before; NULL: as it was said last */
};
/* APPLYING, PROBATION, and the ends. At an end, what was queued is removed and the history gets its line.
 * pending: as it was read under this lock; is as it is now when this returns true. */
bool pending_set_state(const char *root, struct pending *pending, enum update_state state,
                       const struct pending_outcome *outcome, const struct clock *clock,
                       struct error *err) MUST_USE;
/* An APPLYING that was cut off before the switch, seen by `updater recover`: it waits for approval again,
 * after the third time it FAILED (`interrupted`). The history gets its line. */
enum { PENDING_INTERRUPTIONS_MAX = 3 };
bool pending_interrupted(const char *root, struct pending *pending, const struct clock *clock,
                         struct error *err) MUST_USE;
/* Adds a line {"step","pct","msg","time"} to progress.jsonl, begun anew at the step "verify". */
bool pending_progress(const char *root, const char *step, int pct, const char *msg, const struct clock *clock,
                      struct error *err) MUST_USE;
/* Removes what meta.json does not name: uploads that were cut off, what is left of one that is over. */
bool pending_sweep(const char *root, struct error *err) MUST_USE;

/* ---- history.jsonl: append-only, one line an event ---- */

enum { HISTORY_EVENT_BYTES = 32 };

struct history_entry {
    int64_t time_us;
    /* queued approved rejected applied committed rolled_back failed interrupted rollback (by hand) */
    char event[HISTORY_EVENT_BYTES];
    char version[RELEASE_VERSION_BYTES];
    char previous[RELEASE_VERSION_BYTES];
    char by[PENDING_WHO_BYTES];
    char reason[PENDING_REASON_BYTES];
    char text[PENDING_TEXT_BYTES];
};
/* Durable when it returns true; a line that a power cut tore is passed over by readers. */
bool update_history_add(const char *root, const struct history_entry *entry, struct error *err) MUST_USE;
/* The entry as a JSON object: a line of history.jsonl, and what agent and updater show of it. */
void update_history_write(struct json_writer *writer, const struct history_entry *entry);
/* The newest ones, newest first; at most `limit`. */
bool update_history_read(const char *root, struct history_entry *out, size_t limit, size_t *count,
                         struct error *err) MUST_USE;

#endif
