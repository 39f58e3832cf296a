#include "tests/unit/server_tools/sync_service/notice_fakes.h"

static int set_up(void **state)
{
    *state = notice_world_make(&notice_webhook, "https://example.org/hook?a=b");
    return 0;
}

static int tear_down(void **state)
{
    return notice_world_remove(&notice_webhook, *state);
}

static enum notice_outcome send_one(struct notice_world *world, struct error *err)
{
    *err = (struct error){.code = ERR_NONE};
    return notice_webhook.send(world->way, &world->notice, err);
}

#define BODY                                                                                                 \
    "{\"id\":\"notice.7.1771754399000000\",\"kind\":\"alarm\",\"severity\":\"critical\","                    \
    "\"vehicle\":\"Truck \\\"1\\\"\",\"client_id\":\"truck-1\",\"subject\":\"oil\",\"text\":\"one\\ntwo\","  \
    "\"created_at\":\"2026-02-22T09:59:59.000000Z\",\"perhaps_sent_before\":false}"

static void a_notice_is_one_json_object(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    sent.status = 204;
    assert_int_equal(send_one(world, &err), NOTICE_SENT);
    assert_string_equal(sent.url, "https://example.org/hook?a=b");
    assert_string_equal(sent.body, BODY);
    assert_string_equal(sent.headers[0], "Content-Type: application/json");
    assert_string_equal(sent.headers[1], "Idempotency-Key: notice.7.1771754399000000");
    assert_string_equal(sent.headers[2], "X-Telehaul-Timestamp: 2026-02-22T10:00:00Z");
    assert_string_equal(sent.headers[3], ""); /* without a secret nothing is signed */
}

/* HMAC-SHA256 of "2026-02-22T10:00:00Z." and the body under `s3cret`, by Python's hmac. */
static void it_is_signed_with_the_rules_secret(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    sent.status = 200;
    world->notice.secret = "s3cret";
    assert_int_equal(send_one(world, &err), NOTICE_SENT);
    assert_string_equal(
        sent.headers[3],
        "X-Telehaul-Signature: sha256=712d4f79657f7fd8650d72c9605c083c030a844730bb0d0675071d41e6d5fdea");
}

/* A receiver tells a second attempt by its key, and refuses a call that somebody plays again by its time. */
static void a_second_attempt_has_the_same_key_and_its_own_time(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    char signature[SENT_TEXT_BYTES];
    sent.status = 200;
    world->notice.secret = "s3cret";
    send_one(world, &err);
    snprintf(signature, sizeof(signature), "%s", sent.headers[3]);
    clock_fake_advance(&world->clock, 60 * (int64_t)US_PER_S);
    send_one(world, &err);
    assert_string_equal(sent.headers[1], "Idempotency-Key: notice.7.1771754399000000");
    assert_string_equal(sent.headers[2], "X-Telehaul-Timestamp: 2026-02-22T10:01:00Z");
    assert_string_not_equal(sent.headers[3], signature);
    assert_string_equal(sent.body, BODY);
    world->notice.unsure = true;
    send_one(world, &err);
    assert_non_null(strstr(sent.body, "\"perhaps_sent_before\":true}"));
    assert_string_equal(sent.headers[1], "Idempotency-Key: notice.7.1771754399000000");
}

static void what_is_not_of_a_vehicle_names_none(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    world->notice.severity = world->notice.vehicle = world->notice.client_id = NULL;
    world->notice.kind = "rollout";
    sent.status = 200;
    assert_int_equal(send_one(world, &err), NOTICE_SENT);
    assert_non_null(strstr(sent.body, "\"kind\":\"rollout\",\"subject\":\"oil\""));
    assert_null(strstr(sent.body, "vehicle"));
}

static void what_may_be_otherwise_in_a_while_is_tried_again(void **state)
{
    static const struct {
        unsigned status;
        enum notice_outcome outcome;
    } cases[] = {
        {200, NOTICE_SENT},    {299, NOTICE_SENT},  {302, NOTICE_REFUSED}, {400, NOTICE_REFUSED},
        {404, NOTICE_REFUSED}, {408, NOTICE_LATER}, {410, NOTICE_REFUSED}, {425, NOTICE_LATER},
        {429, NOTICE_LATER},   {500, NOTICE_LATER}, {503, NOTICE_LATER},
    };
    struct notice_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        char number[16];
        sent.status = cases[i].status;
        assert_int_equal(send_one(world, &err), cases[i].outcome);
        snprintf(number, sizeof(number), "answered %u", cases[i].status);
        assert_true((strstr(err.text, number) != NULL) == (cases[i].outcome != NOTICE_SENT));
    }
}

/* One receiver that is away keeps nobody else's notices. */
static void who_cannot_be_reached_is_tried_again_and_no_address_is_refused(void **state)
{
    static const struct {
        enum error_code code;
        enum notice_outcome outcome;
    } cases[] = {{ERR_UNREACHABLE, NOTICE_LATER}, {ERR_TIMEOUT, NOTICE_LATER}, {ERR_DENIED, NOTICE_LATER},
                 {ERR_PROTOCOL, NOTICE_LATER},    {ERR_MEMORY, NOTICE_LATER},  {ERR_USAGE, NOTICE_REFUSED}};
    struct notice_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        sent.fails = cases[i].code;
        assert_int_equal(send_one(world, &err), cases[i].outcome);
        assert_string_equal(err.text, "it could not");
    }
}

static void http_and_private_networks_are_for_who_wants_them(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    assert_false(sent.web.allow_private);
    assert_true(notice_webhook.check(&world->settings, "https://example.org/hook", &err));
    assert_false(notice_webhook.check(&world->settings, "http://example.org/hook", &err));
    assert_int_equal(err.code, ERR_USAGE);
    world->settings.webhook_allow_private = true;
    assert_true(notice_webhook.check(&world->settings, "http://example.org/hook", &err));
    void *way = notice_webhook.open(&world->settings, &world->clock.clock, &err);
    assert_true(sent.web.allow_private);
    notice_webhook.close(way);
}

static void a_way_is_found_by_its_name(void **state)
{
    (void)state;
    assert_ptr_equal(notice_way_find("webhook"), &notice_webhook);
    assert_ptr_equal(notice_way_find("email"), &notice_email);
    assert_ptr_equal(notice_way_find("telegram"), &notice_telegram);
    assert_null(notice_way_find("Webhook"));
    assert_null(notice_way_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notice_is_one_json_object),
        TEST(it_is_signed_with_the_rules_secret),
        TEST(a_second_attempt_has_the_same_key_and_its_own_time),
        TEST(what_is_not_of_a_vehicle_names_none),
        TEST(what_may_be_otherwise_in_a_while_is_tried_again),
        TEST(who_cannot_be_reached_is_tried_again_and_no_address_is_refused),
        TEST(http_and_private_networks_are_for_who_wants_them),
        TEST(a_way_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
