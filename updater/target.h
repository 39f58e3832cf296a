/* This machine as the place where a package is to land: whom it trusts, what runs, what came before. Knows
 * nothing of how a package is applied. Threads: one at a time. */
#ifndef UPDATER_TARGET_H
#define UPDATER_TARGET_H

#include "common/app/appliance.h"
#include "common/pack/zip_index.h"
#include "updater/package.h"
#include "updater/pending.h"

struct target {
    struct appliance appliance;
    struct keyring trusted; /* of UPDATE_PUBLIC_KEY_FILE */
    struct update_floors floors;
    char current[RELEASE_VERSION_BYTES];
    struct path release; /* the folder of current */
};

/* Errors: ERR_NOT_FOUND (no ROOT; no key file), ERR_USAGE (config.txt), ERR_INPUT (keys), ERR_IO. */
bool target_open(struct target *out, const char *root, struct error *err) MUST_USE;
void target_close(struct target *target);
#define SCOPE_TARGET SCOPE(target_close)

/* package_open with this machine's keys, then the size that MAX_UPDATE_BYTES allows. zip: borrowed until
 * package_close. */
struct package *target_package(const struct target *target, int zip, struct error *err) MUST_USE;

/* Whether the package may land here: package_fits and package_check_migrations. */
bool target_fits(const struct target *target, struct package *package, struct error *err) MUST_USE;

#endif
