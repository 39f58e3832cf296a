#include <string.h>

#include "updater/package.h"

bool package_version_fits(const char *version, const struct package_place *place, struct error *err)
{
    int order = release_version_compare(version, place->current_version);
    if (order == 0)
        return error_refuse(err, ERR_EXISTS, "same_version", "version %s runs already", version);
    if (order < 0)
        return error_refuse(err, ERR_CHANGED, "older_version", "%s runs, which is newer than %s",
                            place->current_version, version);
    if (place->floor_version[0] != '\0' && release_version_compare(version, place->floor_version) < 0)
        return error_refuse(err, ERR_CHANGED, "older_version",
                            "version %s was delivered here before, which is newer than %s",
                            place->floor_version, version);
    return true;
}

static bool check_version(const struct manifest *manifest, const struct package_place *place,
                          struct error *err)
{
    if (!package_version_fits(manifest->version, place, err))
        return false;
    if (manifest->min_version[0] != '\0' &&
        release_version_compare(place->current_version, manifest->min_version) < 0)
        return error_refuse(err, ERR_INPUT, "min_version", "it needs version %s at least; %s runs",
                            manifest->min_version, place->current_version);
    return true;
}

/* The package's own time counts too: once it is queued it is part of the floor. */
static bool check_time(const struct manifest *manifest, int64_t floor_us, struct error *err)
{
    int64_t now_us = manifest->created_us > floor_us ? manifest->created_us : floor_us;
    return manifest->expires_us >= now_us ||
           error_refuse(err, ERR_INPUT, "expired", "version %s was to be installed earlier than this",
                        manifest->version);
}

static bool check_base(const struct manifest *manifest, const char *release_folder, struct error *err)
{
    if (manifest->base_tree[0] == '\0' || release_folder == NULL)
        return true;
    char tree[RELEASE_TREE_HEX_BYTES];
    if (!release_tree_sha256(release_folder, tree, err))
        return false;
    return strcmp(tree, manifest->base_tree) == 0 ||
           error_refuse(err, ERR_INPUT, "wrong_base",
                        "it was made for another release than the one in %s (tree %.16s..., here %.16s...)",
                        release_folder, manifest->base_tree, tree);
}

bool package_fits(const struct package *package, const struct package_place *place, struct error *err)
{
    const struct manifest *manifest = package_manifest(package);
    if (strcmp(manifest->product, place->product) != 0)
        return error_refuse(err, ERR_INPUT, "wrong_product", "it is for the product `%s`, this is `%s`",
                            manifest->product, place->product);
    return check_version(manifest, place, err) && check_time(manifest, place->floor_us, err) &&
           check_base(manifest, place->release_folder, err);
}
