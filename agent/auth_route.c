#include "agent/auth_route.h"

#include <stdio.h>

#include "agent/routes.h"
#include "common/net/json_writer.h"
#include "keys/trusted.h"

enum { AUTH_ANSWER_BYTES = 512, SECONDS_TEXT_BYTES = 16 };

static void answer_written(struct http_request *request, const struct buf *body)
{
    if (buf_check(body, "the answer", NULL))
        http_answer_json(request, 200, buf_view(body));
    else
        http_answer_error(request, 500, "internal", "no memory is left: try again later");
}

void answer_challenge(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    char challenge[CHALLENGE_TEXT_BYTES];
    challenge_issue(&agent->authenticator.challenger, challenge);

    SCOPE_BUF struct buf body = BUF_LIMIT(AUTH_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "challenge", challenge);
    json_string(&writer, "agent_id", agent->identity.agent_id);
    json_i64(&writer, "expires_in", CHALLENGE_LIFETIME_S);
    json_end_object(&writer);
    answer_written(request, &body);
}

void limit_auth(struct http_request *request)
{
    int wait_s = rate_attempt(&agent_of(request)->rate, http_peer_key(request));
    if (wait_s == 0)
        return;
    char seconds[SECONDS_TEXT_BYTES];
    snprintf(seconds, sizeof(seconds), "%d", wait_s);
    http_add_header(request, "Retry-After", seconds);
    http_answer_error(request, 429, "too_many_attempts", "at most 3 log-ins a minute from one address");
}

static void fail(struct http_request *request, const struct error *err)
{
    log_error(agent_of(request)->log, "log-in from %s: %s", http_peer(request), err->text);
    http_answer_error(request, 500, "internal", "the agent's log says why");
}

static void give_token(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    char token[SESSION_TOKEN_BYTES];
    struct error err;
    if (!sessions_begin(agent->sessions, http_peer(request), token, &err)) {
        fail(request, &err);
        return;
    }
    SCOPE_BUF struct buf body = BUF_LIMIT(AUTH_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "session_token", token);
    json_i64(&writer, "expires_in", SESSION_LIFETIME_S);
    json_end_object(&writer);
    answer_written(request, &body);
}

void answer_auth(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct keyring keys;
    struct error err = {0};
    /* read for each log-in: a key removed is trusted no more */
    if (!trusted_for_sessions(agent->appliance, &keys, &err)) {
        fail(request, &err);
        return;
    }
    enum auth_answer answer = authenticator_check(&agent->authenticator, &keys, http_body(request), &err);
    keyring_clear(&keys);
    if (answer == AUTH_ACCEPTED) {
        give_token(request);
        return;
    }
    const char *word = auth_answer_text(answer);
    log_warn(agent->log, "log-in from %s refused: %s", http_peer(request), word);
    if (answer == AUTH_BAD_REQUEST)
        http_answer_error(request, 400, word, err.text);
    else
        http_answer_error(request, 401, word, auth_answer_advice(answer));
}
