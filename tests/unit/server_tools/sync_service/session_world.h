/* What the tests of agent_session share: a session whose exchanges the test answers and whose signer signs at
 * once. Each test program includes it once. */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_SESSION_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_SESSION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "server_tools/sync_service/agent_session.h"
#include "tests/unit/common/crypto/cert_vectors.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#define AGENT   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BYTES   "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define TOKEN_1 "11111111-e89b-42d3-a456-426614174000"
#define TOKEN_2 "22222222-e89b-42d3-a456-426614174000"

enum { REQUESTS_MAX = 32, TEXT_BYTES = 512 };

/* ---- a pool whose exchanges the test answers ---- */

struct http_transfer {
    struct http_pool_request request;
    char target[TEXT_BYTES], method[16], token[TEXT_BYTES], pin[SHA256_HEX_BYTES], body[2048];
    bool under_way, cancelled;
    const char *retry_after, *cert_pem;
};

struct http_pool {
    struct http_transfer transfers[REQUESTS_MAX];
    size_t count;
    int forgotten;
};

struct http_transfer *http_pool_start(struct http_pool *pool, const struct http_pool_request *request,
                                      struct error *err)
{
    (void)err;
    assert_true(pool->count < REQUESTS_MAX);
    struct http_transfer *transfer = &pool->transfers[pool->count++];
    transfer->request = *request;
    transfer->under_way = true;
    snprintf(transfer->method, sizeof(transfer->method), "%s", request->method);
    snprintf(transfer->target, sizeof(transfer->target), "%s", request->target);
    snprintf(transfer->token, sizeof(transfer->token), "%s",
             request->headers != NULL ? request->headers[0] : "");
    snprintf(transfer->pin, sizeof(transfer->pin), "%s", request->pin != NULL ? request->pin : "");
    snprintf(transfer->body, sizeof(transfer->body), "%.*s", VIEW_ARG(request->body));
    assert_true(request->tls);
    return transfer;
}

void http_transfer_resume(struct http_transfer *transfer)
{
    (void)transfer;
}

void http_transfer_cancel(struct http_transfer *transfer)
{
    transfer->cancelled = true;
}

const char *http_transfer_header(const struct http_transfer *transfer, const char *name)
{
    return strcmp(name, "Retry-After") == 0 ? transfer->retry_after : NULL;
}

const char *http_transfer_peer_cert_pem(const struct http_transfer *transfer)
{
    return transfer->cert_pem != NULL ? transfer->cert_pem : "";
}

void http_pool_forget(struct http_pool *pool, const char *host, uint16_t port)
{
    (void)host;
    (void)port;
    pool->forgotten++;
}

/* ---- a signer that signs at once, in the mailbox ---- */

struct signer {
    struct mailbox *mailbox;
    char message[SIGN_MESSAGE_BYTES];
    int signed_messages;
};

static inline void read_signed(struct letter *letter)
{
    struct sign_request *request = (struct sign_request *)letter;
    request->done(request);
}

void signer_sign(struct signer *signer, struct sign_request *request)
{
    memcpy(signer->message, request->message, sizeof(signer->message));
    signer->signed_messages++;
    request->signature_bytes = 3;
    memcpy(request->signature, "\x01\x02\x03", 3);
    request->letter = (struct letter){.read = read_signed};
    mailbox_post(signer->mailbox, &request->letter);
}

/* ---- the scene ---- */

struct told {
    int times;
    unsigned status;
    struct error err; /* ERR_NONE: none */
};

struct fixture {
    struct clock_fake clock;
    struct sync_settings settings;
    struct http_pool pool;
    struct signer signer;
    struct sync_scene scene;
    struct vehicle vehicle;
    struct agent_session *session;
    struct told told;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    assert_non_null(fixture);
    clock_fake_init(&fixture->clock, INT64_C(1771754400000000), 1000000);
    fixture->settings.pull_timeout_ms = 10 * 1000;
    fixture->scene.settings = &fixture->settings;
    fixture->scene.clock = &fixture->clock.clock;
    fixture->scene.loop = loop_new(&err);
    assert_non_null(fixture->scene.loop);
    fixture->scene.mailbox = mailbox_new(fixture->scene.loop, &err);
    assert_non_null(fixture->scene.mailbox);
    fixture->scene.pool = &fixture->pool;
    fixture->scene.signer = &fixture->signer;
    fixture->signer.mailbox = fixture->scene.mailbox;
    fixture->vehicle =
        (struct vehicle){.name = "Truck-01", .host = "10.0.0.11", .agent_port = 9876, .agent_id = AGENT};
    fixture->session = agent_session_new(&fixture->scene, &err);
    *state = fixture;
    return fixture->session != NULL ? 0 : -1;
}

static inline void stop_loop(void *context, uint64_t times)
{
    (void)times;
    loop_stop(context);
}

/* A letter of the test's own behind the others, and again behind what those have posted. */
struct last_letter {
    struct letter letter; /* first */
    struct fixture *fixture;
    int rounds;
};

static inline void read_last_letter(struct letter *letter)
{
    struct last_letter *last = (struct last_letter *)letter;
    if (--last->rounds == 0)
        loop_stop(last->fixture->scene.loop);
    else
        mailbox_post(last->fixture->scene.mailbox, letter);
}

/* Everything that lies in the mailbox now, and what comes of it. */
static inline void read_letters(struct fixture *fixture)
{
    struct error err;
    struct last_letter last = {.letter.read = read_last_letter, .fixture = fixture, .rounds = 10};
    mailbox_post(fixture->scene.mailbox, &last.letter);
    assert_true(loop_run(fixture->scene.loop, &err));
}

static inline void run_loop(struct fixture *fixture, int64_t ms)
{
    struct error err;
    struct loop_watch *timer = loop_timer(fixture->scene.loop, ms, 0, stop_loop, fixture->scene.loop, &err);
    assert_non_null(timer);
    assert_true(loop_run(fixture->scene.loop, &err));
    loop_remove(timer);
}

static inline struct http_transfer *newest(struct fixture *fixture)
{
    read_letters(fixture);
    assert_true(fixture->pool.count > 0);
    struct http_transfer *transfer = &fixture->pool.transfers[fixture->pool.count - 1];
    assert_true(transfer->under_way);
    return transfer;
}

static inline void answer(struct http_transfer *transfer, unsigned status, const char *body)
{
    const struct http_pool_answer answer = {.status = status, .body = view_of(body)};
    assert_true(transfer->under_way);
    transfer->under_way = false;
    transfer->request.done(transfer->request.context, transfer, &answer);
}

static inline void break_off(struct http_transfer *transfer, enum error_code code)
{
    struct error err = {.code = code, .text = "broken"};
    const struct http_pool_answer answer = {.err = &err};
    transfer->under_way = false;
    transfer->request.done(transfer->request.context, transfer, &answer);
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agent_session_free(fixture->session);
    for (size_t i = 0; i < fixture->pool.count; i++) {
        if (fixture->pool.transfers[i].under_way)
            break_off(&fixture->pool.transfers[i], ERR_CANCELLED);
    }
    read_letters(fixture);
    mailbox_free(fixture->scene.mailbox);
    loop_free(fixture->scene.loop);
    free(fixture);
    return 0;
}

static inline void take_answer(void *context, struct http_transfer *transfer,
                               const struct http_pool_answer *got)
{
    struct told *told = context;
    (void)transfer;
    told->times++;
    told->status = got->status;
    told->err = got->err != NULL ? *got->err : (struct error){.code = ERR_NONE};
}

static inline void meet(struct fixture *fixture)
{
    struct error err;
    assert_true(agent_session_meet(fixture->session, &fixture->vehicle, &err));
}

static inline struct agent_call *ask(struct fixture *fixture, const char *target)
{
    static const char *const headers[] = {"Accept: application/zstd", NULL};
    const struct http_pool_request request = {.method = "GET",
                                              .target = target,
                                              .headers = headers,
                                              .done = take_answer,
                                              .context = &fixture->told};
    struct error err;
    struct agent_call *call = agent_session_request(fixture->session, &request, &err);
    assert_non_null(call);
    assert_int_equal(fixture->told.times, 0);
    return call;
}

#define CHALLENGE_OF(agent) "{\"challenge\":\"" BYTES "\",\"agent_id\":\"" agent "\"}"

static inline void log_in(struct fixture *fixture, const char *token)
{
    char body[TEXT_BYTES];
    struct http_transfer *transfer = newest(fixture);
    assert_string_equal(transfer->target, "/auth/challenge");
    assert_string_equal(transfer->pin, AGENT);
    answer(transfer, 200, CHALLENGE_OF(AGENT));
    transfer = newest(fixture);
    assert_string_equal(transfer->target, "/auth");
    assert_string_equal(transfer->body, "{\"challenge\":\"" BYTES "\",\"signature\":\"AQID\"}");
    snprintf(body, sizeof(body), "{\"session_token\":\"%s\",\"expires_in\":300}", token);
    answer(transfer, 200, body);
}

#endif
