/* The operator's page on :8000. This file only wires: open, start, loop, stop, close. */
#include <stdio.h>

#include "common/crypto/cert.h"
#include "portal/alarms.h"
#include "portal/api.h"
#include "portal/auth.h"
#include "portal/certificate.h"
#include "portal/history.h"
#include "portal/live.h"
#include "portal/pages.h"
#include "portal/portal.h"
#include "portal/update.h"
#include "portal/update_details.h"
#include "portal/update_progress.h"

enum { STATUS_TEXT_BYTES = 700 };

static const struct http_route routes[] = {
    {.method = HTTP_POST, .path = "/api/login", .max_body_bytes = AUTH_BODY_MAX_BYTES, .handle = auth_login},
    {.method = HTTP_POST,
     .path = "/api/logout",
     .max_body_bytes = AUTH_BODY_MAX_BYTES,
     .handle = auth_logout},
    {.method = HTTP_GET, .path = "/api/session", .handle = auth_session},
    {.method = HTTP_GET, .path = "/api/health", .handle = api_health},
    {.method = HTTP_GET, .path = "/api/status", .handle = api_status},
    {.method = HTTP_GET, .path = "/api/channels", .handle = api_channels},
    {.method = HTTP_GET, .path = "/api/data/latest", .handle = api_latest},
    {.method = HTTP_GET, .path = "/api/history", .handle = history_get},
    {.method = HTTP_GET, .path = "/api/alarms", .handle = alarms_get},
    {.method = HTTP_GET, .path = "/api/events", .handle = api_events},
    {.method = HTTP_GET, .path = "/api/update/status", .handle = update_status_get},
    {.method = HTTP_GET, .path = "/api/update/details", .handle = update_details_get},
    {.method = HTTP_GET, .path = "/api/update/history", .handle = update_history_get},
    {.method = HTTP_GET, .path = "/api/update/progress", .handle = update_progress_get},
    {.method = HTTP_POST,
     .path = "/api/update/apply",
     .max_body_bytes = UPDATE_BODY_MAX_BYTES,
     .handle = update_apply},
    {.method = HTTP_POST,
     .path = "/api/update/later",
     .max_body_bytes = UPDATE_BODY_MAX_BYTES,
     .handle = update_later},
    {.method = HTTP_POST,
     .path = "/api/update/reject",
     .max_body_bytes = UPDATE_BODY_MAX_BYTES,
     .handle = update_reject},
    {.method = HTTP_GET, .path = "/*", .handle = pages_get},
};

/* Nothing from elsewhere is loaded, nothing inline runs, no other site frames or reads these pages. */
#define POLICY                                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "          \
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
static const char *const headers[] = {
    ("Content-Security-Policy: " POLICY),
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    NULL,
};

static bool load_secrets(struct portal *portal, struct error *err)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    struct path key_path;
    if (!appliance_secrets(appliance, &portal->secrets, err) ||
        !appliance_path(appliance, "data/portal_session.key", &key_path, err) ||
        !session_key_load(&portal->session_key, key_path.text, portal->secrets.config_pin, err))
        return false;
    if (portal->secrets.config_pin[0] == '\0')
        log_warn(&portal->daemon.log, "CONFIG_PIN in credentials.env is empty: nobody can log in");
    portal->tls = appliance_portal_tls(&appliance->config);
    return !portal->tls ||
           certificate_load(appliance, portal->daemon.clock, &portal->cert_pem, &portal->key_pem, err);
}

static bool start_server(struct portal *portal, struct error *err)
{
    const struct appliance_config *config = &portal->daemon.appliance.config;
    struct http_server_config server = {
        .bind = config->portal_bind,
        .port = (uint16_t)config->portal_port,
        .cert_pem = portal->tls ? portal->cert_pem.data : NULL,
        .key_pem = portal->tls ? portal->key_pem.data : NULL,
        .routes = routes,
        .route_count = COUNT_OF(routes),
        .context = portal,
        .headers = headers,
        .before = auth_gate,
        .log = &portal->daemon.log,
        .clock = portal->daemon.clock,
    };
    portal->server = http_server_start(&server, err);
    return portal->server != NULL;
}

/* The folder of updates is watched: it has to be there. */
static bool make_queue(const struct portal *portal, struct error *err)
{
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    return pending_read(portal->daemon.appliance.root, &pending, err);
}

static bool start_streams(struct portal *portal, struct error *err)
{
    struct live *live = live_start(portal, err);
    atomic_store(&portal->live, live);
    if (live == NULL)
        return false;
    struct update_progress *progress = update_progress_start(portal, err);
    atomic_store(&portal->progress, progress);
    return progress != NULL;
}

static bool start(struct portal *portal, struct error *err)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    portal->started_us = clock_monotonic_us(portal->daemon.clock);
    if (!load_secrets(portal, err) ||
        !appliance_path(appliance, appliance->config.telemetry_dir, &portal->data_folder, err))
        return false;
    portal->pins = pin_guard_new(portal->secrets.config_pin, portal->daemon.clock, err);
    if (portal->pins == NULL)
        return false;
    portal->readings = readings_new(portal->data_folder.text, err);
    if (portal->readings == NULL)
        return false;
    portal->history = readings_new(portal->data_folder.text, err);
    if (portal->history == NULL)
        return false;
    portal->pages = pages_new(err);
    if (portal->pages == NULL)
        return false;
    portal->details = update_details_new(err);
    return portal->details != NULL && make_queue(portal, err) && start_server(portal, err) &&
           start_streams(portal, err);
}

static void stop(struct portal *portal)
{
    struct live *live = atomic_exchange(&portal->live, NULL);
    struct update_progress *progress = atomic_exchange(&portal->progress, NULL);
    live_stop(live);
    update_progress_stop(progress);
    http_server_stop(portal->server);
    live_free(live);
    update_progress_free(progress);
    update_details_free(portal->details);
    pages_free(portal->pages);
    readings_free(portal->history);
    readings_free(portal->readings);
    pin_guard_free(portal->pins);
    buf_clear(&portal->cert_pem);
    buf_clear(&portal->key_pem);
}

static bool serve(struct portal *portal, struct error *err)
{
    char status[STATUS_TEXT_BYTES];
    const struct appliance_config *config = &portal->daemon.appliance.config;
    snprintf(status, sizeof(status), "serving on %s://%s:%u", portal->tls ? "https" : "http",
             config->portal_bind, http_server_port(portal->server));
    log_info(&portal->daemon.log, "%s", status);
    return daemon_run(&portal->daemon, status, err);
}

/* What a start would fail for, as far as it can be told without starting. */
static bool check(struct daemon *daemon, struct error *err)
{
    struct appliance_secrets secrets;
    return appliance_secrets(&daemon->appliance, &secrets, err);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "portal",
        .summary = "the operator's page: live values and the health of the services",
        .usage = "portal --root DIR [--check-config]",
        .check = check,
    };
    struct portal portal = {
        .cert_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES),
        .key_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES),
    };
    struct error err = {0};
    int code = daemon_open(&portal.daemon, &spec, argc, argv);
    if (code >= 0)
        return code;
    code = start(&portal, &err) && serve(&portal, &err) ? 0 : daemon_fail(&portal.daemon, &err);
    stop(&portal);
    daemon_close(&portal.daemon);
    return code;
}
