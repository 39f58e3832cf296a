#include "server_tools/sync_client/trust.h"

#include <stdio.h>
#include <unistd.h>

#include "common/crypto/cert.h"
#include "server_tools/sync_client/known_hosts.h"

enum { ANSWER_BYTES = 16, PROBE_MAX_BYTES = 64 * 1024, PROBE_MS = 30 * 1000 };

/* The fingerprint that the server shows on a connection of its own. Whatever it answers, the certificate is
 * what counts, and nothing but this one request for everybody is sent. */
static bool look(struct http_client *client, char shown[SHA256_HEX_BYTES], struct error *err)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(PROBE_MAX_BYTES);
    struct http_exchange probe = {
        .method = "GET", .target = "/auth/challenge", .total_ms = PROBE_MS, .answer_body = &body};
    return http_client_exchange(client, &probe, err) &&
           cert_agent_id(view_of(http_client_peer_cert_pem(client)), shown, err);
}

/* On a terminal alone; anything but a plain yes is no. */
static bool ask(const char *name, const char *shown)
{
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return false;
    fprintf(stderr,
            "The agent at %s is not known here. Its fingerprint is\n    %s\n"
            "Compare it with what the machine itself shows. Trust it from now on (yes/no)? ",
            name, shown);
    char answer[ANSWER_BYTES];
    return fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

static bool accept_new(const struct settings *settings, struct notices *notices, const char *name,
                       const char *shown, struct error *err)
{
    if (settings->accept_host == ACCEPT_YES) {
        notice(notices, "the agent at %s is new and trusted from now on: %s", name, shown);
        return true;
    }
    if (settings->accept_host == ACCEPT_ASK && ask(name, shown))
        return true;
    return error_set(err, ERR_DENIED,
                     "the agent at %s is not known and was not accepted; it shows %s: compare it with the "
                     "machine's own and give it with --fingerprint",
                     name, shown);
}

static bool accept_told(const struct settings *settings, struct notices *notices, const char *name,
                        const char *shown, struct error *err)
{
    if (strcmp(settings->fingerprint, shown) != 0)
        return error_set(err, ERR_DENIED,
                         "the agent at %s shows %s, but --fingerprint says %s: it is another one", name,
                         shown, settings->fingerprint);
    notice(notices, "the agent at %s shows the fingerprint that was told and is trusted from now on", name);
    return true;
}

static bool meet(struct http_client *client, const struct settings *settings, struct notices *notices,
                 const char *name, char shown[SHA256_HEX_BYTES], struct error *err)
{
    if (!look(client, shown, err))
        return false;
    bool accepted = settings->fingerprint[0] != '\0' ? accept_told(settings, notices, name, shown, err)
                                                     : accept_new(settings, notices, name, shown, err);
    return accepted && known_hosts_put(settings->known_hosts.text, name, shown, err);
}

bool trust_pin(struct http_client *client, const struct settings *settings, struct notices *notices,
               char agent_id[SHA256_HEX_BYTES], bool *met, struct error *err)
{
    char name[HOST_PORT_BYTES];
    char expected[SHA256_HEX_BYTES];
    if (!known_hosts_name(name, settings->host, settings->port, err) ||
        !known_hosts_find(settings->known_hosts.text, name, expected, err))
        return false;
    bool told = settings->fingerprint[0] != '\0';
    bool is_new = expected[0] == '\0' || (told && strcmp(settings->fingerprint, expected) != 0);
    if (is_new && !meet(client, settings, notices, name, expected, err))
        return false;
    if (!http_client_pin(client, expected, err))
        return false;
    memcpy(agent_id, expected, SHA256_HEX_BYTES);
    *met = is_new || told;
    return true;
}

bool trust_explain_change(const struct http_client *client, const struct settings *settings,
                          const char *agent_id, struct error *err)
{
    char shown[SHA256_HEX_BYTES];
    if (!cert_agent_id(view_of(http_client_peer_cert_pem(client)), shown, NULL))
        snprintf(shown, sizeof(shown), "another one");
    return error_set(
        err, ERR_DENIED,
        "the agent at %s:%d is not the known one: its fingerprint was %s and is now %s; nothing was "
        "sent. If the machine was set up again, give the new one with --fingerprint",
        settings->host, (int)settings->port, agent_id, shown);
}
