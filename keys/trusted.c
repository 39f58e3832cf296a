#include "keys/trusted.h"

#include <string.h>

#include "common/base/asset.h"

extern const struct asset update_key_assets[]; /* one file, or none */

static bool is_compiled_in(void)
{
    return update_key_assets[0].name != NULL;
}

static bool load_file(const struct appliance *appliance, const char *name, struct keyring *out,
                      struct error *err)
{
    struct path path;
    return appliance_path(appliance, name, &path, err) && keyring_load(path.text, out, err);
}

static bool same_keys(const struct appliance_config *config)
{
    return strcmp(config->auth_public_key_file, config->update_public_key_file) == 0;
}

bool trusted_for_updates(const struct appliance *appliance, struct keyring *out, struct error *err)
{
    const struct asset *key = &update_key_assets[0];
    if (is_compiled_in())
        return keyring_parse(asset_view(key), out, err) || error_wrap(err, "the key compiled in");
    return load_file(appliance, appliance->config.update_public_key_file, out, err) ||
           error_wrap(err, "UPDATE_PUBLIC_KEY_FILE");
}

bool trusted_for_sessions(const struct appliance *appliance, struct keyring *out, struct error *err)
{
    const struct appliance_config *config = &appliance->config;
    if (same_keys(config))
        return trusted_for_updates(appliance, out, err);
    return load_file(appliance, config->auth_public_key_file, out, err) ||
           error_wrap(err, "AUTH_PUBLIC_KEY_FILE");
}

const char *trusted_origin_of_updates(const struct appliance *appliance)
{
    return is_compiled_in() ? "compiled in" : appliance->config.update_public_key_file;
}

const char *trusted_origin_of_sessions(const struct appliance *appliance)
{
    const struct appliance_config *config = &appliance->config;
    return same_keys(config) ? trusted_origin_of_updates(appliance) : config->auth_public_key_file;
}
