#include "server_tools/sync_client/log_in.h"

#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/crypto/cert.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "server_tools/sync_client/trust.h"
#include "server_tools/sync_client/turn.h"

enum {
    CHALLENGE_BYTES = 32,
    CHALLENGE_TEXT_BYTES = TEXT_BASE64_BYTES(CHALLENGE_BYTES),
    MESSAGE_BYTES = 256, /* the v2 message has 128 */
    SIGNATURE_TEXT_BYTES = TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES),
    TOKEN_LIFETIME_S = 300, /* when the agent does not say */
    TOKEN_LIFETIME_MAX_S = 24 * 3600,
    TOKEN_MARGIN_FROM_S = 2 * SESSION_RENEW_BEFORE_S,
};

/* What is signed, and how it is called in the body of POST /auth. */
struct proof {
    const char *member; /* "challenge" or "timestamp" */
    char value[CHALLENGE_TEXT_BYTES];
    char message[MESSAGE_BYTES];
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

static bool wrong_answer(const struct session *session, const char *what, struct error *err)
{
    err->code = ERR_PROTOCOL;
    return error_wrap(err, "%s:%d answered no good %s", session->settings->host, (int)session->settings->port,
                      what);
}

/* ---- the challenge ---- */

/* Exactly 32 bytes and the connection's own agent: so that nothing else can be put before the key to sign,
 * and no agent can hand on the challenge of another one. */
static bool check_challenge(const struct session *session, const char *challenge, const char *claimed,
                            struct error *err)
{
    unsigned char decoded[CHALLENGE_BYTES];
    size_t size;
    if (!text_base64_decode(view_of(challenge), decoded, sizeof(decoded), &size) || size != sizeof(decoded))
        return error_set(err, ERR_PROTOCOL, "the challenge is not base64 of exactly %d bytes",
                         CHALLENGE_BYTES);
    char shown[SHA256_HEX_BYTES];
    if (!cert_agent_id(view_of(http_client_peer_cert_pem(session->client)), shown, err))
        return false;
    if (strcmp(shown, session->agent_id) != 0 || strcmp(claimed, shown) != 0)
        return error_set(err, ERR_DENIED,
                         "%s:%d hands on the challenge of another agent: its certificate says %s, its answer "
                         "%s; nothing was signed",
                         session->settings->host, (int)session->settings->port, shown, claimed);
    return true;
}

static bool read_challenge(const struct session *session, struct view body, char out[CHALLENGE_TEXT_BYTES],
                           struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, SESSION_ANSWER_MAX_BYTES, err);
    char challenge[CHALLENGE_TEXT_BYTES];
    char claimed[SHA256_HEX_BYTES];
    if (json == NULL || !json_need_string(json_root(json), "challenge", challenge, sizeof(challenge), err) ||
        !json_need_string(json_root(json), "agent_id", claimed, sizeof(claimed), err))
        return wrong_answer(session, "challenge", err);
    if (!check_challenge(session, challenge, claimed, err))
        return false;
    memcpy(out, challenge, sizeof(challenge));
    return true;
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
    snprintf(proof->message, sizeof(proof->message), "telehaul-auth-v2\n%s\n%s\n", session->agent_id,
             proof->value);
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
    char text[SIGNATURE_TEXT_BYTES];
    text_base64_encode(text, signature, size);
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, proof->member, proof->value);
    json_string(&writer, "signature", text);
    json_end_object(&writer);
    return buf_check(out, "the log-in", err);
}

static bool read_token(const struct session *session, struct view body, char out[SESSION_TOKEN_BYTES],
                       int64_t *lifetime_s, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, SESSION_ANSWER_MAX_BYTES, err);
    if (json == NULL || !json_need_string(json_root(json), "session_token", out, SESSION_TOKEN_BYTES, err))
        return wrong_answer(session, "log-in", err);
    if (out[0] == '\0' || out[strspn(out, "0123456789abcdefABCDEF-")] != '\0') {
        error_set(err, ERR_PROTOCOL, "member `session_token`: expected a UUID");
        return wrong_answer(session, "log-in", err);
    }
    struct json_value expires = json_member(json_root(json), "expires_in");
    if (json_present(expires) && !json_get_i64(expires, 1, TOKEN_LIFETIME_MAX_S, lifetime_s)) {
        error_set(err, ERR_PROTOCOL, "member `expires_in`: expected seconds");
        return wrong_answer(session, "log-in", err);
    }
    return true;
}

static bool take_token(struct session *session, struct view body, struct error *err)
{
    int64_t lifetime_s = TOKEN_LIFETIME_S;
    char token[SESSION_TOKEN_BYTES];
    if (!read_token(session, body, token, &lifetime_s, err))
        return false;
    memcpy(session->token, token, sizeof(token));
    /* a lifetime shorter than the margin is used up whole: renewing at once would never end */
    bool margin = lifetime_s >= TOKEN_MARGIN_FROM_S;
    int64_t use_s = margin ? lifetime_s - SESSION_RENEW_BEFORE_S : lifetime_s;
    session->renew_at_us = clock_monotonic_us(session->clock) + use_s * US_PER_S;
    return true;
}

/* 401: who is wrong, and where to look. */
static bool denied(const struct session *session, const struct http_exchange *exchange, struct error *err)
{
    char word[REFUSAL_WORD_BYTES];
    session_refusal_word(exchange, word);
    const char *advice = "is the public half of this key in the machine's AUTH_PUBLIC_KEY_FILE "
                         "(keytool fingerprint, keytool trust list)?";
    if (strcmp(word, "stale timestamp") == 0)
        advice = "the clocks of this computer and of the machine differ by more than a minute";
    else if (strcmp(word, "replayed signature") == 0 || strcmp(word, "unknown challenge") == 0)
        advice = "try again; did the agent restart just now?";
    return error_set(err, ERR_DENIED, "%s:%d refused the log-in with %s%s%s: %s", session->settings->host,
                     (int)session->settings->port, session->settings->key_file, word[0] != '\0' ? ": " : "",
                     word, advice);
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
