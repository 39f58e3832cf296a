#include "updater/recover.h"

#include <fcntl.h>
#include <stdio.h>

#include "updater/backup.h"
#include "updater/pending_files.h"
#include "updater/probation_file.h"
#include "updater/release_sweep.h"
#include "updater/store_update.h"

enum { FLAG_MODE = 0644 };

/* ---- what the disk says ---- */

struct situation {
    const char *root;
    const struct clock *clock;
    struct pending pending;
    char current[RELEASE_VERSION_BYTES];
    char probation[RELEASE_VERSION_BYTES]; /* what ROOT/probation names; "" */
};

static void situation_clear(struct situation *situation)
{
    pending_clear(&situation->pending);
}
#define SCOPE_SITUATION SCOPE(situation_clear)

static bool look(const char *root, const struct clock *clock, struct situation *out, struct error *err)
{
    out->root = root;
    out->clock = clock;
    return pending_read(root, &out->pending, err) && release_current(root, out->current, err) &&
           probation_file_read(root, out->probation, err);
}

/* Whether the version that the notes are about is the one that runs. */
static bool runs(const struct situation *situation)
{
    return strcmp(situation->pending.version, situation->current) == 0;
}

/* The switch has happened and was not undone. */
static bool on_probation(const struct situation *situation)
{
    return situation->probation[0] != '\0' && strcmp(situation->probation, situation->current) != 0;
}

/* The file is there and the switch has not happened. */
static bool before_switch(const struct situation *situation)
{
    return situation->probation[0] != '\0' && strcmp(situation->probation, situation->current) == 0;
}

/* ---- the notes follow the disk ---- */

enum settling {
    SETTLE_NOTHING,
    SETTLE_PROBATION,
    SETTLE_COMMITTED,
    SETTLE_ROLLED_BACK,
    SETTLE_INTERRUPTED,
};

static enum settling settle_applying(const struct situation *situation)
{
    if (runs(situation))
        return on_probation(situation) ? SETTLE_PROBATION : SETTLE_COMMITTED;
    bool was_switched =
        strcmp(situation->pending.reason, PENDING_SWITCHING) == 0 && !before_switch(situation);
    return was_switched ? SETTLE_ROLLED_BACK : SETTLE_INTERRUPTED;
}

/* docs/updates.md, "What recover finds" */
static enum settling settling_of(const struct situation *situation)
{
    switch (situation->pending.state) {
    case UPDATE_APPLYING:
        return settle_applying(situation);
    case UPDATE_PROBATION:
        if (!runs(situation))
            return SETTLE_ROLLED_BACK;
        return on_probation(situation) ? SETTLE_NOTHING : SETTLE_COMMITTED;
    case UPDATE_COMMITTED:
        return release_version_compare(situation->current, situation->pending.version) < 0
                   ? SETTLE_ROLLED_BACK
                   : SETTLE_NOTHING;
    default:
        return SETTLE_NOTHING;
    }
}

static void tell(const struct situation *situation, const char *step, const char *msg)
{
    (void)!pending_progress(situation->root, step, 100, msg, situation->clock, NULL); /* a convenience */
}

static bool set_committed(struct situation *situation, struct error *err)
{
    const struct pending_outcome outcome = {.reason = NULL};
    tell(situation, "committed", situation->current);
    return pending_set_state(situation->root, &situation->pending, UPDATE_COMMITTED, &outcome,
                             situation->clock, err);
}

static bool set_rolled_back(struct situation *situation, const char *reason, const char *text,
                            struct error *err)
{
    const struct pending_outcome outcome = {.reason = reason, .text = text};
    tell(situation, "rolled_back", text);
    return pending_set_state(situation->root, &situation->pending, UPDATE_ROLLED_BACK, &outcome,
                             situation->clock, err);
}

/* Found undone: by an undo that has noted why before it was cut off, by hand, or by boot/start. */
static bool settle_rolled_back(struct situation *situation, struct error *err)
{
    struct pending *pending = &situation->pending;
    char reason[PENDING_REASON_BYTES] = "not_proven";
    char text[PENDING_TEXT_BYTES] = "it was started again and again and never proved itself";
    if (pending->state == UPDATE_COMMITTED) {
        snprintf(reason, sizeof(reason), "by_hand");
        snprintf(text, sizeof(text), "the version before was made current by hand");
    } else if (pending->reason[0] != '\0' && strcmp(pending->reason, PENDING_SWITCHING) != 0) {
        memcpy(reason, pending->reason, sizeof(reason));
        memcpy(text, pending->text, sizeof(text));
    }
    return set_rolled_back(situation, reason, text, err);
}

static bool settle(struct situation *situation, struct error *err)
{
    const struct pending_outcome outcome = {.previous = situation->probation};
    switch (settling_of(situation)) {
    case SETTLE_NOTHING:
        return true;
    case SETTLE_PROBATION:
        tell(situation, "done", "Restarting...");
        return pending_set_state(situation->root, &situation->pending, UPDATE_PROBATION, &outcome,
                                 situation->clock, err);
    case SETTLE_COMMITTED:
        return set_committed(situation, err);
    case SETTLE_ROLLED_BACK:
        return settle_rolled_back(situation, err);
    case SETTLE_INTERRUPTED:
        tell(situation, "failed", "interrupted");
        return pending_interrupted(situation->root, &situation->pending, situation->clock, err);
    }
    return error_set(err, ERR_INTERNAL, "no such settling");
}

/* ---- what is left over ---- */

static bool remove_in_root(const char *root, const char *name, struct error *err)
{
    struct path path;
    return path_join(&path, root, name, err) && file_remove(path.text, err);
}

/* With a config.txt that cannot be read nobody starts; then this is left for another time. */
static bool sweep_store(const char *root, struct error *err)
{
    struct log log = {.fd = -1};
    struct appliance appliance;
    struct store_place store;
    if (!appliance_open(&appliance, root, false, &log, NULL))
        return true;
    bool done = store_find(&appliance, &store, NULL) ? store_sweep(&store, err) : true;
    appliance_close(&appliance);
    return done;
}

static bool sweep(const char *root, struct error *err)
{
    return remove_in_root(root, ".current.tmp", err) && remove_in_root(root, ".probation.tmp", err) &&
           release_sweep(root, err) && backup_sweep(root, err) && sweep_store(root, err) &&
           pending_sweep(root, err);
}

/* ---- recover ---- */

static bool report(const struct situation *situation, struct recovery *out, struct error *err)
{
    struct recovery result = {.state = situation->pending.state, .on_probation = on_probation(situation)};
    memcpy(result.current, situation->current, sizeof(result.current));
    if (!release_previous(situation->root, result.previous, err))
        return false;
    *out = result;
    return true;
}

/* The notes first: where the file is gone, they would be read otherwise. */
static bool recover(struct situation *situation, struct error *err)
{
    if (!settle(situation, err))
        return false;
    if (before_switch(situation)) {
        if (!probation_file_remove(situation->root, err))
            return false;
        situation->probation[0] = '\0';
    }
    return sweep(situation->root, err);
}

bool recover_locked(const char *root, const struct clock *clock, struct recovery *out, struct error *err)
{
    SCOPE_SITUATION struct situation situation = {.pending = {.notes = NULL}};
    return look(root, clock, &situation, err) && recover(&situation, err) && report(&situation, out, err);
}

bool recover_run(const char *root, const struct clock *clock, struct recovery *out, struct error *err)
{
    SCOPE_FD int lock = pending_lock(root, err);
    return lock >= 0 && recover_locked(root, clock, out, err);
}

/* ---- commit, undo ---- */

/* For the history, when the notes know nothing of it. */
static bool note(const struct situation *situation, const char *event, const char *reason, const char *text,
                 const char *previous, struct error *err)
{
    struct history_entry entry = {.time_us = clock_utc_us(situation->clock)};
    snprintf(entry.event, sizeof(entry.event), "%s", event);
    snprintf(entry.version, sizeof(entry.version), "%s", situation->current);
    snprintf(entry.previous, sizeof(entry.previous), "%s", previous);
    snprintf(entry.reason, sizeof(entry.reason), "%s", reason);
    snprintf(entry.text, sizeof(entry.text), "%s", text);
    return update_history_add(situation->root, &entry, err);
}

static bool notes_agree(const struct situation *situation)
{
    return situation->pending.state == UPDATE_PROBATION && runs(situation);
}

static bool commit(struct situation *situation, struct error *err)
{
    if (!on_probation(situation))
        return true;
    if (!probation_file_remove(situation->root, err))
        return false;
    bool noted = notes_agree(situation) ? set_committed(situation, err)
                                        : note(situation, "committed", "", "", situation->probation, err);
    situation->probation[0] = '\0';
    return noted && release_sweep(situation->root, err);
}

bool recover_commit(const char *root, const struct clock *clock, struct recovery *out, struct error *err)
{
    SCOPE_SITUATION struct situation situation = {.pending = {.notes = NULL}};
    SCOPE_FD int lock = pending_lock(root, err);
    return lock >= 0 && look(root, clock, &situation, err) && recover(&situation, err) &&
           commit(&situation, err) && report(&situation, out, err);
}

/* Why is noted before the switch, so that it is not lost when the rest is cut off. */
static bool note_why(struct situation *situation, const char *reason, const char *text, struct error *err)
{
    if (!notes_agree(situation))
        return note(situation, "rolled_back", reason, text, situation->probation, err);
    snprintf(situation->pending.reason, sizeof(situation->pending.reason), "%s", reason);
    snprintf(situation->pending.text, sizeof(situation->pending.text), "%s", text);
    return pending_state_write(situation->root, &situation->pending, err);
}

static bool can_start(const char *root, const char *version, struct error *err)
{
    struct path program;
    return path_printf(&program, err, "%s/releases/%s/bin/watchdog", root, version) &&
           (access(program.text, X_OK) == 0 ||
            error_refuse(err, ERR_NOT_FOUND, "no_previous", "release %s has no program bin/watchdog",
                         version));
}

static bool undo(struct situation *situation, const char *reason, const char *text, struct error *err)
{
    const char *root = situation->root;
    if (!on_probation(situation))
        return true;
    bool agreed = notes_agree(situation);
    if (!can_start(root, situation->probation, err) || !note_why(situation, reason, text, err) ||
        !release_switch(root, situation->probation, err) || !probation_file_remove(root, err))
        return false;
    memcpy(situation->current, situation->probation, sizeof(situation->current));
    situation->probation[0] = '\0';
    return !agreed || set_rolled_back(situation, reason, text, err);
}

bool recover_undo(const char *root, const char *reason, const char *text, const struct clock *clock,
                  struct recovery *out, struct error *err)
{
    SCOPE_SITUATION struct situation situation = {.pending = {.notes = NULL}};
    SCOPE_FD int lock = pending_lock(root, err);
    return lock >= 0 && look(root, clock, &situation, err) && recover(&situation, err) &&
           undo(&situation, reason, text, err) && report(&situation, out, err);
}

/* ---- rollback ---- */

static const char by_hand_text[] = "`updater rollback` was called";

static bool go_back(struct situation *situation, struct error *err)
{
    char previous[RELEASE_VERSION_BYTES];
    const char *root = situation->root;
    bool committed = situation->pending.state == UPDATE_COMMITTED && runs(situation);
    if (!release_previous(root, previous, err))
        return false;
    if (previous[0] == '\0')
        return error_refuse(err, ERR_NOT_FOUND, "no_previous",
                            "there is no release before %s on this machine", situation->current);
    if (!can_start(root, previous, err) ||
        !note(situation, "rollback", "by_hand", by_hand_text, previous, err))
        return false;
    if (on_probation(situation))
        return undo(situation, "by_hand", by_hand_text, err);
    if (!release_switch(root, previous, err))
        return false;
    memcpy(situation->current, previous, sizeof(previous));
    return !committed || set_rolled_back(situation, "by_hand", by_hand_text, err);
}

static bool touch_restart_flag(const char *root, struct error *err)
{
    struct path flag;
    if (!path_join(&flag, root, "restart.flag", err))
        return false;
    SCOPE_FD int fd = file_create(flag.text, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, FLAG_MODE, err);
    return fd >= 0;
}

bool recover_rollback(const char *root, const struct clock *clock, struct recovery *out, struct error *err)
{
    SCOPE_SITUATION struct situation situation = {.pending = {.notes = NULL}};
    SCOPE_FD int lock = pending_lock(root, err);
    return lock >= 0 && look(root, clock, &situation, err) && recover(&situation, err) &&
           go_back(&situation, err) && touch_restart_flag(root, err) && report(&situation, out, err);
}
