#include "server_tools/sync_service/agent_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_tools/sync_service/agent_log_in.h"

enum { HEADER_BYTES = LOG_IN_TOKEN_BYTES + 32, METHOD_BYTES = 16 };

struct agent_session {
    const struct sync_scene *scene;
    struct agent_peer peer;
    bool new_agent;
    struct log_in_token token;  /* text "": none */
    int64_t renew_at_us;        /* monotonic */
    int64_t not_before_us;      /* monotonic: the agent takes no log-in before (429) */
    struct agent_log_in *entry; /* under way; NULL: none */
    struct loop_watch *timer;   /* runs until not_before_us; NULL: nobody waits */
    struct agent_call *calls;   /* all that are not over */
};

/* A call waits for a token, or its transfer is under way, or its end is in the mailbox. */
struct agent_call {
    struct letter letter; /* first: brings its end to the loop */
    struct agent_call *next;
    struct agent_session *session; /* NULL: it was freed, nobody is told anything */
    struct http_transfer *transfer;
    bool ended;   /* in the mailbox, with `error` */
    bool renewed; /* answered 401 once */
    int64_t began_us;
    struct error error;
    struct http_pool_request request; /* its texts are those below, its callbacks the caller's */
    char method[METHOD_BYTES];
    char *target, *body;
    char *headers[AGENT_SESSION_HEADERS_MAX + 1];
    char sent_token[LOG_IN_TOKEN_BYTES];
};

static void go_on(struct agent_session *session);

/* ---- a call's life ---- */

static void free_call(struct agent_call *call)
{
    for (size_t i = 0; i < AGENT_SESSION_HEADERS_MAX; i++)
        free(call->headers[i]);
    explicit_bzero(call->sent_token, sizeof(call->sent_token));
    free(call->target);
    free(call->body);
    free(call);
}

static void unlink_call(const struct agent_call *call)
{
    struct agent_session *session = call->session;
    if (session->calls == call)
        session->calls = call->next;
    for (struct agent_call *other = session->calls; other != NULL; other = other->next) {
        if (other->next == call)
            other->next = call->next;
    }
}

/* Whoever is told may free the session. */
static void tell(struct agent_call *call, struct http_transfer *transfer,
                 const struct http_pool_answer *answer)
{
    if (call->session != NULL) {
        unlink_call(call);
        call->request.done(call->request.context, transfer, answer);
    }
    free_call(call);
}

static void read_end(struct letter *letter)
{
    struct agent_call *call = (struct agent_call *)letter;
    const struct http_pool_answer answer = {.err = &call->error};
    tell(call, NULL, &answer);
}

/* From the loop, soon: whoever asked is not called from within. */
static void end_call(struct agent_call *call, const struct error *err)
{
    call->ended = true;
    call->error = *err;
    call->letter = (struct letter){.read = read_end};
    mailbox_post(call->session->scene->mailbox, &call->letter);
}

static bool waits(const struct agent_call *call)
{
    return !call->ended && call->transfer == NULL;
}

static void end_waiting(struct agent_session *session, const struct error *err)
{
    for (struct agent_call *call = session->calls; call != NULL; call = call->next) {
        if (waits(call))
            end_call(call, err);
    }
}

/* ---- with the token ---- */

static bool take_headers(void *context, struct http_transfer *transfer)
{
    const struct agent_call *call = context;
    return call->session != NULL && (call->request.headers_done == NULL ||
                                     call->request.headers_done(call->request.context, transfer));
}

static enum http_take take_piece(void *context, struct view piece)
{
    const struct agent_call *call = context;
    return call->session == NULL ? HTTP_STOP : call->request.piece(call->request.context, piece);
}

/* The token may have been renewed for another call meanwhile. */
static void renew(struct agent_call *call)
{
    struct agent_session *session = call->session;
    call->renewed = true;
    call->transfer = NULL;
    if (strcmp(call->sent_token, session->token.text) == 0)
        session->token.text[0] = '\0';
    go_on(session);
}

static void take_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct agent_call *call = context;
    struct http_pool_answer ours = *answer;
    struct error err;
    if (call->session == NULL) {
        free_call(call);
        return;
    }
    if (answer->err == NULL && answer->status == 401 && !call->renewed) {
        renew(call);
        return;
    }
    if (answer->err != NULL) {
        err = *answer->err;
        agent_peer_explain(&call->session->peer, transfer, &err);
        ours.err = &err;
    } else if (answer->status == 401) {
        error_set(&err, ERR_DENIED, "%s:%u answered 401 to a token that it has just given",
                  call->session->peer.host, (unsigned)call->session->peer.port);
        ours.err = &err;
    }
    tell(call, transfer, &ours);
}

static bool send_call(struct agent_call *call, struct error *err)
{
    const struct agent_session *session = call->session;
    char authorization[HEADER_BYTES];
    const char *headers[AGENT_SESSION_HEADERS_MAX + 2] = {authorization};
    snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", session->token.text);
    memcpy(call->sent_token, session->token.text, sizeof(call->sent_token));
    for (size_t i = 0; call->headers[i] != NULL; i++)
        headers[i + 1] = call->headers[i];

    struct http_pool_request request = call->request;
    agent_peer_address(&session->peer, &request);
    request.headers = headers;
    request.headers_done = take_headers;
    request.piece = call->request.piece != NULL ? take_piece : NULL;
    request.done = take_done;
    request.context = call;
    call->transfer = http_pool_start(session->scene->pool, &request, err);
    explicit_bzero(authorization, sizeof(authorization));
    return call->transfer != NULL;
}

static void send_waiting(struct agent_session *session)
{
    struct error err;
    for (struct agent_call *call = session->calls; call != NULL; call = call->next) {
        if (waits(call) && !send_call(call, &err))
            end_call(call, &err);
    }
}

/* ---- the log-in ---- */

static void stop_waiting(struct agent_session *session)
{
    loop_remove(session->timer);
    session->timer = NULL;
}

static void wait_is_over(void *context, uint64_t times)
{
    struct agent_session *session = context;
    (void)times;
    stop_waiting(session);
    go_on(session);
}

/* 429: nobody else is held up meanwhile. */
static bool wait_for_turn(struct agent_session *session, int64_t now_us, struct error *err)
{
    int64_t wait_us = session->not_before_us - now_us;
    int64_t began_us = now_us;
    for (const struct agent_call *call = session->calls; call != NULL; call = call->next) {
        if (waits(call) && call->began_us < began_us)
            began_us = call->began_us;
    }
    if (session->not_before_us - began_us > AGENT_SESSION_WAIT_MAX_S * INT64_C(1000000))
        return error_refuse(err, ERR_BUSY, "retry_later",
                            "%s:%u takes no more log-ins for %" PRId64
                            " s (429), and %d s is as long as we wait for our turn",
                            session->peer.host, (unsigned)session->peer.port, wait_us / US_PER_S + 1,
                            AGENT_SESSION_WAIT_MAX_S);
    session->timer = loop_timer(session->scene->loop, wait_us / US_PER_MS + 1, 0, wait_is_over, session, err);
    return session->timer != NULL;
}

static void logged_in(void *context, const struct agent_log_in_result *result)
{
    struct agent_session *session = context;
    int64_t now_us = clock_monotonic_us(session->scene->clock);
    session->entry = NULL;
    if (result->agent_id != NULL && session->peer.agent_id[0] == '\0') {
        snprintf(session->peer.agent_id, sizeof(session->peer.agent_id), "%s", result->agent_id);
        session->new_agent = true;
        /* what is kept alive was not pinned */
        http_pool_forget(session->scene->pool, session->peer.host, session->peer.port);
    }
    if (result->retry_after_s > 0)
        session->not_before_us = now_us + result->retry_after_s * US_PER_S;
    else if (result->err != NULL)
        end_waiting(session, result->err);
    if (result->token != NULL) {
        session->token = *result->token;
        session->renew_at_us = now_us + result->token->use_s * US_PER_S;
    }
    go_on(session);
}

static bool has_waiting(const struct agent_session *session)
{
    const struct agent_call *call = session->calls;
    while (call != NULL && !waits(call))
        call = call->next;
    return call != NULL;
}

static bool log_in(struct agent_session *session, struct error *err)
{
    int64_t now_us = clock_monotonic_us(session->scene->clock);
    if (session->not_before_us > now_us)
        return wait_for_turn(session, now_us, err);
    session->entry = agent_log_in_start(session->scene, &session->peer, logged_in, session, err);
    return session->entry != NULL;
}

/* Sends what waits, or sees to it that there will be a token. */
static void go_on(struct agent_session *session)
{
    struct error err;
    if (session->entry != NULL || session->timer != NULL || !has_waiting(session))
        return;
    if (session->token.text[0] != '\0' && clock_monotonic_us(session->scene->clock) < session->renew_at_us) {
        send_waiting(session);
        return;
    }
    session->token.text[0] = '\0';
    if (!log_in(session, &err))
        end_waiting(session, &err);
}

/* ---- the session ---- */

struct agent_session *agent_session_new(const struct sync_scene *scene, struct error *err)
{
    if (scene->signer == NULL) {
        error_set(
            err, ERR_USAGE,
            "there is no AUTH_KEY_FILE in the service's config: without the private key no agent can be "
            "asked");
        return NULL;
    }
    struct agent_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a session");
    else
        session->scene = scene;
    return session;
}

void agent_call_forget(struct agent_call *call)
{
    if (call == NULL || call->session == NULL)
        return;
    unlink_call(call);
    call->session = NULL;
    if (call->transfer != NULL)
        http_transfer_cancel(call->transfer);
    else if (!call->ended)
        free_call(call);
}

void agent_session_free(struct agent_session *session)
{
    if (session == NULL)
        return;
    while (session->calls != NULL)
        agent_call_forget(session->calls);
    agent_log_in_cancel(session->entry);
    stop_waiting(session);
    explicit_bzero(&session->token, sizeof(session->token));
    free(session);
}

/* The pinned key of the next requests; the one taken at a first contact stays until the table has it. */
static const char *agent_id_of(const struct agent_session *session, const struct vehicle *vehicle)
{
    return vehicle->agent_id[0] == '\0' && session->new_agent ? session->peer.agent_id : vehicle->agent_id;
}

static bool is_same(const struct agent_peer *peer, const struct vehicle *vehicle, const char *agent_id)
{
    return strcmp(peer->host, vehicle->host) == 0 && peer->port == vehicle->agent_port &&
           strcmp(peer->agent_id, agent_id) == 0;
}

static void become(struct agent_session *session, const struct vehicle *vehicle, const char *agent_id)
{
    struct agent_peer peer = {.port = vehicle->agent_port};
    snprintf(peer.name, sizeof(peer.name), "%s", vehicle->name);
    snprintf(peer.host, sizeof(peer.host), "%s", vehicle->host);
    snprintf(peer.agent_id, sizeof(peer.agent_id), "%s", agent_id);
    session->token.text[0] = '\0';
    session->not_before_us = 0;
    session->new_agent = session->new_agent && strcmp(peer.agent_id, session->peer.agent_id) == 0;
    session->peer = peer;
    agent_log_in_cancel(session->entry);
    session->entry = NULL;
    stop_waiting(session);
    go_on(session);
}

bool agent_session_meet(struct agent_session *session, const struct vehicle *vehicle, struct error *err)
{
    const char *agent_id = agent_id_of(session, vehicle);
    if (agent_id[0] == '\0' && !vehicle->accept_new_agent)
        return error_set(err, ERR_DENIED,
                         "%s was never met: tell its agent_id, as its own screen or log shows it, with "
                         "`sync_service vehicle set %s --fingerprint HEX`; nothing was sent",
                         vehicle->name, vehicle->name);
    if (!is_same(&session->peer, vehicle, agent_id))
        become(session, vehicle, agent_id);
    return true;
}

const char *agent_session_agent_id(const struct agent_session *session)
{
    return session->peer.agent_id;
}

bool agent_session_is_new_agent(const struct agent_session *session)
{
    return session->new_agent;
}

/* ---- a request ---- */

static bool copy_request(struct agent_call *call, const struct http_pool_request *request)
{
    bool copied = snprintf(call->method, sizeof(call->method), "%s", request->method) < METHOD_BYTES;
    call->request = *request;
    call->target = strdup(request->target);
    copied = copied && call->target != NULL;
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        if (i < AGENT_SESSION_HEADERS_MAX)
            call->headers[i] = strdup(request->headers[i]);
        copied = copied && i < AGENT_SESSION_HEADERS_MAX && call->headers[i] != NULL;
    }
    if (request->body.data != NULL) {
        call->body = malloc(request->body.size + 1);
        copied = copied && call->body != NULL;
        if (call->body != NULL)
            memcpy(call->body, request->body.data, request->body.size);
    }
    call->request.method = call->method;
    call->request.target = call->target;
    call->request.body.data = call->body;
    return copied;
}

struct agent_call *agent_session_request(struct agent_session *session,
                                         const struct http_pool_request *request, struct error *err)
{
    struct agent_call *call = calloc(1, sizeof(*call));
    if (call == NULL || !copy_request(call, request)) {
        if (call != NULL)
            free_call(call);
        error_set(err, ERR_MEMORY, "no memory left for a request");
        return NULL;
    }
    call->began_us = clock_monotonic_us(session->scene->clock);
    call->session = session;
    call->next = session->calls;
    session->calls = call;
    go_on(session);
    return call;
}

void agent_call_resume(struct agent_call *call)
{
    if (call->transfer != NULL)
        http_transfer_resume(call->transfer);
}

void agent_call_cancel(struct agent_call *call)
{
    struct error err;
    if (call->transfer != NULL) {
        http_transfer_cancel(call->transfer);
    } else if (!call->ended) {
        error_set(&err, ERR_CANCELLED, "stopped on request");
        end_call(call, &err);
    }
}
