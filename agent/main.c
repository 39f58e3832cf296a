/* agent: answers the server in signed sessions on :9876. */
#include "agent/agent.h"
#include "common/app/daemon.h"
#include "keys/trusted.h"

enum { TICK_MS = 1000 };

static bool check(struct daemon *daemon, struct error *err)
{
    struct keyring sessions, updates;
    if (!trusted_for_sessions(&daemon->appliance, &sessions, err))
        return false;
    keyring_clear(&sessions);
    if (!trusted_for_updates(&daemon->appliance, &updates, err))
        return false;
    keyring_clear(&updates);
    return true;
}

static void tick(void *context, uint64_t times)
{
    (void)times;
    agent_tick(context);
}

static bool run(struct daemon *daemon, struct agent *agent, struct error *err)
{
    char status[64];
    if (!agent_serve(agent, err) || loop_timer(daemon->loop, TICK_MS, TICK_MS, tick, agent, err) == NULL)
        return false;
    snprintf(status, sizeof(status), "serving on port %u", http_server_port(agent->server));
    log_info(&daemon->log, "%s", status);
    return daemon_run(daemon, status, err);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "agent",
        .summary = "Answers the server: signed sessions over HTTPS, exports of the telemetry.",
        .usage = "agent --root DIR [--check-config]",
        .check = check,
    };
    struct daemon daemon;
    int code = daemon_open(&daemon, &spec, argc, argv);
    if (code >= 0)
        return code;

    struct agent agent;
    struct error err = {0};
    bool ran =
        agent_open(&agent, &daemon.appliance, &daemon.log, daemon.clock, &err) && run(&daemon, &agent, &err);
    code = ran ? 0 : daemon_fail(&daemon, &err);
    agent_close(&agent);
    daemon_close(&daemon);
    return code;
}
