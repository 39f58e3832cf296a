#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "server_tools/sync_service/agent_session.h"
#include "tests/unit/common/crypto/cert_vectors.h"

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

static void read_signed(struct letter *letter)
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

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    clock_fake_init(&fixture->clock, INT64_C(1771754400000000), 1000000);
    fixture->settings.pull_timeout_s = 10;
    fixture->scene.settings = &fixture->settings;
    fixture->scene.clock = &fixture->clock.clock;
    fixture->scene.loop = loop_new(&err);
    fixture->scene.mailbox = mailbox_new(fixture->scene.loop, &err);
    fixture->scene.pool = &fixture->pool;
    fixture->scene.signer = &fixture->signer;
    fixture->signer.mailbox = fixture->scene.mailbox;
    fixture->vehicle =
        (struct vehicle){.name = "Truck-01", .host = "10.0.0.11", .agent_port = 9876, .agent_id = AGENT};
    fixture->session = agent_session_new(&fixture->scene, &err);
    *state = fixture;
    return fixture->session != NULL ? 0 : -1;
}

static void stop_loop(void *context, uint64_t times)
{
    (void)times;
    loop_stop(context);
}

/* Everything that lies in the mailbox now. */
static void run_loop(struct fixture *fixture, int64_t ms)
{
    struct error err;
    struct loop_watch *timer = loop_timer(fixture->scene.loop, ms, 0, stop_loop, fixture->scene.loop, &err);
    assert_non_null(timer);
    assert_true(loop_run(fixture->scene.loop, &err));
    loop_remove(timer);
}

static struct http_transfer *newest(struct fixture *fixture)
{
    run_loop(fixture, 1);
    assert_true(fixture->pool.count > 0);
    struct http_transfer *transfer = &fixture->pool.transfers[fixture->pool.count - 1];
    assert_true(transfer->under_way);
    return transfer;
}

static void answer(struct http_transfer *transfer, unsigned status, const char *body)
{
    const struct http_pool_answer answer = {.status = status, .body = view_of(body)};
    transfer->under_way = false;
    transfer->request.done(transfer->request.context, transfer, &answer);
}

static void break_off(struct http_transfer *transfer, enum error_code code)
{
    struct error err = {.code = code, .text = "broken"};
    const struct http_pool_answer answer = {.err = &err};
    transfer->under_way = false;
    transfer->request.done(transfer->request.context, transfer, &answer);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agent_session_free(fixture->session);
    for (size_t i = 0; i < fixture->pool.count; i++) {
        if (fixture->pool.transfers[i].under_way)
            break_off(&fixture->pool.transfers[i], ERR_CANCELLED);
    }
    run_loop(fixture, 1);
    mailbox_free(fixture->scene.mailbox);
    loop_free(fixture->scene.loop);
    free(fixture);
    return 0;
}

static void take_answer(void *context, struct http_transfer *transfer, const struct http_pool_answer *got)
{
    struct told *told = context;
    (void)transfer;
    told->times++;
    told->status = got->status;
    told->err = got->err != NULL ? *got->err : (struct error){.code = ERR_NONE};
}

static void meet(struct fixture *fixture)
{
    struct error err;
    assert_true(agent_session_meet(fixture->session, &fixture->vehicle, &err));
}

static struct agent_call *ask(struct fixture *fixture, const char *target)
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

static void log_in(struct fixture *fixture, const char *token)
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

/* ---- the log-in ---- */

static void a_request_logs_in_first_and_then_carries_the_token(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    log_in(fixture, TOKEN_1);
    assert_string_equal(fixture->signer.message, "telehaul-auth-v2\n" AGENT "\n" BYTES "\n");
    struct http_transfer *transfer = newest(fixture);
    assert_string_equal(transfer->target, "/status");
    assert_string_equal(transfer->token, "Authorization: Bearer " TOKEN_1);
    assert_string_equal(transfer->pin, AGENT);
    answer(transfer, 200, "{}");
    assert_int_equal(fixture->told.times, 1);
    assert_int_equal(fixture->told.status, 200);
}

static void one_log_in_serves_several_requests(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    ask(fixture, "/data/export");
    log_in(fixture, TOKEN_1);
    assert_int_equal(fixture->pool.count, 4);
    answer(&fixture->pool.transfers[2], 200, "");
    answer(&fixture->pool.transfers[3], 200, "");
    assert_int_equal(fixture->told.times, 2);
    assert_int_equal(fixture->signer.signed_messages, 1);
}

static void the_token_is_kept_until_it_is_about_to_expire(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    log_in(fixture, TOKEN_1);
    answer(newest(fixture), 200, "{}");
    fixture->told.times = 0;
    clock_fake_advance(&fixture->clock, 269 * INT64_C(1000000));
    ask(fixture, "/status");
    assert_string_equal(newest(fixture)->target, "/status");
    answer(newest(fixture), 200, "{}");
    fixture->told.times = 0;
    clock_fake_advance(&fixture->clock, INT64_C(1000000));
    ask(fixture, "/status");
    log_in(fixture, TOKEN_2);
    assert_string_equal(newest(fixture)->token, "Authorization: Bearer " TOKEN_2);
}

static void a_token_that_is_gone_is_renewed_once(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    log_in(fixture, TOKEN_1);
    answer(newest(fixture), 401, "{\"error\":\"unauthorized\"}");
    assert_int_equal(fixture->told.times, 0);
    log_in(fixture, TOKEN_2);
    struct http_transfer *transfer = newest(fixture);
    assert_string_equal(transfer->token, "Authorization: Bearer " TOKEN_2);
    answer(transfer, 401, "{\"error\":\"unauthorized\"}");
    assert_int_equal(fixture->told.times, 1);
    assert_int_equal(fixture->told.err.code, ERR_DENIED);
}

static void two_requests_with_a_dead_token_renew_it_once(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    ask(fixture, "/data/export");
    log_in(fixture, TOKEN_1);
    answer(&fixture->pool.transfers[2], 401, "");
    log_in(fixture, TOKEN_2);
    answer(&fixture->pool.transfers[3], 401, "");
    run_loop(fixture, 1);
    assert_int_equal(fixture->signer.signed_messages, 2);
    assert_string_equal(newest(fixture)->token, "Authorization: Bearer " TOKEN_2);
}

static void a_refused_key_says_where_to_look(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    answer(newest(fixture), 200, CHALLENGE_OF(AGENT));
    answer(newest(fixture), 401, "{\"error\":\"invalid signature\"}");
    assert_int_equal(fixture->told.times, 0);
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_DENIED);
    assert_non_null(strstr(fixture->told.err.text, "AUTH_PUBLIC_KEY_FILE"));
}

static void a_challenge_of_another_agent_is_not_signed(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    answer(newest(fixture), 200,
           CHALLENGE_OF("ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_DENIED);
    assert_int_equal(fixture->signer.signed_messages, 0);
}

/* ---- 429 ---- */

static void too_many_log_ins_are_waited_out(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    answer(newest(fixture), 200, CHALLENGE_OF(AGENT));
    struct http_transfer *transfer = newest(fixture);
    transfer->retry_after = "1";
    answer(transfer, 429, "{\"error\":\"too_many_attempts\"}");
    size_t before = fixture->pool.count;
    run_loop(fixture, 50);
    assert_int_equal(fixture->pool.count, before);
    assert_int_equal(fixture->told.times, 0);
    clock_fake_advance(&fixture->clock, INT64_C(1000000));
    run_loop(fixture, 1200); /* the timer is of the kernel's clock */
    log_in(fixture, TOKEN_1);
    answer(newest(fixture), 200, "{}");
    assert_int_equal(fixture->told.status, 200);
}

static void a_wait_that_is_too_long_ends_the_request_and_keeps_the_next_from_asking(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    answer(newest(fixture), 200, CHALLENGE_OF(AGENT));
    struct http_transfer *transfer = newest(fixture);
    transfer->retry_after = "600";
    answer(transfer, 429, "{}");
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_BUSY);
    assert_string_equal(fixture->told.err.reason, "retry_later");
    size_t before = fixture->pool.count;
    fixture->told.times = 0;
    ask(fixture, "/status");
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_BUSY);
    assert_int_equal(fixture->pool.count, before);
}

/* ---- who it is ---- */

static void an_agent_that_was_never_met_is_not_called(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    fixture->vehicle.agent_id[0] = '\0';
    assert_false(agent_session_meet(fixture->session, &fixture->vehicle, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "sync_service vehicle set Truck-01 --fingerprint HEX"));
    assert_int_equal(fixture->pool.count, 0);
}

static void the_first_agent_is_taken_where_that_is_wanted_and_pinned_at_once(void **state)
{
    struct fixture *fixture = *state;
    char body[TEXT_BYTES];
    fixture->vehicle.agent_id[0] = '\0';
    fixture->vehicle.accept_new_agent = true;
    meet(fixture);
    ask(fixture, "/status");
    struct http_transfer *transfer = newest(fixture);
    assert_string_equal(transfer->pin, "");
    transfer->cert_pem = vector_cert;
    snprintf(body, sizeof(body), "{\"challenge\":\"" BYTES "\",\"agent_id\":\"%s\"}", VECTOR_AGENT_ID);
    answer(transfer, 200, body);
    assert_string_equal(newest(fixture)->pin, VECTOR_AGENT_ID);
    answer(newest(fixture), 200, "{\"session_token\":\"" TOKEN_1 "\"}");
    assert_string_equal(newest(fixture)->pin, VECTOR_AGENT_ID);
    assert_string_equal(agent_session_agent_id(fixture->session), VECTOR_AGENT_ID);
    assert_true(agent_session_is_new_agent(fixture->session));
    assert_int_equal(fixture->pool.forgotten, 1);
    meet(fixture); /* the table has not got it yet */
    assert_string_equal(agent_session_agent_id(fixture->session), VECTOR_AGENT_ID);
}

static void a_first_agent_that_claims_to_be_another_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    fixture->vehicle.agent_id[0] = '\0';
    fixture->vehicle.accept_new_agent = true;
    meet(fixture);
    ask(fixture, "/status");
    struct http_transfer *transfer = newest(fixture);
    transfer->cert_pem = vector_cert;
    answer(transfer, 200, CHALLENGE_OF(AGENT));
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_DENIED);
    assert_string_equal(agent_session_agent_id(fixture->session), "");
    assert_false(agent_session_is_new_agent(fixture->session));
}

static void another_certificate_is_named_beside_the_known_one(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    struct http_transfer *transfer = newest(fixture);
    transfer->cert_pem = vector_cert;
    break_off(transfer, ERR_CHANGED);
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_DENIED);
    assert_non_null(strstr(fixture->told.err.text, AGENT));
    assert_non_null(strstr(fixture->told.err.text, VECTOR_AGENT_ID));
    assert_non_null(strstr(fixture->told.err.text, "nothing was sent"));
}

static void another_agent_in_the_table_forgets_the_token(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    log_in(fixture, TOKEN_1);
    answer(newest(fixture), 200, "{}");
    fixture->told.times = 0;
    snprintf(fixture->vehicle.agent_id, sizeof(fixture->vehicle.agent_id), "%s", VECTOR_AGENT_ID);
    meet(fixture);
    ask(fixture, "/status");
    assert_string_equal(newest(fixture)->target, "/auth/challenge");
    assert_string_equal(newest(fixture)->pin, VECTOR_AGENT_ID);
}

/* ---- ending it ---- */

static void a_cancelled_request_is_told_so(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    struct agent_call *call = ask(fixture, "/status");
    agent_call_cancel(call);
    assert_int_equal(fixture->told.times, 0);
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.err.code, ERR_CANCELLED);
}

static void nobody_is_told_after_the_session_is_freed(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    log_in(fixture, TOKEN_1);
    ask(fixture, "/data/export");
    agent_session_free(fixture->session);
    fixture->session = NULL;
    assert_true(newest(fixture)->cancelled);
    for (size_t i = 0; i < fixture->pool.count; i++) {
        if (fixture->pool.transfers[i].under_way)
            break_off(&fixture->pool.transfers[i], ERR_CANCELLED);
    }
    run_loop(fixture, 1);
    assert_int_equal(fixture->told.times, 0);
}

static void a_session_may_be_freed_while_it_signs(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    ask(fixture, "/status");
    answer(newest(fixture), 200, CHALLENGE_OF(AGENT));
    agent_session_free(fixture->session);
    fixture->session = NULL;
    run_loop(fixture, 1);
    assert_int_equal(fixture->pool.count, 1);
    assert_int_equal(fixture->told.times, 0);
}

static void without_a_key_there_is_no_session(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    fixture->scene.signer = NULL;
    assert_null(agent_session_new(&fixture->scene, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "AUTH_KEY_FILE"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_logs_in_first_and_then_carries_the_token),
        TEST(one_log_in_serves_several_requests),
        TEST(the_token_is_kept_until_it_is_about_to_expire),
        TEST(a_token_that_is_gone_is_renewed_once),
        TEST(two_requests_with_a_dead_token_renew_it_once),
        TEST(a_refused_key_says_where_to_look),
        TEST(a_challenge_of_another_agent_is_not_signed),
        TEST(too_many_log_ins_are_waited_out),
        TEST(a_wait_that_is_too_long_ends_the_request_and_keeps_the_next_from_asking),
        TEST(an_agent_that_was_never_met_is_not_called),
        TEST(the_first_agent_is_taken_where_that_is_wanted_and_pinned_at_once),
        TEST(a_first_agent_that_claims_to_be_another_is_not_taken),
        TEST(another_certificate_is_named_beside_the_known_one),
        TEST(another_agent_in_the_table_forgets_the_token),
        TEST(a_cancelled_request_is_told_so),
        TEST(nobody_is_told_after_the_session_is_freed),
        TEST(a_session_may_be_freed_while_it_signs),
        TEST(without_a_key_there_is_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
