#include "server_tools/sync_client/session.h"

#include <stdio.h>

#include "server_tools/sync_client/log_in.h"
#include "server_tools/sync_client/trust.h"
#include "server_tools/sync_client/turn.h"

enum { HEADER_BYTES = LOG_IN_TOKEN_BYTES + 32, WHAT_MAX_BYTES = 1024 };

/* ---- refusals ---- */

/* What came in place of what was asked for; empty when nothing was to be kept. */
static struct view answer_of(const struct http_exchange *exchange)
{
    return exchange->answer_body != NULL ? buf_view(exchange->answer_body) : (struct view){NULL, 0};
}

void session_answer_text(const struct http_exchange *exchange, const char *member, char *out,
                         size_t out_bytes)
{
    agent_answer_text(answer_of(exchange), member, out, out_bytes);
}

void session_refusal_word(const struct http_exchange *exchange, char out[REFUSAL_WORD_BYTES])
{
    session_answer_text(exchange, "error", out, REFUSAL_WORD_BYTES);
}

bool session_refused(const struct session *session, const struct http_exchange *exchange,
                     enum error_code code, struct error *err)
{
    SCOPE_BUF struct buf what = BUF_LIMIT(WHAT_MAX_BYTES);
    buf_printf(&what, "%s %s", exchange->method, exchange->target);
    agent_answer_explain(exchange->status, answer_of(exchange), buf_text(&what), code, err);
    return error_wrap(err, "%s:%d", session->settings->host, (int)session->settings->port);
}

/* ---- opening ---- */

static bool load_key(struct session *session, struct error *err)
{
    const char *path = session->settings->key_file;
    session->key = rsa_private_load(path, err);
    if (session->key != NULL)
        return true;
    if (err->code == ERR_NOT_FOUND)
        return error_set(err, ERR_NOT_FOUND,
                         "no private key at %s: give it with --key or $TELEHAUL_KEY (keytool makes one)",
                         path);
    return false;
}

static bool connect_pinned(struct session *session, struct error *err)
{
    const struct settings *settings = session->settings;
    const struct http_client_config config = {.host = settings->host,
                                              .port = (uint16_t)settings->port,
                                              .tls = true,
                                              .floor_s = (int)settings->floor_s,
                                              .bind = settings->bind};
    session->client = http_client_new(&config, err);
    return session->client != NULL &&
           trust_pin(session->client, settings, session->notices, session->agent_id, &session->met, err);
}

bool session_open(struct session *session, const struct settings *settings, struct notices *notices,
                  const struct clock *clock, struct error *err)
{
    *session = (struct session){.settings = settings, .notices = notices, .clock = clock};
    return load_key(session, err) && connect_pinned(session, err) && log_in(session, err);
}

void session_close(struct session *session)
{
    http_client_free(session->client);
    rsa_private_free(session->key);
    explicit_bzero(session->token, sizeof(session->token));
    session->client = NULL;
    session->key = NULL;
}

/* ---- requests ---- */

static bool exchange_with_token(struct session *session, struct http_exchange *exchange, struct error *err)
{
    char token[HEADER_BYTES];
    const char *const *theirs = exchange->headers;
    const char *headers[SESSION_HEADERS_MAX + 2] = {token};
    for (size_t i = 0; theirs != NULL && theirs[i] != NULL && i < SESSION_HEADERS_MAX; i++)
        headers[i + 1] = theirs[i];
    snprintf(token, sizeof(token), "Authorization: Bearer %s", session->token);
    exchange->headers = headers;
    bool done = http_client_exchange(session->client, exchange, err);
    exchange->headers = theirs;
    explicit_bzero(token, sizeof(token));
    if (!done && err->code == ERR_CHANGED)
        return trust_explain_change(session->client, session->settings, session->agent_id, err);
    return done;
}

static bool exchange_renewed(struct session *session, struct http_exchange *exchange, struct error *err)
{
    if (clock_monotonic_us(session->clock) >= session->renew_at_us && !log_in(session, err))
        return false;
    if (!exchange_with_token(session, exchange, err))
        return false;
    if (exchange->status != 401)
        return true;
    buf_reset(exchange->answer_body);
    return log_in(session, err) && exchange_with_token(session, exchange, err);
}

static bool is_busy(const struct http_exchange *exchange)
{
    char word[REFUSAL_WORD_BYTES];
    if (exchange->status != 503)
        return false;
    session_refusal_word(exchange, word);
    return strcmp(word, "busy") == 0;
}

bool session_exchange(struct session *session, struct http_exchange *exchange, struct error *err)
{
    if (!exchange_renewed(session, exchange, err))
        return false;
    while (is_busy(exchange)) {
        if (!turn_wait(session, exchange->status, err))
            return false;
        buf_reset(exchange->answer_body);
        if (!exchange_renewed(session, exchange, err))
            return false;
    }
    return true;
}

/* ---- status ---- */

bool session_status(struct session *session, struct agent_status *out, struct error *err)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    struct http_exchange exchange = {
        .method = "GET", .target = "/status", .total_ms = SESSION_REQUEST_MS, .answer_body = &body};
    if (!session_exchange(session, &exchange, err))
        return false;
    if (exchange.status != 200)
        return session_refused(session, &exchange, exchange.status == 401 ? ERR_DENIED : ERR_PROTOCOL, err);
    return agent_status_read(buf_view(&body), out, err) ||
           error_wrap(err, "%s:%d answered no good /status", session->settings->host,
                      (int)session->settings->port);
}
