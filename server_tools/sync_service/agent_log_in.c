#include "server_tools/sync_service/agent_log_in.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/crypto/cert.h"
#include "common/wire/agent_words.h"
#include "server_tools/sync_service/signer.h"

enum { RETRY_AFTER_DEFAULT_S = 20, RETRY_AFTER_MAX_S = 3600 };
_Static_assert((int)LOG_IN_MESSAGE_BYTES <= (int)SIGN_MESSAGE_BYTES, "what is signed fits into a request");

struct agent_log_in {
    struct sign_request sign; /* first: how it is found when it is signed */
    const struct sync_scene *scene;
    struct agent_peer peer;
    bool first_contact;
    struct http_transfer *transfer; /* NULL: none under way */
    char challenge[LOG_IN_CHALLENGE_TEXT_BYTES];
    void (*done)(void *context, const struct agent_log_in_result *result); /* NULL: cancelled */
    void *context;
};

/* ---- whom is spoken to ---- */

void agent_peer_address(const struct agent_peer *peer, struct http_pool_request *request)
{
    request->host = peer->host;
    request->port = peer->port;
    request->tls = true;
    request->pin = peer->agent_id[0] != '\0' ? peer->agent_id : NULL;
}

void agent_peer_explain(const struct agent_peer *peer, const struct http_transfer *transfer,
                        struct error *err)
{
    char shown[SHA256_HEX_BYTES];
    if (err->code != ERR_CHANGED || peer->agent_id[0] == '\0')
        return;
    if (!cert_agent_id(view_of(http_transfer_peer_cert_pem(transfer)), shown, NULL))
        snprintf(shown, sizeof(shown), "another one");
    error_set(err, ERR_DENIED,
              "the agent at %.80s:%u is not the known one: its fingerprint was %s and is now %s; nothing was "
              "sent. If the machine was set up again: `sync_service vehicle set %s --fingerprint HEX`",
              peer->host, (unsigned)peer->port, peer->agent_id, shown, peer->name);
}

static bool from_peer(const struct agent_peer *peer, struct error *err)
{
    return error_wrap(err, "%s:%u", peer->host, (unsigned)peer->port);
}

/* ---- its end ---- */

static void finish(struct agent_log_in *log_in, const struct agent_log_in_result *result)
{
    struct agent_log_in_result told = *result;
    if (log_in->first_contact && log_in->peer.agent_id[0] != '\0')
        told.agent_id = log_in->peer.agent_id;
    if (log_in->done != NULL)
        log_in->done(log_in->context, &told);
    explicit_bzero(&log_in->sign, sizeof(log_in->sign));
    free(log_in);
}

static void fail(struct agent_log_in *log_in, const struct error *err)
{
    const struct agent_log_in_result result = {.err = err};
    finish(log_in, &result);
}

static bool start_request(struct agent_log_in *log_in, struct http_pool_request *request, struct error *err)
{
    agent_peer_address(&log_in->peer, request);
    request->total_ms = log_in->scene->settings->pull_timeout_ms;
    request->max_body_bytes = LOG_IN_ANSWER_MAX_BYTES;
    request->context = log_in;
    log_in->transfer = http_pool_start(log_in->scene->pool, request, err);
    return log_in->transfer != NULL;
}

/* ---- 3: the token ---- */

static void refuse(struct agent_log_in *log_in, const struct http_pool_answer *answer, struct error *err)
{
    char word[AGENT_WORD_BYTES];
    agent_answer_text(answer->body, "error", word, sizeof(word));
    error_set(err, ERR_DENIED, "refused the log-in with the service's AUTH_KEY_FILE%s%s: %s",
              word[0] != '\0' ? ": " : "", word, log_in_advice(word));
    from_peer(&log_in->peer, err);
    fail(log_in, err);
}

/* The form with a date is not worth a clock. */
static void come_later(struct agent_log_in *log_in, const struct http_transfer *transfer, struct error *err)
{
    const char *header = http_transfer_header(transfer, "Retry-After");
    int64_t seconds = RETRY_AFTER_DEFAULT_S;
    if (header != NULL && !text_parse_i64(view_of(header), 0, RETRY_AFTER_MAX_S, &seconds))
        seconds = RETRY_AFTER_DEFAULT_S;
    error_set(err, ERR_BUSY, "takes no more log-ins for %d s (429)", (int)seconds);
    from_peer(&log_in->peer, err);
    const struct agent_log_in_result result = {.err = err, .retry_after_s = seconds > 0 ? seconds : 1};
    finish(log_in, &result);
}

static void take_token(struct agent_log_in *log_in, struct view body, struct error *err)
{
    struct log_in_token token;
    if (!log_in_read_token(body, &token, err)) {
        from_peer(&log_in->peer, err);
        fail(log_in, err);
        return;
    }
    const struct agent_log_in_result result = {.token = &token};
    finish(log_in, &result);
    explicit_bzero(&token, sizeof(token));
}

static void auth_answered(void *context, struct http_transfer *transfer,
                          const struct http_pool_answer *answer)
{
    struct agent_log_in *log_in = context;
    struct error err;
    log_in->transfer = NULL;
    if (answer->err != NULL) {
        err = *answer->err;
        agent_peer_explain(&log_in->peer, transfer, &err);
        fail(log_in, &err);
    } else if (answer->status == 200) {
        take_token(log_in, answer->body, &err);
    } else if (answer->status == 401) {
        refuse(log_in, answer, &err);
    } else if (answer->status == 429) {
        come_later(log_in, transfer, &err);
    } else {
        agent_answer_explain(answer->status, answer->body, "POST /auth", ERR_PROTOCOL, &err);
        from_peer(&log_in->peer, &err);
        fail(log_in, &err);
    }
}

/* ---- 2: the signature ---- */

static bool post_auth(struct agent_log_in *log_in, struct error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    SCOPE_BUF struct buf body = BUF_LIMIT(LOG_IN_ANSWER_MAX_BYTES);
    if (!log_in_write_body("challenge", log_in->challenge, log_in->sign.signature,
                           log_in->sign.signature_bytes, &body, err))
        return false;
    struct http_pool_request request = {.method = "POST",
                                        .target = "/auth",
                                        .headers = headers,
                                        .body = buf_view(&body),
                                        .done = auth_answered};
    return start_request(log_in, &request, err);
}

static void is_signed(struct sign_request *request)
{
    struct agent_log_in *log_in = (struct agent_log_in *)request;
    struct error err = request->error;
    if (log_in->done == NULL) {
        fail(log_in, &err);
        return;
    }
    if (err.code != ERR_NONE || !post_auth(log_in, &err))
        fail(log_in, &err);
}

/* ---- 1: the challenge ---- */

/* The certificate of the connection that it came on; at a first contact it is taken as it is. */
static bool learn_agent(struct agent_log_in *log_in, const struct http_transfer *transfer, struct error *err)
{
    return !log_in->first_contact ||
           cert_agent_id(view_of(http_transfer_peer_cert_pem(transfer)), log_in->peer.agent_id, err);
}

static bool take_challenge(struct agent_log_in *log_in, const struct http_transfer *transfer,
                           const struct http_pool_answer *answer, struct error *err)
{
    if (answer->err != NULL) {
        *err = *answer->err;
        agent_peer_explain(&log_in->peer, transfer, err);
        return false;
    }
    if (answer->status != 200) {
        agent_answer_explain(answer->status, answer->body, "GET /auth/challenge", ERR_PROTOCOL, err);
        return from_peer(&log_in->peer, err);
    }
    if (learn_agent(log_in, transfer, err) &&
        log_in_read_challenge(answer->body, log_in->peer.agent_id, log_in->challenge, err))
        return true;
    if (log_in->first_contact)
        log_in->peer.agent_id[0] = '\0'; /* nobody was met */
    return from_peer(&log_in->peer, err);
}

static void challenge_answered(void *context, struct http_transfer *transfer,
                               const struct http_pool_answer *answer)
{
    struct agent_log_in *log_in = context;
    struct error err = {.code = ERR_CANCELLED};
    log_in->transfer = NULL;
    if (log_in->done == NULL || !take_challenge(log_in, transfer, answer, &err)) {
        fail(log_in, &err);
        return;
    }
    log_in_message(log_in->peer.agent_id, log_in->challenge, log_in->sign.message);
    log_in->sign.done = is_signed;
    signer_sign(log_in->scene->signer, &log_in->sign);
}

/* ---- from outside ---- */

struct agent_log_in *agent_log_in_start(const struct sync_scene *scene, const struct agent_peer *peer,
                                        void (*done)(void *context, const struct agent_log_in_result *result),
                                        void *context, struct error *err)
{
    struct agent_log_in *log_in = calloc(1, sizeof(*log_in));
    if (log_in == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a log-in");
        return NULL;
    }
    log_in->scene = scene;
    log_in->peer = *peer;
    log_in->first_contact = peer->agent_id[0] == '\0';
    log_in->done = done;
    log_in->context = context;
    struct http_pool_request request = {
        .method = "GET", .target = "/auth/challenge", .done = challenge_answered};
    if (start_request(log_in, &request, err))
        return log_in;
    free(log_in);
    return NULL;
}

void agent_log_in_cancel(struct agent_log_in *log_in)
{
    if (log_in == NULL)
        return;
    log_in->done = NULL;
    if (log_in->transfer != NULL)
        http_transfer_cancel(log_in->transfer);
}
