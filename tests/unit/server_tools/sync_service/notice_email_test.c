#include "tests/unit/server_tools/sync_service/notice_fakes.h"

static int set_up(void **state)
{
    *state = notice_world_make(&notice_email, "admin@example.org");
    return 0;
}

static int tear_down(void **state)
{
    return notice_world_remove(&notice_email, *state);
}

static enum notice_outcome send_one(struct notice_world *world)
{
    struct error err;
    return notice_email.send(world->way, &world->notice, &err);
}

static void a_notice_is_one_email(void **state)
{
    struct notice_world *world = *state;
    assert_int_equal(send_one(world), NOTICE_SENT);
    assert_string_equal(sent.from, "fleet@example.org");
    assert_string_equal(sent.to, "admin@example.org");
    assert_string_equal(sent.subject, "oil");
    assert_string_equal(sent.body, "one\ntwo");
    assert_int_equal(sent.utc_us, NOTICE_NOW_US);
    clock_fake_advance(&world->clock, 3600 * (int64_t)US_PER_S);
    assert_int_equal(send_one(world), NOTICE_SENT);
    assert_string_equal(sent.id, "notice.7.1771754399000000@example.org"); /* the same for every attempt */
    assert_int_equal(sent.times, 2);
}

/* RFC 5321, section 4.2, and RFC 4954, section 6. */
static void what_a_mail_server_says_is_for_now_for_good_or_of_itself(void **state)
{
    static const struct {
        enum error_code fails;
        long reply;
        enum notice_outcome outcome;
    } cases[] = {
        {ERR_PROTOCOL, 450, NOTICE_LATER},   /* the mailbox is busy */
        {ERR_PROTOCOL, 452, NOTICE_LATER},   /* it is full */
        {ERR_PROTOCOL, 550, NOTICE_REFUSED}, /* it is not there */
        {ERR_PROTOCOL, 554, NOTICE_REFUSED}, /* it does not want it */
        {ERR_PROTOCOL, 421, NOTICE_AWAY},    /* the server is going away */
        {ERR_PROTOCOL, 530, NOTICE_AWAY},    /* it wants a log-in */
        {ERR_PROTOCOL, 535, NOTICE_AWAY},    /* it knows no such user */
        {ERR_PROTOCOL, 538, NOTICE_AWAY},    /* it wants TLS for the log-in */
        {ERR_PROTOCOL, 539, NOTICE_REFUSED}, /* of nobody's list: 5xx */
        {ERR_UNREACHABLE, 0, NOTICE_AWAY},   {ERR_TIMEOUT, 250, NOTICE_AWAY}, {ERR_DENIED, 0, NOTICE_AWAY},
        {ERR_MEMORY, 0, NOTICE_AWAY},        {ERR_INPUT, 0, NOTICE_REFUSED}, /* no email can be made of it */
    };
    struct notice_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        sent.fails = cases[i].fails;
        sent.reply = cases[i].reply;
        if (send_one(world) != cases[i].outcome)
            fail_msg("case %zu is otherwise", i);
    }
}

static void without_a_server_and_a_sender_it_is_not_set_up(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    assert_null(notice_email.missing(&world->settings));
    snprintf(world->settings.smtp_from, CONFIG_TEXT_BYTES, "fleet");
    assert_string_equal(notice_email.missing(&world->settings), "SMTP_FROM is no email address");
    snprintf(world->settings.smtp_from, CONFIG_TEXT_BYTES, "a@b.org\r\nBcc: x@b.org");
    assert_string_equal(notice_email.missing(&world->settings), "SMTP_FROM is no email address");
    world->settings.smtp_url[0] = '\0';
    assert_string_equal(notice_email.missing(&world->settings), "SMTP_URL is not set");
    snprintf(world->settings.smtp_url, CONFIG_TEXT_BYTES, "http://mail.example.org");
    assert_null(notice_email.open(&world->settings, &world->clock.clock, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, "SMTP_URL: expected smtp:// or smtps://");
}

static void a_target_is_an_email_address(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    assert_true(notice_email.check(&world->settings, "admin@example.org", &err));
    assert_false(notice_email.check(&world->settings, "admin", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(notice_email.check(&world->settings, "a@b.org, c@b.org", &err));
    assert_false(notice_email.check(&world->settings, "a@b.org\r\nRCPT TO:<c@b.org>", &err));
    assert_false(notice_email.check(&world->settings, "", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notice_is_one_email),
        TEST(what_a_mail_server_says_is_for_now_for_good_or_of_itself),
        TEST(without_a_server_and_a_sender_it_is_not_set_up),
        TEST(a_target_is_an_email_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
