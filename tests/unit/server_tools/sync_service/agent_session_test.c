#include "tests/unit/server_tools/sync_service/session_world.h"

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
    read_letters(fixture);
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
    read_letters(fixture);
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
    read_letters(fixture);
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
    read_letters(fixture);
    assert_int_equal(fixture->told.err.code, ERR_BUSY);
    assert_string_equal(fixture->told.err.reason, "retry_later");
    size_t before = fixture->pool.count;
    fixture->told.times = 0;
    ask(fixture, "/status");
    read_letters(fixture);
    assert_int_equal(fixture->told.err.code, ERR_BUSY);
    assert_int_equal(fixture->pool.count, before);
}

int main(void)
{
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
