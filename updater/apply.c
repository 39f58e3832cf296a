#include "updater/apply.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/os/beneath.h"
#include "updater/pending_files.h"
#include "updater/probation_file.h"
#include "updater/recover.h"
#include "updater/release_sweep.h"
#include "updater/space.h"
#include "updater/stage.h"
#include "updater/store_update.h"

struct apply {
    const char *root;
    const struct clock *clock;
    struct pending *pending;
    struct target *target;
    struct store_place store;
    char backup[BACKUP_NAME_BYTES];
};

/* ---- progress ---- */

enum step { STEP_VERIFY, STEP_BACKUP, STEP_PATCH, STEP_MIGRATE, STEP_DONE };

static const struct {
    const char *name;
    int pct;
    const char *msg;
} steps[] = {
    [STEP_VERIFY] = {"verify", 20, "Verifying..."},
    [STEP_BACKUP] = {"backup", 40, "Saving a backup..."},
    [STEP_PATCH] = {"patch", 70, "Placing the files..."},
    [STEP_MIGRATE] = {"migrate", 90, "Migrating the data..."},
    [STEP_DONE] = {"done", 100, "Restarting..."},
};

/* For people who watch; an update does not fail for it. */
static void tell(const struct apply *apply, enum step step)
{
    (void)!pending_progress(apply->root, steps[step].name, steps[step].pct, steps[step].msg, apply->clock,
                            NULL);
}

/* ---- the steps ---- */

static int open_zip(const struct apply *apply, struct error *err)
{
    struct stat about;
    SCOPE_FD int folder = pending_folder_open(apply->root, err);
    return folder < 0 ? -1 : file_open_beneath(folder, apply->pending->file, &about, err);
}

/* Everything that can be known before a byte is unpacked. */
static bool check(const struct apply *apply, struct package *package, struct error *err)
{
    struct update_space space;
    if (strcmp(package_manifest_sha256(package), apply->pending->manifest_sha256) != 0)
        return error_refuse(err, ERR_CHANGED, "changed",
                            "what lies in pending_update is not what was approved");
    return target_fits(apply->target, package, err) &&
           update_space_of(apply->target, package_manifest(package), &space, err) &&
           update_space_check(apply->target, &space, err);
}

static bool back_up(struct apply *apply, const struct manifest *manifest, struct error *err)
{
    const char *slash = strrchr(apply->store.file.text, '/');
    bool copies = manifest->migration_count > 0 && apply->store.there;
    SCOPE_FD int snapshot = copies ? store_snapshot(&apply->store, err) : -1;
    if (copies && snapshot < 0)
        return false;
    const struct backup_request request = {apply->target->current, manifest, snapshot,
                                           slash == NULL ? "" : slash + 1};
    return backup_make(apply->root, &request, apply->clock, apply->backup, err);
}

static bool migrate(const struct apply *apply, const struct manifest *manifest, struct error *err)
{
    struct path release;
    if (manifest->migration_count == 0 || !apply->store.there)
        return true;
    return path_printf(&release, err, "%s/releases/%s", apply->root, manifest->version) &&
           store_migrate(&apply->store, release.text, manifest->version, apply->clock, err);
}

/* From the file's rename on boot/start watches over the new version; from the link's rename on it is the one.
 * The note between them tells a version that was undone by boot/start from one that never ran. */
static bool switch_over(const struct apply *apply, const char *version, struct error *err)
{
    struct pending noted = *apply->pending;
    snprintf(noted.reason, sizeof(noted.reason), "%s", PENDING_SWITCHING);
    return probation_file_write(apply->root, apply->target->current, err) &&
           pending_state_write(apply->root, &noted, err) && release_switch(apply->root, version, err);
}

static bool install(struct apply *apply, struct package *package, struct error *err)
{
    const struct manifest *manifest = package_manifest(package);
    SCOPE_STAGE struct stage *stage = stage_begin(apply->root, manifest->version, err);
    if (stage == NULL || !stage_unpack(stage, package, err))
        return false;
    if (!store_find(&apply->target->appliance, &apply->store, err))
        return false;
    tell(apply, STEP_BACKUP);
    if (!back_up(apply, manifest, err))
        return false;
    tell(apply, STEP_PATCH);
    if (!stage_publish(stage, manifest, apply->target->current, err))
        return false;
    tell(apply, STEP_MIGRATE);
    return migrate(apply, manifest, err) && switch_over(apply, manifest->version, err);
}

static bool run_steps(struct apply *apply, struct error *err)
{
    tell(apply, STEP_VERIFY);
    SCOPE_FD int zip = open_zip(apply, err);
    SCOPE_PACKAGE struct package *package = zip < 0 ? NULL : target_package(apply->target, zip, err);
    return package != NULL && check(apply, package, err) && install(apply, package, err);
}

/* ---- when it fails ---- */

/* The word for an error that has none of its own. */
static const char *reason_of(const struct error *err)
{
    static const struct {
        enum error_code code;
        const char *reason;
    } words[] = {
        {ERR_SPACE, "no_space"},         {ERR_MEMORY, "no_memory"},  {ERR_CORRUPT, "store_damaged"},
        {ERR_BUSY, "store_busy"},        {ERR_CHANGED, "changed"},   {ERR_USAGE, "bad_config"},
        {ERR_NOT_FOUND, "missing_file"}, {ERR_INPUT, "bad_package"},
    };
    if (err->reason != NULL)
        return err->reason;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (words[i].code == err->code)
            return words[i].reason;
    }
    return "io_error";
}

/* `current` first, when the switch went half-way. What cannot be cleaned up here, `updater recover` does. The
 * file probation goes last, and stays where the notes cannot be written: by it recover tells a version that
 * never ran from one that boot/start has undone. */
static bool give_up(const char *root, struct pending *pending, const struct clock *clock, struct error *err)
{
    char current[RELEASE_VERSION_BYTES];
    char text[PENDING_TEXT_BYTES + PENDING_REASON_BYTES];
    err->reason = reason_of(err);
    struct pending_outcome outcome = {.reason = err->reason, .text = err->text};
    if (!release_current(root, current, NULL))
        return false;
    if (strcmp(current, pending->version) == 0 && !release_switch(root, pending->previous, NULL))
        return false; /* it may run: recover decides */
    (void)!release_remove(root, pending->version, NULL);
    snprintf(text, sizeof(text), "%s: %s", err->reason, err->text);
    (void)!pending_progress(root, "failed", 100, text, clock, NULL);
    if (pending_set_state(root, pending, UPDATE_FAILED, &outcome, clock, NULL))
        (void)!probation_file_remove(root, NULL);
    return false;
}

/* ---- the whole ---- */

static bool refuse_state(const struct pending *pending, struct error *err)
{
    switch (pending->state) {
    case UPDATE_APPROVED:
        return true;
    case UPDATE_PENDING:
        return error_refuse(err, ERR_NOT_FOUND, "not_approved", "version %s waits and nobody has approved it",
                            pending->version);
    case UPDATE_PROBATION:
        return error_refuse(err, ERR_BUSY, "busy", "version %s is on probation", pending->version);
    default:
        return error_refuse(err, ERR_NOT_FOUND, "nothing_pending", "no update waits");
    }
}

static bool apply_approved(struct apply *apply, struct apply_result *out, struct error *err)
{
    if (!target_open(apply->target, apply->root, err) || !run_steps(apply, err))
        return false;
    snprintf(out->version, sizeof(out->version), "%s", apply->pending->version);
    memcpy(out->previous, apply->target->current, sizeof(out->previous));
    memcpy(out->backup, apply->backup, sizeof(out->backup));
    return true;
}

/* The switch is done: what fails from here on is a note, which `updater recover` writes again. */
static bool finish(struct apply *apply, const struct apply_result *result, struct error *err)
{
    const struct pending_outcome outcome = {.previous = result->previous};
    tell(apply, STEP_DONE);
    return pending_set_state(apply->root, apply->pending, UPDATE_PROBATION, &outcome, apply->clock, err);
}

bool apply_run(const char *root, const struct clock *clock, struct apply_result *out, struct error *err)
{
    struct error cause = {.code = ERR_NONE};
    struct recovery before;
    struct apply_result result;
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    SCOPE_FD int lock = pending_lock(root, err);
    if (lock < 0 || !recover_locked(root, clock, &before, err) || !pending_read(root, &pending, err) ||
        !refuse_state(&pending, err))
        return false;
    if (before.on_probation)
        return error_refuse(err, ERR_BUSY, "busy", "version %s is on probation", before.current);
    SCOPE_TARGET struct target target = {.current = ""};
    struct apply apply = {.root = root, .clock = clock, .pending = &pending, .target = &target};
    const struct pending_outcome outcome = {.previous = before.current};
    if (!pending_set_state(root, &pending, UPDATE_APPLYING, &outcome, clock, err))
        return false;
    if (!apply_approved(&apply, &result, &cause)) {
        give_up(root, &pending, clock, &cause);
        if (err != NULL)
            *err = cause;
        return error_wrap(err, "version %s", pending.version);
    }
    if (!finish(&apply, &result, err))
        return false;
    *out = result;
    return true;
}
