/* The appliance's ROOT as every program of it sees it: its paths, config.txt, credentials.env. One table of
 * keys (appliance_keys.c) is the only place where a key, its type, default and explanation stand. */
#ifndef COMMON_APP_APPLIANCE_H
#define COMMON_APP_APPLIANCE_H

#include "common/app/config.h"
#include "common/os/file.h"

enum { SECRET_BYTES = 128, VERSION_BYTES = 64 };

enum portal_tls { PORTAL_TLS_AUTO, PORTAL_TLS_YES, PORTAL_TLS_NO };

struct appliance_config {
    char agent_bind[CONFIG_TEXT_BYTES];
    int64_t agent_port;
    char agent_cert_file[CONFIG_TEXT_BYTES]; /* absolute or relative to ROOT, as written */
    char agent_key_file[CONFIG_TEXT_BYTES];
    bool auth_timestamp;
    char outbound_bind[CONFIG_TEXT_BYTES];
    int64_t outbound_port;
    char portal_bind[CONFIG_TEXT_BYTES];
    int64_t portal_port;
    int portal_tls;                       /* enum portal_tls */
    char portal_hosts[CONFIG_TEXT_BYTES]; /* names with commas or blanks between */
    char portal_language[CONFIG_TEXT_BYTES];
    char update_public_key_file[CONFIG_TEXT_BYTES];
    char auth_public_key_file[CONFIG_TEXT_BYTES];    /* never empty after loading */
    char license_public_key_file[CONFIG_TEXT_BYTES]; /* "": no licence needed */
    char update_approval[CONFIG_TEXT_BYTES];
    char product[CONFIG_TEXT_BYTES];
    int64_t max_update_bytes;
    int64_t probation_s;
    char service_user[CONFIG_TEXT_BYTES];
    char telemetry_dir[CONFIG_TEXT_BYTES];
    int64_t retention_days;
    int64_t max_store_bytes; /* 0: no limit by size */
    int64_t sample_interval_ms;
    char export_source[CONFIG_TEXT_BYTES];
    char export_table[CONFIG_TEXT_BYTES];
    int log_level;                /* enum log_level */
    int log_format;               /* enum log_format */
    struct config_lines inputs;   /* "system", "drive rate=1" ... */
    struct config_lines channels; /* "engine_rpm unit=rpm phys_min=0 ..." */
    struct config_lines services; /* "name command ..." */
};

struct appliance_secrets {
    char config_pin[SECRET_BYTES];
    char outbound_api_key[SECRET_BYTES];
    char export_db_password[SECRET_BYTES]; /* of EXPORT_SOURCE's user */
};

struct appliance {
    char root[PATH_LIMIT_BYTES]; /* absolute */
    char
        version[VERSION_BYTES]; /* version.txt of the release this program runs from; else the built-in one */
    struct appliance_config config;
};

/* root: made absolute; must be a ROOT (config.txt). strict: unknown keys are errors (--check-config). */
bool appliance_open(struct appliance *out, const char *root, bool strict, const struct log *log,
                    struct error *err) MUST_USE;
void appliance_close(struct appliance *appliance);

/* ROOT/<name>, or name itself when it is absolute. */
bool appliance_path(const struct appliance *appliance, const char *name, struct path *out,
                    struct error *err) MUST_USE;

/* credentials.env, KEY=value lines as a shell reads them (quotes allowed; other keys are left alone). A
 * secret that is not in it is "". Errors: ERR_DENIED when group or others have any permission, ERR_NOT_FOUND.
 */
bool appliance_secrets(const struct appliance *appliance, struct appliance_secrets *out,
                       struct error *err) MUST_USE;

/* Whether the portal serves TLS: PORTAL_TLS, where auto is yes unless bound to loopback. */
bool appliance_portal_tls(const struct appliance_config *config);

/* The file that `updater init` writes. */
void appliance_default_config(struct buf *out);

#endif
