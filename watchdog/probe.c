#include "watchdog/probe.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/app/appliance.h"
#include "common/net/http_client.h"
#include "common/net/json.h"

enum { ANSWER_MAX_BYTES = 64 * 1024, ANSWER_MS = 4000, CONNECT_MS = 2000, STATUS_OK = 200 };

struct question {
    const char *who, *bind, *target;
    int64_t port;
    bool tls;
};

/* Where something that listens at `bind` is reached from here. */
static const char *reach(const char *bind)
{
    struct in6_addr v6;
    if (strcmp(bind, "0.0.0.0") == 0)
        return "127.0.0.1";
    return inet_pton(AF_INET6, bind, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6) ? "::1" : bind;
}

/* The peer's certificate is not looked at: it is asked whether it lives, and told nothing. */
static bool ask(const struct question *question, struct buf *answer, struct error *err)
{
    struct http_client_config config = {
        .host = reach(question->bind),
        .port = (uint16_t)question->port,
        .tls = question->tls,
        .connect_ms = CONNECT_MS,
    };
    SCOPE_HTTP_CLIENT struct http_client *client = http_client_new(&config, err);
    struct http_exchange exchange = {
        .method = "GET", .target = question->target, .total_ms = ANSWER_MS, .answer_body = answer};
    if (client == NULL || !http_client_exchange(client, &exchange, err))
        return error_wrap(err, "%s does not answer", question->who);
    return exchange.status == STATUS_OK ||
           error_set(err, ERR_PROTOCOL, "%s answers %u", question->who, exchange.status);
}

static bool is_version(const struct buf *answer, const char *version, struct error *err)
{
    char said[VERSION_BYTES] = "";
    SCOPE_JSON struct json *json = json_parse(buf_view(answer), ANSWER_MAX_BYTES, err);
    if (json == NULL)
        return error_wrap(err, "portal");
    if (json_get_string(json_member(json_root(json), "version"), said, sizeof(said)) &&
        (version == NULL || strcmp(said, version) == 0))
        return true;
    return error_set(err, ERR_CHANGED, "portal says that it is version %s", said);
}

static bool probe(const struct appliance_config *config, const char *version, struct error *err)
{
    const struct question agent = {"agent", config->agent_bind, "/auth/challenge", config->agent_port, true};
    const struct question portal = {"portal", config->portal_bind, "/api/health", config->portal_port,
                                    appliance_portal_tls(config)};
    SCOPE_BUF struct buf answer = BUF_LIMIT(ANSWER_MAX_BYTES);
    if (!ask(&agent, &answer, err))
        return false;
    buf_reset(&answer);
    return ask(&portal, &answer, err) && is_version(&answer, version, err);
}

int probe_command(const char *root, const char *version)
{
    struct log log;
    struct error err = {.code = ERR_NONE};
    struct appliance appliance;
    log_init(&log, "probe", clock_system());
    log.level = LOG_ERROR; /* config.txt's warnings were said by the watchdog */
    if (!appliance_open(&appliance, root, false, &log, &err)) {
        log_error(&log, "%s", err.text);
        return error_exit_code(&err);
    }
    bool ok = http_client_global_init(&err) && probe(&appliance.config, version, &err);
    appliance_close(&appliance);
    if (ok)
        return 0;
    log_error(&log, "%s", err.text);
    return 1;
}
