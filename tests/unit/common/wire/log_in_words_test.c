#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/wire/log_in_words.h"

#define AGENT   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ANOTHER "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
/* base64 of 32, 31 and 33 bytes */
#define BYTES_32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define BYTES_31 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="
#define BYTES_33 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

static void a_challenge_of_the_pinned_agent_is_taken(void **state)
{
    (void)state;
    char out[LOG_IN_CHALLENGE_TEXT_BYTES];
    struct error err;
    assert_true(log_in_read_challenge(
        view_of("{\"challenge\":\"" BYTES_32 "\",\"agent_id\":\"" AGENT "\",\"expires_in\":60}"), AGENT, out,
        &err));
    assert_string_equal(out, BYTES_32);
}

static void anything_else_is_not_signed(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum error_code code;
    } rows[] = {
        {"{\"challenge\":\"" BYTES_31 "\",\"agent_id\":\"" AGENT "\"}", ERR_PROTOCOL},
        {"{\"challenge\":\"" BYTES_33 "\",\"agent_id\":\"" AGENT "\"}", ERR_PROTOCOL},
        {"{\"challenge\":\"\",\"agent_id\":\"" AGENT "\"}", ERR_PROTOCOL},
        {"{\"challenge\":\"2026-02-22T10:00:00Z\",\"agent_id\":\"" AGENT "\"}", ERR_PROTOCOL},
        {"{\"challenge\":\"" BYTES_32 "\",\"agent_id\":\"" ANOTHER "\"}", ERR_DENIED},
        {"{\"challenge\":\"" BYTES_32 "\"}", ERR_PROTOCOL},
        {"{\"agent_id\":\"" AGENT "\"}", ERR_PROTOCOL},
        {"[]", ERR_PROTOCOL},
        {"", ERR_PROTOCOL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[LOG_IN_CHALLENGE_TEXT_BYTES] = "untouched";
        struct error err = {0};
        assert_false(log_in_read_challenge(view_of(rows[i].body), AGENT, out, &err));
        assert_int_equal(err.code, rows[i].code);
        assert_string_equal(out, "untouched");
    }
}

static void another_agent_is_named_beside_the_pinned_one(void **state)
{
    (void)state;
    char out[LOG_IN_CHALLENGE_TEXT_BYTES];
    struct error err;
    assert_false(log_in_read_challenge(
        view_of("{\"challenge\":\"" BYTES_32 "\",\"agent_id\":\"" ANOTHER "\"}"), AGENT, out, &err));
    assert_non_null(strstr(err.text, AGENT));
    assert_non_null(strstr(err.text, ANOTHER));
    assert_non_null(strstr(err.text, "nothing was signed"));
}

static void what_is_signed_is_three_lines(void **state)
{
    (void)state;
    char message[LOG_IN_MESSAGE_BYTES];
    log_in_message(AGENT, BYTES_32, message);
    assert_string_equal(message, "telehaul-auth-v2\n" AGENT "\n" BYTES_32 "\n");
}

static void the_body_names_what_was_signed(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(4096);
    struct error err;
    assert_true(
        log_in_write_body("challenge", BYTES_32, (const unsigned char *)"\x01\x02\x03", 3, &out, &err));
    assert_string_equal(buf_text(&out), "{\"challenge\":\"" BYTES_32 "\",\"signature\":\"AQID\"}");
}

#define UUID "123e4567-e89b-42d3-a456-426614174000"

static void a_token_is_used_for_all_but_the_end_of_its_life(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t use_s;
    } rows[] = {
        {"{\"session_token\":\"" UUID "\",\"expires_in\":300}", 270},
        {"{\"session_token\":\"" UUID "\"}", 270},
        {"{\"session_token\":\"" UUID "\",\"expires_in\":60}", 30},
        {"{\"session_token\":\"" UUID "\",\"expires_in\":59}", 59},
        {"{\"session_token\":\"" UUID "\",\"expires_in\":1}", 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct log_in_token token;
        struct error err;
        assert_true(log_in_read_token(view_of(rows[i].body), &token, &err));
        assert_string_equal(token.text, UUID);
        assert_int_equal(token.use_s, rows[i].use_s);
    }
}

static void what_is_no_token_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"session_token\":\"\"}",
        "{\"session_token\":\"abc\\r\\nX-Evil: 1\"}",
        "{\"session_token\":7}",
        "{}",
        "{\"session_token\":\"" UUID "\",\"expires_in\":0}",
        "{\"session_token\":\"" UUID "\",\"expires_in\":\"300\"}",
        "{\"session_token\":\"" UUID "\",\"expires_in\":86401}",
        "not JSON",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct log_in_token token = {.text = "untouched"};
        struct error err = {0};
        assert_false(log_in_read_token(view_of(bodies[i]), &token, &err));
        assert_int_equal(err.code, ERR_PROTOCOL);
        assert_string_equal(token.text, "untouched");
    }
}

static void a_refusal_says_where_to_look(void **state)
{
    (void)state;
    assert_non_null(strstr(log_in_advice("invalid signature"), "AUTH_PUBLIC_KEY_FILE"));
    assert_non_null(strstr(log_in_advice("stale timestamp"), "clocks"));
    assert_non_null(strstr(log_in_advice("unknown challenge"), "restart"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_challenge_of_the_pinned_agent_is_taken),
        cmocka_unit_test(anything_else_is_not_signed),
        cmocka_unit_test(another_agent_is_named_beside_the_pinned_one),
        cmocka_unit_test(what_is_signed_is_three_lines),
        cmocka_unit_test(the_body_names_what_was_signed),
        cmocka_unit_test(a_token_is_used_for_all_but_the_end_of_its_life),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(a_refusal_says_where_to_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
