#include "tests/unit/server_tools/sync_service/session_world.h"

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
    read_letters(fixture);
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
    read_letters(fixture);
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
    read_letters(fixture);
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
    read_letters(fixture);
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
    read_letters(fixture);
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
    const struct CMUnitTest tests[] = {
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
