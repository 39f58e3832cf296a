#include "agent/agent.h"

#include "agent/routes.h"
#include "agent/session_log.h"
#include "agent/update_receiver.h"
#include "keys/trusted.h"

/* Says at the start what is wrong with the keys, and how many there are. */
static bool find_keys(struct agent *agent, struct error *err)
{
    struct keyring keys;
    if (!trusted_for_sessions(agent->appliance, &keys, err))
        return false;
    log_info(agent->log, "%s: keys that may open a session: %zu",
             trusted_origin_of_sessions(agent->appliance), keys.count);
    keyring_clear(&keys);
    return true;
}

/* What is remembered of sessions, in agent/. */
static bool open_memory(struct agent *agent, struct error *err)
{
    struct path folder, last_sync, contacts;
    if (!appliance_path(agent->appliance, "agent", &folder, err) ||
        !folder_make_all(folder.text, 0750, err) ||
        !path_join(&last_sync, folder.text, "last_sync.txt", err) ||
        !path_join(&contacts, folder.text, "contacts.json", err))
        return false;
    last_sync_init(&agent->last_sync, &last_sync);
    contacts_init(&agent->contacts, &contacts);
    return true;
}

static void end_session(void *context, const struct session_summary *session)
{
    struct agent *agent = context;
    session_log_write(agent->log, session);
    contacts_note(&agent->contacts, session);
}

static bool open_table(struct agent *agent, struct error *err)
{
    agent->of_table = export_is_of_table(agent->appliance);
    if (!agent->of_table)
        return true;
    if (!export_table_open(agent->appliance, &agent->table, err))
        return false;
    log_info(agent->log, "exports are of the table %s.%s", agent->table.table.schema,
             agent->table.table.table);
    return true;
}

/* A queue that cannot be used refuses updates; telemetry goes home all the same. */
static void sweep_queue(const struct agent *agent)
{
    struct error err;
    if (!update_receiver_sweep(agent->appliance->root, agent->log, &err))
        log_warn(agent->log, "no update can be taken: %s", err.text);
}

static bool open_parts(struct agent *agent, struct error *err)
{
    if (!appliance_path(agent->appliance, agent->appliance->config.telemetry_dir, &agent->telemetry_folder,
                        err) ||
        !find_keys(agent, err) || !open_memory(agent, err) || !open_table(agent, err) ||
        !identity_open(agent->appliance, agent->clock, &agent->identity, err) ||
        !rate_init(&agent->rate, agent->clock, err))
        return false;
    sweep_queue(agent);
    authenticator_init(&agent->authenticator, agent->identity.agent_id,
                       agent->appliance->config.auth_timestamp, agent->clock);
    agent->sessions = sessions_new(agent->clock, end_session, agent, err);
    return agent->sessions != NULL;
}

bool agent_open(struct agent *agent, const struct appliance *appliance, const struct log *log,
                const struct clock *clock, struct error *err)
{
    *agent = (struct agent){.appliance = appliance, .log = log, .clock = clock};
    agent->started_us = clock_monotonic_us(clock);
    if (!open_parts(agent, err)) {
        agent_close(agent);
        return false;
    }
    if (agent->identity.made)
        log_info(log, "made a new certificate");
    log_info(log, "agent_id %s", agent->identity.agent_id);
    return true;
}

bool agent_serve(struct agent *agent, struct error *err)
{
    const struct appliance_config *config = &agent->appliance->config;
    const struct http_server_config server = {
        .bind = config->agent_bind,
        .port = (uint16_t)config->agent_port,
        .cert_pem = agent->identity.cert_pem.data,
        .key_pem = agent->identity.key_pem.data,
        .routes = agent_routes,
        .route_count = agent_route_count,
        .context = agent,
        .before = agent_before,
        .log = agent->log,
        .clock = agent->clock,
    };
    agent->server = http_server_start(&server, err);
    if (agent->server == NULL)
        return false;
    outbound_open(&agent->outbound, agent->appliance, agent->log, agent->clock);
    return true;
}

static void flush_memory(struct agent *agent)
{
    struct error err;
    if (!last_sync_flush(&agent->last_sync, &err))
        log_warn(agent->log, "%s", err.text);
    if (!contacts_flush(&agent->contacts, &err))
        log_warn(agent->log, "%s", err.text);
}

void agent_tick(struct agent *agent)
{
    sessions_sweep(agent->sessions);
    flush_memory(agent);
    outbound_tick(&agent->outbound);
}

void agent_close(struct agent *agent)
{
    atomic_store(&agent->stopping, true);
    outbound_close(&agent->outbound);
    http_server_stop(agent->server);
    if (agent->sessions != NULL) {
        sessions_free(agent->sessions); /* says what is left */
        flush_memory(agent);
        authenticator_clear(&agent->authenticator);
    }
    if (agent->rate.addresses != NULL)
        rate_clear(&agent->rate);
    if (agent->last_sync.path.text[0] != '\0') {
        last_sync_clear(&agent->last_sync);
        contacts_clear(&agent->contacts);
    }
    identity_clear(&agent->identity);
    *agent = (struct agent){0};
}
