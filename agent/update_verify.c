#include "agent/update_verify.h"

#include <stdio.h>

#include "common/base/text.h"
#include "keys/trusted.h"
#include "updater/package.h"
#include "updater/pending.h"
#include "updater/release.h"

/* The machine as a place where a package may land. */
struct landing {
    char current[RELEASE_VERSION_BYTES];
    struct path release; /* the folder of current */
    struct update_floors floors;
};

static bool landing_read(const struct appliance *appliance, struct landing *out, struct error *err)
{
    return release_current(appliance->root, out->current, err) &&
           path_printf(&out->release, err, "%s/releases/%s", appliance->root, out->current) &&
           update_floors_read(appliance->root, &out->floors, err);
}

/* ---- before the body ---- */

static bool check_idle(const struct appliance *appliance, struct error *err)
{
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!pending_read(appliance->root, &now, err))
        return false;
    if (now.state != UPDATE_APPLYING && now.state != UPDATE_PROBATION)
        return true;
    return error_refuse(err, ERR_BUSY, "busy", "version %s is %s", now.version,
                        now.state == UPDATE_APPLYING ? "being applied" : "on probation");
}

bool update_wanted(const struct appliance *appliance, const char *version, struct error *err)
{
    struct landing landing;
    if (!landing_read(appliance, &landing, err))
        return false;
    const struct package_place place = {.current_version = landing.current,
                                        .floor_version = landing.floors.version};
    if (!package_version_fits(version, &place, err))
        return false;
    return check_idle(appliance, err);
}

/* ---- the whole ---- */

static bool go_on(void *context, struct view piece, struct error *err)
{
    const atomic_bool *stopping = context;
    (void)piece;
    return !atomic_load(stopping) || error_set(err, ERR_CANCELLED, "the agent is stopping");
}

static bool agrees(const struct package *package, const struct update_offer *offer, struct error *err)
{
    const char *version = package_manifest(package)->version;
    struct view signature = text_trim(package_signature(package));
    if (strcmp(version, offer->version) != 0)
        return error_refuse(err, ERR_INPUT, "version_mismatch",
                            "X-Update-Version says %s, the package is version %s", offer->version, version);
    return view_equal(signature, view_of(offer->signature)) ||
           error_refuse(err, ERR_DENIED, "invalid_sig",
                        "X-Manifest-Signature is not the package's signature");
}

static bool fits(const struct appliance *appliance, struct package *package, struct error *err)
{
    struct landing landing;
    if (!landing_read(appliance, &landing, err))
        return false;
    const struct package_place place = {
        .product = appliance->config.product,
        .current_version = landing.current,
        .floor_version = landing.floors.version,
        .floor_us = landing.floors.time_us,
        .release_folder = landing.release.text,
    };
    return package_fits(package, &place, err) && package_check_migrations(package, landing.release.text, err);
}

static struct package *open_trusted(const struct appliance *appliance, int fd, struct error *err)
{
    struct keyring trusted;
    if (!trusted_for_updates(appliance, &trusted, err))
        return NULL;
    struct package *package = package_open(fd, &trusted, err);
    keyring_clear(&trusted);
    return package;
}

static bool queue(const struct appliance *appliance, const struct package *package,
                  const struct update_offer *offer, const struct clock *clock, struct error *err)
{
    const struct pending_offer pending = {
        .temporary = PENDING_UPLOAD_NAME,
        .manifest = package_manifest(package),
        .manifest_sha256 = package_manifest_sha256(package),
        .from = offer->from,
    };
    return pending_queue(appliance->root, &pending, clock, err);
}

bool update_verify_and_queue(const struct appliance *appliance, const struct update_offer *offer, int fd,
                             const struct clock *clock, const atomic_bool *stopping, struct error *err)
{
    const struct package_sink sink = {.context = (void *)(uintptr_t)stopping, .data = go_on};
    SCOPE_PACKAGE struct package *package = open_trusted(appliance, fd, err);
    return package != NULL && agrees(package, offer, err) && fits(appliance, package, err) &&
           package_read(package, &sink, err) && queue(appliance, package, offer, clock, err);
}

/* ---- what is left of a refused one ---- */

static bool is_noted(const struct history_entry *newest, const struct history_entry *entry)
{
    return strcmp(newest->event, entry->event) == 0 && strcmp(newest->version, entry->version) == 0 &&
           strcmp(newest->reason, entry->reason) == 0 && strcmp(newest->by, entry->by) == 0;
}

bool update_note_refusal(const struct appliance *appliance, const struct update_offer *offer,
                         const char *reason, const char *text, const struct clock *clock, struct error *err)
{
    struct path path;
    size_t count;
    struct history_entry newest;
    struct history_entry entry = {.time_us = clock_utc_us(clock), .event = "refused"};
    snprintf(entry.version, sizeof(entry.version), "%s", offer->version);
    snprintf(entry.by, sizeof(entry.by), "%s", offer->from);
    snprintf(entry.reason, sizeof(entry.reason), "%s", reason);
    snprintf(entry.text, sizeof(entry.text), "%s", text);
    if (!path_join(&path, appliance->root, "pending_update/history.jsonl", err))
        return false;
    if (file_size_bytes(path.text) >= UPDATE_HISTORY_MAX_BYTES)
        return true;
    if (!update_history_read(appliance->root, &newest, 1, &count, err))
        return false;
    return (count > 0 && is_noted(&newest, &entry)) || update_history_add(appliance->root, &entry, err);
}
