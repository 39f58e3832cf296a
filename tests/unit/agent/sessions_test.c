#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/sessions.h"

static const int64_t start_utc_us = INT64_C(1771754400000000);

struct fixture {
    struct clock_fake fake;
    struct sessions *sessions;
    struct session_summary last;
    int reports;
};

static void take_report(void *context, const struct session_summary *summary)
{
    struct fixture *fixture = context;
    fixture->last = *summary;
    fixture->reports++;
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    clock_fake_init(&f->fake, start_utc_us, 0);
    f->sessions = sessions_new(&f->fake.clock, take_report, f, NULL);
    assert_non_null(f->sessions);
}

static void advance_s(struct fixture *f, int64_t seconds)
{
    clock_fake_advance(&f->fake, seconds * US_PER_S);
}

struct token {
    char text[SESSION_TOKEN_BYTES];
};

static struct token begin(struct fixture *f)
{
    struct token token;
    assert_true(sessions_begin(f->sessions, "192.0.2.1", token.text, NULL));
    return token;
}

static bool lives(struct fixture *f, const struct token *token)
{
    struct session *session = sessions_hold(f->sessions, view_of(token->text));
    if (session != NULL)
        session_release(session);
    return session != NULL;
}

static void token_is_a_uuid_and_lives_five_minutes(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    assert_int_equal(strlen(token.text), 36);
    assert_int_equal(token.text[14], '4');
    advance_s(&f, 299);
    assert_true(lives(&f, &token));
    advance_s(&f, 1);
    assert_false(lives(&f, &token));
    sessions_free(f.sessions);
}

static void other_tokens_are_none(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    static const char *const others[] = {"", "x", "00000000-0000-4000-8000-000000000000"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_null(sessions_hold(f.sessions, view_of(others[i])));
    assert_null(sessions_hold(f.sessions, (struct view){token.text, 35}));
    assert_null(sessions_hold(f.sessions, (struct view){token.text, 37}));
    token.text[35] = token.text[35] == '0' ? '1' : '0';
    assert_null(sessions_hold(f.sessions, view_of(token.text)));
    sessions_free(f.sessions);
}

static void the_65th_ends_the_oldest(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token tokens[SESSIONS_MAX + 1];
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        tokens[i] = begin(&f);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        assert_true(lives(&f, &tokens[i]));
    tokens[SESSIONS_MAX] = begin(&f);
    assert_false(lives(&f, &tokens[0]));
    assert_true(lives(&f, &tokens[1]));
    assert_true(lives(&f, &tokens[SESSIONS_MAX]));
    assert_int_equal(f.reports, 1);
    sessions_free(f.sessions);
    assert_int_equal(f.reports, SESSIONS_MAX + 1);
}

static void the_update_that_was_offered_is_in_the_report(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    struct session *session = sessions_hold(f.sessions, view_of(token.text));
    session_note_update(session, SESSION_REFUSED, "1.2.0");
    session_note(session, SESSION_OK);
    session_release(session);
    advance_s(&f, SESSION_IDLE_S);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 1);
    assert_string_equal(f.last.update_version, "1.2.0");
    assert_int_equal(f.last.outcome, SESSION_REFUSED);
    sessions_free(f.sessions);
}

static void one_report_when_idle(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    advance_s(&f, 60);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 0); /* nothing was asked yet: it may still be */

    struct session *session = sessions_hold(f.sessions, view_of(token.text));
    session_note_export(session, SESSION_OK, 1000, 12345);
    session_note(session, SESSION_OK);
    session_release(session);
    advance_s(&f, 9);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 0);
    advance_s(&f, 1);
    sessions_sweep(f.sessions);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 1);
    assert_string_equal(f.last.address, "192.0.2.1");
    assert_int_equal(f.last.began_utc_us, start_utc_us);
    assert_int_equal(f.last.records, 1000);
    assert_int_equal(f.last.bytes, 12345);
    assert_int_equal(f.last.outcome, SESSION_OK);

    advance_s(&f, 400);
    sessions_sweep(f.sessions);
    sessions_free(f.sessions);
    assert_int_equal(f.reports, 1);
}

static void a_token_used_again_is_reported_again(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    for (int round = 1; round <= 2; round++) {
        struct session *session = sessions_hold(f.sessions, view_of(token.text));
        session_note_export(session, SESSION_OK, round, 10);
        session_release(session);
        advance_s(&f, 30);
        sessions_sweep(f.sessions);
        assert_int_equal(f.reports, round);
        assert_int_equal(f.last.records, round);
        assert_int_equal(f.last.bytes, 10);
    }
    assert_int_equal(f.last.began_utc_us, start_utc_us + INT64_C(30000000));
    sessions_free(f.sessions);
    assert_int_equal(f.reports, 2);
}

static void an_export_outlives_its_token(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct token token = begin(&f);
    struct session *session = sessions_hold(f.sessions, view_of(token.text));
    advance_s(&f, 1000);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 0);
    assert_false(lives(&f, &token));
    session_note_export(session, SESSION_CUT_OFF, 0, 77);
    session_note(session, SESSION_OK);
    session_release(session);
    assert_int_equal(f.reports, 1);
    assert_int_equal(f.last.bytes, 77);
    assert_int_equal(f.last.outcome, SESSION_CUT_OFF); /* the worst counts */
    sessions_free(f.sessions);
    assert_int_equal(f.reports, 1);
}

static void unused_ones_are_reported_at_their_end(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    begin(&f);
    advance_s(&f, 300);
    sessions_sweep(f.sessions);
    assert_int_equal(f.reports, 1);
    assert_int_equal(f.last.outcome, SESSION_UNUSED);
    begin(&f);
    sessions_free(f.sessions);
    assert_int_equal(f.reports, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_is_a_uuid_and_lives_five_minutes),
        cmocka_unit_test(other_tokens_are_none),
        cmocka_unit_test(the_65th_ends_the_oldest),
        cmocka_unit_test(the_update_that_was_offered_is_in_the_report),
        cmocka_unit_test(one_report_when_idle),
        cmocka_unit_test(a_token_used_again_is_reported_again),
        cmocka_unit_test(an_export_outlives_its_token),
        cmocka_unit_test(unused_ones_are_reported_at_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
