#include "updater/target.h"

#include <sys/stat.h>

#include "keys/trusted.h"

bool target_open(struct target *out, const char *root, struct error *err)
{
    struct log log;
    log_init(&log, "updater", clock_system());
    if (!appliance_open(&out->appliance, root, false, &log, err))
        return false;
    const struct appliance *appliance = &out->appliance;
    out->trusted = (struct keyring){.count = 0};
    if (update_floors_read(appliance->root, &out->floors, err) &&
        release_current(appliance->root, out->current, err) &&
        path_printf(&out->release, err, "%s/releases/%s", appliance->root, out->current) &&
        trusted_for_updates(appliance, &out->trusted, err))
        return true;
    target_close(out);
    return false;
}

void target_close(struct target *target)
{
    keyring_clear(&target->trusted);
    appliance_close(&target->appliance);
}

struct package *target_package(const struct target *target, int zip, struct error *err)
{
    struct stat about;
    if (fstat(zip, &about) != 0) {
        error_set_errno(err, "the package");
        return NULL;
    }
    if (about.st_size > target->appliance.config.max_update_bytes) {
        error_refuse(err, ERR_INPUT, "too_large", "the package has %lld bytes, more than MAX_UPDATE_BYTES",
                     (long long)about.st_size);
        return NULL;
    }
    return package_open(zip, &target->trusted, err);
}

bool target_fits(const struct target *target, struct package *package, struct error *err)
{
    const struct package_place place = {
        .product = target->appliance.config.product,
        .current_version = target->current,
        .floor_version = target->floors.version,
        .floor_us = target->floors.time_us,
        .release_folder = target->release.text,
    };
    return package_fits(package, &place, err) && package_check_migrations(package, target->release.text, err);
}
