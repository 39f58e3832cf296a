/* What sync_service was told: the file of --config (KEY = value), credentials.env beside it (0600), and the
 * environment, which wins. The variables of the first version of the service (SYNC_INTERVAL_SEC, DB_HOST ...)
 * all work. Knows nothing of what they are used for. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SETTINGS_H
#define SERVER_TOOLS_SYNC_SERVICE_SETTINGS_H

#include "common/app/config.h"
#include "common/base/log.h"

struct sync_settings {
    /* Of file and credentials.env, as of the environment, DB_URL wins over DB_HOST, DB_PORT, DB_NAME,
     * DB_USER, DB_PASSWORD; those of the environment replace their part of a DB_URL that stands in the file.
     * db_url is what comes of all. */
    char db_url[CONFIG_TEXT_BYTES];
    char db_host[CONFIG_TEXT_BYTES], db_name[CONFIG_TEXT_BYTES], db_user[CONFIG_TEXT_BYTES],
        db_password[CONFIG_TEXT_BYTES];
    int64_t db_port;
    int64_t db_connections; /* of the writers */
    int64_t sync_interval_s, pull_timeout_ms, pull_window_s;
    int64_t pull_settle_ms; /* a window ends so long before the vehicle's now: what it measured is in its
                               store by then */
    int64_t max_parallel;   /* connections at a time */
    int64_t gap_parallel;   /* vehicles whose gaps are filled at a time */
    int64_t queue_max_mb;   /* readings between network and PostgreSQL, in memory */
    int64_t max_clock_skew_s;
    int64_t retention_months; /* 0: for ever */
    int64_t silent_after_s;
    char vehicle_default_api_key[CONFIG_TEXT_BYTES];
    char auth_key_file[CONFIG_TEXT_BYTES]; /* RSA private key of the signed sessions; "": there are none */
    char rollout_dir[CONFIG_TEXT_BYTES];   /* where packages of rollouts are kept */
    char update_public_key_file[CONFIG_TEXT_BYTES]; /* who may sign them; "": that is not asked here */
    char metrics_bind[CONFIG_TEXT_BYTES];
    int64_t metrics_port; /* 0: off */
    /* Notices to people. "": that way is off. */
    char smtp_url[CONFIG_TEXT_BYTES]; /* smtp://host:25, smtps://host:465 */
    char smtp_user[CONFIG_TEXT_BYTES], smtp_password[CONFIG_TEXT_BYTES], smtp_from[CONFIG_TEXT_BYTES];
    char telegram_url[CONFIG_TEXT_BYTES]; /* https://api.telegram.org */
    char telegram_token[CONFIG_TEXT_BYTES];
    char notice_ca_file[CONFIG_TEXT_BYTES]; /* whom notices trust over TLS, PEM; "": the system's */
    bool webhook_allow_private;             /* also http:// and addresses that are not public */
    int log_level, log_format;              /* enum log_level, enum log_format */
};

/* The same as a floor of progress has it, which is in whole seconds. */
static inline int64_t sync_pull_floor_s(const struct sync_settings *settings)
{
    return (settings->pull_timeout_ms + 999) / 1000;
}

enum settings_use {
    SETTINGS_OF_COMMAND, /* the files that keys name are looked at by the command that needs them */
    SETTINGS_OF_SERVICE, /* those files have to be there and what they must be */
    SETTINGS_CHECKED,    /* as for the service; and an unknown key is an error (--check-config) */
};

/* config_path NULL: no file, the environment and the defaults alone. Errors: ERR_USAGE with file, line and
 * what was expected; ERR_DENIED, when others may read a secret file. */
bool sync_settings_load(const char *config_path, enum settings_use use, const struct log *log,
                        struct sync_settings *out, struct error *err) MUST_USE;

/* Sets level and format of the log; quiet: errors alone are said. */
void sync_settings_log(const struct sync_settings *settings, bool quiet, struct log *log);

#endif
