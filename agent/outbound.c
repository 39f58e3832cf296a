#include "agent/outbound.h"

/* The key of credentials.env; says why there is none. */
static bool read_key(struct outbound *outbound)
{
    struct appliance_secrets secrets;
    struct error err;
    if (!appliance_secrets(outbound->appliance, &secrets, &err)) {
        log_warn(outbound->log, "no Outbound API: %s", err.text);
        return false;
    }
    memcpy(outbound->key, secrets.outbound_api_key, sizeof(outbound->key));
    memset(&secrets, 0, sizeof(secrets));
    if (outbound->key[0] == '\0')
        log_info(outbound->log, "no Outbound API: credentials.env has no OUTBOUND_API_KEY");
    return outbound->key[0] != '\0';
}

static bool open_store(struct outbound *outbound)
{
    const struct appliance *appliance = outbound->appliance;
    struct path folder;
    struct error err;
    if (appliance_path(appliance, appliance->config.telemetry_dir, &folder, &err) &&
        kept_reader_init(&outbound->kept, folder.text, &err))
        return true;
    log_warn(outbound->log, "no Outbound API: %s", err.text);
    return false;
}

static void serve(struct outbound *outbound)
{
    const struct appliance_config *config = &outbound->appliance->config;
    const struct http_server_config server = {
        .bind = config->outbound_bind,
        .port = (uint16_t)config->outbound_port,
        .routes = outbound_routes,
        .route_count = outbound_route_count,
        .context = outbound,
        .before = outbound_before,
        .log = outbound->log,
        .clock = outbound->clock,
    };
    struct error err;
    outbound->tried_us = clock_monotonic_us(outbound->clock);
    outbound->server = http_server_start(&server, &err);
    if (outbound->server != NULL)
        log_info(outbound->log, "Outbound API on %s, port %u", server.bind,
                 http_server_port(outbound->server));
    else if (!outbound->refused)
        log_warn(outbound->log, "no Outbound API yet: %s; tried again every %d s", err.text,
                 OUTBOUND_BIND_RETRY_S);
    outbound->refused = outbound->server == NULL;
}

void outbound_open(struct outbound *outbound, const struct appliance *appliance, const struct log *log,
                   const struct clock *clock)
{
    *outbound = (struct outbound){.appliance = appliance, .log = log, .clock = clock};
    outbound->started_us = clock_monotonic_us(clock);
    if (!read_key(outbound) || !open_store(outbound))
        return;
    pthread_mutex_init(&outbound->denied.lock, NULL);
    outbound->open = true;
    serve(outbound);
}

void outbound_tick(struct outbound *outbound)
{
    if (!outbound->open || outbound->server != NULL)
        return;
    int64_t waited_us = clock_monotonic_us(outbound->clock) - outbound->tried_us;
    if (waited_us >= OUTBOUND_BIND_RETRY_S * US_PER_S)
        serve(outbound);
}

void outbound_close(struct outbound *outbound)
{
    http_server_stop(outbound->server);
    if (outbound->open) {
        kept_reader_clear(&outbound->kept);
        pthread_mutex_destroy(&outbound->denied.lock);
    }
    *outbound = (struct outbound){0};
}
