#include "tests/unit/server_tools/sync_service/notice_fakes.h"

#include "common/net/json.h"

enum { TELEGRAM_MAX_BYTES = 4096 };

static int set_up(void **state)
{
    *state = notice_world_make(&notice_telegram, "-1001234");
    return 0;
}

static int tear_down(void **state)
{
    return notice_world_remove(&notice_telegram, *state);
}

static enum notice_outcome send_one(struct notice_world *world, struct error *err)
{
    *err = (struct error){.code = ERR_NONE};
    return notice_telegram.send(world->way, &world->notice, err);
}

static void a_notice_is_a_message_to_a_chat(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    sent.status = 200;
    assert_int_equal(send_one(world, &err), NOTICE_SENT);
    assert_string_equal(sent.url, "https://api.telegram.org/bot123456:AAE-x_Y/sendMessage");
    assert_string_equal(sent.headers[0], "Content-Type: application/json");
    assert_string_equal(sent.body, "{\"chat_id\":\"-1001234\",\"text\":\"oil\\n\\none\\ntwo\","
                                   "\"disable_web_page_preview\":true}");
    world->notice.unsure = true;
    send_one(world, &err);
    assert_non_null(strstr(sent.body, "\"oil\\n\\none\\ntwo\\n(perhaps sent before)\""));
}

/* So many a's, then the character again and again. */
static void fill(char *out, size_t size, size_t letters, const char *character)
{
    size_t width = strlen(character);
    size_t at = letters;
    memset(out, 'a', letters);
    for (; at + width < size; at += width)
        memcpy(out + at, character, width);
    out[at] = '\0';
}

/* What the message says, and that it is a part of the notice from its beginning. */
static size_t message_bytes(struct notice_world *world, const char *body)
{
    static char said[SENT_BYTES];
    struct error err;
    world->notice.subject = "s";
    world->notice.body = body;
    assert_int_equal(send_one(world, &err), NOTICE_SENT);
    SCOPE_JSON struct json *json = json_parse(view_of(sent.body), SENT_BYTES, &err);
    assert_non_null(json);
    assert_true(json_get_string(json_member(json_root(json), "text"), said, sizeof(said)));
    assert_memory_equal(said, "s\n\n", 3);
    assert_memory_equal(said + 3, body, strlen(said) - 3);
    return strlen(said);
}

/* Behind "s\n\n" there is room for 4,093 bytes. */
static void a_long_one_is_cut_between_two_characters(void **state)
{
    static const struct {
        const char *character;
        size_t letters, want;
    } cases[] = {
        {"b", 4093, 4096}, {"ж", 0, 4095}, {"ж", 1, 4096}, {"€", 0, 4095}, {"€", 1, 4096},  {"€", 2, 4094},
        {"😹", 0, 4095},    {"😹", 1, 4096}, {"😹", 2, 4093}, {"😹", 3, 4094}, {"\"", 0, 4096}, {"\n", 0, 4096},
    };
    struct notice_world *world = *state;
    char body[3 * TELEGRAM_MAX_BYTES];
    sent.status = 200;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fill(body, sizeof(body), cases[i].letters, cases[i].character);
        assert_int_equal(message_bytes(world, body), cases[i].want);
    }
    for (size_t whole = TELEGRAM_MAX_BYTES - 2; whole <= TELEGRAM_MAX_BYTES; whole++) {
        fill(body, whole - strlen("s\n\n") + 1, 10, "b");
        assert_int_equal(message_bytes(world, body), whole);
    }
}

/* A token that is wrong, a bot that is too fast and a server that is ill hold up everything; a chat that is
 * not there is its own trouble. */
static void a_refusal_is_of_the_chat_or_of_the_bot(void **state)
{
    static const struct {
        unsigned status;
        enum notice_outcome outcome;
    } cases[] = {
        {200, NOTICE_SENT}, {301, NOTICE_AWAY}, {400, NOTICE_REFUSED}, {401, NOTICE_AWAY},
        {404, NOTICE_AWAY}, {429, NOTICE_AWAY}, {403, NOTICE_REFUSED}, {500, NOTICE_AWAY},
    };
    struct notice_world *world = *state;
    struct error err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        sent.status = cases[i].status;
        assert_int_equal(send_one(world, &err), cases[i].outcome);
    }
    sent.fails = ERR_UNREACHABLE;
    assert_int_equal(send_one(world, &err), NOTICE_AWAY);
}

static void it_says_why_and_never_the_token(void **state)
{
    static const struct {
        const char *answer, *text;
    } cases[] = {
        {"{\"ok\":false,\"description\":\"Bad Request: chat not found\"}",
         "Telegram answered 400: Bad Request: chat not found"},
        {"{\"description\":\"a\\u001b[31mred\\nline\"}", "Telegram answered 400: a?[31mred?line"},
        {"{\"description\":7}", "Telegram answered 400"},
        {"<html>", "Telegram answered 400"},
        {"", "Telegram answered 400"},
    };
    struct notice_world *world = *state;
    sent.status = 400;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        sent.answer = cases[i].answer;
        assert_int_equal(send_one(world, &err), NOTICE_REFUSED);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void a_target_is_a_chats_number_or_a_channels_name(void **state)
{
    static const char *const good[] = {"1", "-1001234567890", "9999999999999999999", "@fleet_news", "@A1"};
    static const char *const bad[] = {"",    "-",    "--1",  "1-",      "+1",      "12345678901234567890",
                                      "@",   "@a b", "@a@b", "fleet",   "1\n",     "@\xd0\xb6",
                                      "0x1", "1.5",  " 1",   "@a/../x", "1&text=x"};
    struct notice_world *world = *state;
    struct error err;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(notice_telegram.check(&world->settings, good[i], &err));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (notice_telegram.check(&world->settings, bad[i], &err))
            fail_msg("`%s` was taken", bad[i]);
        assert_int_equal(err.code, ERR_USAGE);
    }
}

/* It becomes a part of an address. */
static void a_token_has_nothing_that_an_address_would_take_otherwise(void **state)
{
    static const char *const bad[] = {"1:a/b",  "1:a b",       "1:a?b",     "1:a#b",
                                      "1:a%2f", "1:a\r\nX: y", "1:\xc3\xa4"};
    struct notice_world *world = *state;
    assert_null(notice_telegram.missing(&world->settings));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(world->settings.telegram_token, CONFIG_TEXT_BYTES, "%s", bad[i]);
        assert_string_equal(notice_telegram.missing(&world->settings), "TELEGRAM_TOKEN is no bot's token");
    }
    world->settings.telegram_token[0] = '\0';
    assert_string_equal(notice_telegram.missing(&world->settings), "TELEGRAM_TOKEN is not set");
}

static void the_address_is_the_admins_own(void **state)
{
    struct notice_world *world = *state;
    struct error err;
    assert_true(sent.web.allow_private);
    snprintf(world->settings.telegram_url, CONFIG_TEXT_BYTES, "ftp://example.org");
    assert_null(notice_telegram.open(&world->settings, &world->clock.clock, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_memory_equal(err.text, "TELEGRAM_URL", strlen("TELEGRAM_URL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notice_is_a_message_to_a_chat),
        TEST(a_long_one_is_cut_between_two_characters),
        TEST(a_refusal_is_of_the_chat_or_of_the_bot),
        TEST(it_says_why_and_never_the_token),
        TEST(a_target_is_a_chats_number_or_a_channels_name),
        TEST(a_token_has_nothing_that_an_address_would_take_otherwise),
        TEST(the_address_is_the_admins_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
