#include "watchdog/licensed.h"

#include "common/base/rfc3339.h"
#include "keys/licence.h"
#include "updater/pending.h"

static bool read_licence(const struct appliance *appliance, const struct keyring *trusted,
                         struct licence *out, struct error *err)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    return path_join(&path, appliance->root, "license.dat", err) && file_read_path(path.text, &text, err) &&
           licence_parse(buf_view(&text), trusted, out, err);
}

/* The clock may have been set back; what verified packages say of the time stands. */
static bool now_at_least(const struct appliance *appliance, const struct clock *clock, int64_t *out,
                         struct error *err)
{
    struct update_floors floors;
    if (!update_floors_read(appliance->root, &floors, err))
        return false;
    int64_t now_us = clock_utc_us(clock);
    *out = now_us > floors.time_us ? now_us : floors.time_us;
    return true;
}

static bool check(const struct appliance *appliance, const struct clock *clock, struct licence *out,
                  struct error *err)
{
    struct path key_file;
    struct keyring trusted;
    char machine[LICENCE_MACHINE_BYTES];
    int64_t now_us;
    if (!appliance_path(appliance, appliance->config.license_public_key_file, &key_file, err) ||
        !keyring_load(key_file.text, &trusted, err))
        return false;
    bool read = read_licence(appliance, &trusted, out, err);
    keyring_clear(&trusted);
    bool has_id = licence_machine_id(NULL, machine, NULL);
    return read && now_at_least(appliance, clock, &now_us, err) &&
           licence_allows(out, appliance->config.product, has_id ? machine : NULL, now_us, err);
}

bool licensed(const struct appliance *appliance, const struct log *log, struct error *err)
{
    struct licence licence;
    if (appliance->config.license_public_key_file[0] == '\0')
        return true;
    if (!check(appliance, log->clock, &licence, err))
        return error_wrap(
            err,
            "no valid licence in %s/license.dat (ask the vendor for one; `keytool license show` "
            "shows what it says)",
            appliance->root);
    char end[RFC3339_S_BYTES] = "never";
    if (licence.expires_us != INT64_MAX)
        rfc3339_format_s(end, licence.expires_us);
    log_info(log, "licensed to %s, ends: %s", licence.customer, end);
    return true;
}
