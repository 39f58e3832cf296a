#include "server_tools/sync_client/log_in.h"

#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/crypto/cert.h"
#include "server_tools/sync_client/trust.h"
#include "server_tools/sync_client/turn.h"

/* What is signed, and how it is called in the body of POST /auth. */
struct proof {
    const char *member; /* "challenge" or "timestamp" */
    char value[LOG_IN_CHALLENGE_TEXT_BYTES];
    char message[LOG_IN_MESSAGE_BYTES];
};

/* An exchange before there is a token: on the pinned key alone. */
static bool exchange_pinned(struct session *session, struct http_exchange *exchange, struct error *err)
{
    if (http_client_exchange(session->client, exchange, err))
        return true;
    if (err->code == ERR_CHANGED)
        return trust_explain_change(session->client, session->settings, session->agent_id, err);
    return false;
}

static bool from_agent(const struct session *session, struct error *err)
{
    return error_wrap(err, "%s:%d", session->settings->host, (int)session->settings->port);
}

/* ---- the challenge ---- */

static bool read_challenge(const struct session *session, struct view body,
                           char out[LOG_IN_CHALLENGE_TEXT_BYTES], struct error *err)
{
    char shown[SHA256_HEX_BYTES];
    if (!cert_agent_id(view_of(http_client_peer_cert_pem(session->client)), shown, err))
        return false;
    if (strcmp(shown, session->agent_id) != 0)
        return error_set(err, ERR_DENIED, "%s:%d shows %s on this connection, not %s: nothing was signed",
                         session->settings->host, (int)session->settings->port, shown, session->agent_id);
    return log_in_read_challenge(body, shown, out, err) || from_agent(session, err);
}

static bool fetch_challenge(struct session *session, struct proof *proof, struct error *err)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    struct http_exchange exchange = {
        .method = "GET", .target = "/auth/challenge", .total_ms = SESSION_REQUEST_MS, .answer_body = &body};
    if (!exchange_pinned(session, &exchange, err))
        return false;
    if (exchange.status == 404)
        return error_set(err, ERR_PROTOCOL,
                         "%s:%d knows no challenges (404): an agent that only takes a signed time of day is "
                         "reached with --plain-auth",
                         session->settings->host, (int)session->settings->port);
    if (exchange.status != 200)
        return session_refused(session, &exchange, ERR_PROTOCOL, err);
    proof->member = "challenge";
    if (!read_challenge(session, buf_view(&body), proof->value, err))
        return false;
    log_in_message(session->agent_id, proof->value, proof->message);
    return true;
}

static void take_time(const struct session *session, struct proof *proof)
{
    proof->member = "timestamp";
    rfc3339_format_s(proof->value, clock_utc_us(session->clock));
    snprintf(proof->message, sizeof(proof->message), "%s", proof->value);
}

/* ---- the signature and the token ---- */

static bool write_body(const struct session *session, const struct proof *proof, struct buf *out,
                       struct error *err)
{
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    if (!rsa_pss_sign(session->key, view_of(proof->message), signature, &size, err))
        return false;
    return log_in_write_body(proof->member, proof->value, signature, size, out, err);
}

static bool take_token(struct session *session, struct view body, struct error *err)
{
    struct log_in_token token;
    if (!log_in_read_token(body, &token, err))
        return from_agent(session, err);
    memcpy(session->token, token.text, sizeof(session->token));
    session->renew_at_us = clock_monotonic_us(session->clock) + token.use_s * US_PER_S;
    return true;
}

/* 401: who is wrong, and where to look. */
static bool denied(const struct session *session, const struct http_exchange *exchange, struct error *err)
{
    char word[REFUSAL_WORD_BYTES];
    session_refusal_word(exchange, word);
    return error_set(err, ERR_DENIED, "%s:%d refused the log-in with %s%s%s: %s", session->settings->host,
                     (int)session->settings->port, session->settings->key_file, word[0] != '\0' ? ": " : "",
                     word, log_in_advice(word));
}

/* The plain form has one signature a second, and the agent takes each second once: another session has just
 * used this one. */
static bool wait_for_next_second(struct session *session, const struct http_exchange *exchange)
{
    char word[REFUSAL_WORD_BYTES];
    session_refusal_word(exchange, word);
    return session->settings->plain_auth && strcmp(word, "replayed signature") == 0 &&
           turn_wait_second(session);
}

/* One attempt; *again: it was to wait for its turn, and that is done. */
static bool attempt(struct session *session, bool *again, struct error *err)
{
    struct proof proof;
    if (session->settings->plain_auth)
        take_time(session, &proof);
    else if (!fetch_challenge(session, &proof, err))
        return false;

    SCOPE_BUF struct buf request = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    SCOPE_BUF struct buf answer = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    if (!write_body(session, &proof, &request, err))
        return false;
    const char *const headers[] = {"Content-Type: application/json", NULL};
    struct http_exchange exchange = {.method = "POST",
                                     .target = "/auth",
                                     .headers = headers,
                                     .body = buf_view(&request),
                                     .total_ms = SESSION_REQUEST_MS,
                                     .answer_body = &answer};
    if (!exchange_pinned(session, &exchange, err))
        return false;
    *again = exchange.status == 429;
    switch (exchange.status) {
    case 200:
        return take_token(session, buf_view(&answer), err);
    case 401:
        *again = wait_for_next_second(session, &exchange);
        return *again || denied(session, &exchange, err);
    case 429:
        return turn_wait(session, exchange.status, err);
    default:
        return session_refused(session, &exchange, ERR_PROTOCOL, err);
    }
}

bool log_in(struct session *session, struct error *err)
{
    bool again = true;
    while (again) {
        if (!attempt(session, &again, err))
            return false;
    }
    return true;
}
