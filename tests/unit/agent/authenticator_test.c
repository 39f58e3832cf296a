#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/authenticator.h"

static const int64_t start_utc_us = INT64_C(1771754400000000); /* 2026-02-22T10:00:00Z */
static const char our_id[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char other_id[] = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

struct fixture {
    struct rsa_private *trusted, *stranger;
    struct keyring keys;
    struct clock_fake fake;
    struct authenticator auth;
};

static int make_keys(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    struct error err = {0};
    SCOPE_BUF struct buf pem = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    f->trusted = rsa_private_generate(2048, &err);
    f->stranger = rsa_private_generate(2048, &err);
    return f->trusted == NULL || f->stranger == NULL ||
           !rsa_private_write_public_pem(f->trusted, &pem, &err) ||
           !keyring_parse(buf_view(&pem), &f->keys, &err);
}

static int drop_keys(void **state)
{
    struct fixture *f = *state;
    keyring_clear(&f->keys);
    rsa_private_free(f->trusted);
    rsa_private_free(f->stranger);
    free(f);
    return 0;
}

static int start(void **state)
{
    struct fixture *f = *state;
    clock_fake_init(&f->fake, start_utc_us, 1000);
    authenticator_init(&f->auth, our_id, true, &f->fake.clock);
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;
    authenticator_clear(&f->auth);
    return 0;
}

struct text {
    char data[4096];
};

static struct text signature_of(const struct rsa_private *key, const char *message)
{
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    struct text text;
    assert_true(rsa_pss_sign(key, view_of(message), signature, &size, NULL));
    text_base64_encode(text.data, signature, size);
    return text;
}

static enum auth_answer send_body(struct fixture *f, const char *body)
{
    struct error err = {0};
    enum auth_answer answer = authenticator_check(&f->auth, &f->keys, view_of(body), &err);
    assert_int_equal(answer == AUTH_BAD_REQUEST, err.code != ERR_NONE);
    return answer;
}

static struct text timestamp_body(const struct rsa_private *key, const char *timestamp)
{
    struct text body;
    snprintf(body.data, sizeof(body.data), "{\"timestamp\":\"%s\",\"signature\":\"%.2000s\"}", timestamp,
             signature_of(key, timestamp).data);
    return body;
}

static enum auth_answer send_timestamp(struct fixture *f, const char *timestamp)
{
    return send_body(f, timestamp_body(f->trusted, timestamp).data);
}

static struct text challenge_body(const struct rsa_private *key, const char *agent_id, const char *challenge)
{
    char message[256];
    struct text body;
    snprintf(message, sizeof(message), "telehaul-auth-v2\n%s\n%s\n", agent_id, challenge);
    snprintf(body.data, sizeof(body.data), "{\"challenge\":\"%s\",\"signature\":\"%.2000s\"}", challenge,
             signature_of(key, message).data);
    return body;
}

static void challenge_is_taken_once(void **state)
{
    struct fixture *f = *state;
    char challenge[CHALLENGE_TEXT_BYTES];
    challenge_issue(&f->auth.challenger, challenge);
    assert_int_equal(send_body(f, challenge_body(f->stranger, our_id, challenge).data),
                     AUTH_INVALID_SIGNATURE);
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, challenge).data), AUTH_ACCEPTED);
    /* PSS signs differently each time: it is the challenge that is used up */
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, challenge).data),
                     AUTH_REPLAYED_SIGNATURE);
    clock_fake_advance(&f->fake, INT64_C(61000000));
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, challenge).data),
                     AUTH_UNKNOWN_CHALLENGE);
}

static void challenge_of_another_agent(void **state)
{
    struct fixture *f = *state;
    static struct authenticator other;
    char ours[CHALLENGE_TEXT_BYTES], theirs[CHALLENGE_TEXT_BYTES];
    authenticator_init(&other, other_id, true, &f->fake.clock);
    challenge_issue(&f->auth.challenger, ours);
    challenge_issue(&other.challenger, theirs);
    /* used here, issued there; and issued here, signed for there (a relay) */
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, theirs).data), AUTH_UNKNOWN_CHALLENGE);
    assert_int_equal(send_body(f, challenge_body(f->trusted, other_id, ours).data), AUTH_INVALID_SIGNATURE);
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, ours).data), AUTH_ACCEPTED);
    authenticator_clear(&other);
}

static void timestamp_within_a_minute(void **state)
{
    struct fixture *f = *state;
    clock_fake_advance(&f->fake, INT64_C(100000000)); /* 10:01:40 */
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:39Z"), AUTH_STALE_TIMESTAMP);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:40Z"), AUTH_ACCEPTED);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:02:40Z"), AUTH_ACCEPTED);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:02:41Z"), AUTH_STALE_TIMESTAMP);
    assert_int_equal(send_body(f, timestamp_body(f->stranger, "2026-02-22T10:01:40Z").data),
                     AUTH_INVALID_SIGNATURE);
}

static void timestamp_is_taken_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_ACCEPTED);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_REPLAYED_SIGNATURE);
    assert_int_equal(send_timestamp(f, "2026-02-22T12:00:01+02:00"), AUTH_REPLAYED_SIGNATURE);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01.000001Z"), AUTH_ACCEPTED);
}

static void a_clock_set_back_revives_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_ACCEPTED);
    clock_fake_advance(&f->fake, INT64_C(3600000000));
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_STALE_TIMESTAMP);
    clock_fake_advance(&f->fake, -INT64_C(3600000000));
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_REPLAYED_SIGNATURE);
}

static void timestamp_of_before_the_start(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_timestamp(f, "2026-02-22T09:59:59Z"), AUTH_STALE_TIMESTAMP);
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:00Z"), AUTH_ACCEPTED);
}

static void timestamp_form_can_be_turned_off(void **state)
{
    struct fixture *f = *state;
    f->auth.takes_timestamp = false;
    assert_int_equal(send_timestamp(f, "2026-02-22T10:00:01Z"), AUTH_BAD_REQUEST);
    char challenge[CHALLENGE_TEXT_BYTES];
    challenge_issue(&f->auth.challenger, challenge);
    assert_int_equal(send_body(f, challenge_body(f->trusted, our_id, challenge).data), AUTH_ACCEPTED);
}

static void what_is_neither_form(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"timestamp\":\"2026-02-22T10:00:01Z\"}",
        "{\"signature\":\"AAAA\"}",
        "{\"challenge\":\"AAAA\"}",
        "{\"challenge\":1,\"signature\":\"AAAA\"}",
        "{\"challenge\":\"AAAA\",\"signature\":[]}",
        "{\"challenge\":null,\"signature\":\"AAAA\"}",
        "{\"timestamp\":20260222,\"signature\":\"AAAA\"}",
        "{\"timestamp\":\"yesterday\",\"signature\":\"AAAA\"}",
        "{\"timestamp\":\"2026-02-22T10:00:01\",\"signature\":\"AAAA\"}",
        "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"challenge\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"signature\":\"AAAA\",\"more\":1}",
        "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"signature\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"signature\":\"AAAA\"} x",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(send_body(f, bodies[i]), AUTH_BAD_REQUEST);
    assert_int_equal(send_body(f, "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"signature\":\"no base64!\"}"),
                     AUTH_INVALID_SIGNATURE);
    assert_int_equal(send_body(f, "{\"timestamp\":\"2026-02-22T10:00:01Z\",\"signature\":\"\"}"),
                     AUTH_INVALID_SIGNATURE);
    assert_int_equal(send_body(f, "{\"challenge\":\"AAAA\",\"signature\":\"AAAA\"}"), AUTH_UNKNOWN_CHALLENGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(challenge_is_taken_once, start, stop),
        cmocka_unit_test_setup_teardown(challenge_of_another_agent, start, stop),
        cmocka_unit_test_setup_teardown(timestamp_within_a_minute, start, stop),
        cmocka_unit_test_setup_teardown(timestamp_is_taken_once, start, stop),
        cmocka_unit_test_setup_teardown(a_clock_set_back_revives_nothing, start, stop),
        cmocka_unit_test_setup_teardown(timestamp_of_before_the_start, start, stop),
        cmocka_unit_test_setup_teardown(timestamp_form_can_be_turned_off, start, stop),
        cmocka_unit_test_setup_teardown(what_is_neither_form, start, stop),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
