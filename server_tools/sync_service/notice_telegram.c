/* Notices by a bot of Telegram's: POST {TELEGRAM_URL}/bot<token>/sendMessage
 * (https://core.telegram.org/bots/api#sendmessage). The token is in the path: nothing here says the address.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "common/net/web_post.h"
#include "common/net/web_url.h"
#include "server_tools/sync_service/notice.h"

enum { BODY_MAX_BYTES = 32 * 1024, TEXT_MAX_BYTES = 4096 /* characters there; bytes are never fewer */ };

struct telegram {
    struct web_poster *poster;
    const struct sync_settings *settings;
};

static bool only(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

bool notice_telegram_token_ok(const char *token)
{
    return only(token, "0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-");
}

static const char *missing(const struct sync_settings *settings)
{
    if (settings->telegram_token[0] == '\0')
        return "TELEGRAM_TOKEN is not set";
    return notice_telegram_token_ok(settings->telegram_token) ? NULL : "TELEGRAM_TOKEN is no bot's token";
}

static void close_telegram(void *way)
{
    struct telegram *telegram = way;
    if (telegram == NULL)
        return;
    web_poster_free(telegram->poster);
    free(telegram);
}

static void *open_telegram(const struct sync_settings *settings, const struct clock *clock, struct error *err)
{
    (void)clock;
    /* the address is the admin's own: a server of one's own network is fine */
    const struct web_poster_config config = {.ca_file = settings->notice_ca_file, .allow_private = true};
    if (!web_url_check_secret(settings->telegram_url, err)) {
        error_wrap(err, "TELEGRAM_URL");
        return NULL;
    }
    struct telegram *telegram = calloc(1, sizeof(*telegram));
    if (telegram == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for Telegram");
        return NULL;
    }
    *telegram = (struct telegram){web_poster_new(&config, err), settings};
    if (telegram->poster != NULL)
        return telegram;
    close_telegram(telegram);
    return NULL;
}

static bool check(const struct sync_settings *settings, const char *target, struct error *err)
{
    (void)settings;
    const char *digits = target[0] == '-' ? target + 1 : target;
    bool number = strlen(digits) < 20 && only(digits, "0123456789");
    bool name = target[0] == '@' && strlen(target) <= 64 &&
                only(target + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_");
    return number || name || error_set(err, ERR_USAGE, "expected a chat's number, or @name of a channel");
}

/* {"ok":false,"error_code":400,"description":"Bad Request: chat not found"} */
static void say_refusal(unsigned status, const struct buf *answer, struct error *err)
{
    char why[200] = "";
    SCOPE_JSON struct json *json = json_parse(buf_view(answer), WEB_POST_ANSWER_MAX_BYTES, NULL);
    if (json != NULL && json_get_string(json_member(json_root(json), "description"), why, sizeof(why)))
        text_make_printable(why);
    error_set(err, ERR_PROTOCOL, "Telegram answered %u%s%s", status, why[0] != '\0' ? ": " : "", why);
}

/* 401 and 404: the token. 429: the bot as a whole is too fast. */
static enum notice_outcome outcome_of(unsigned status)
{
    enum { UNAUTHORIZED = 401, NOT_FOUND = 404, TOO_MANY = 429 };
    if (status / 100 == 2)
        return NOTICE_SENT;
    if (status == UNAUTHORIZED || status == NOT_FOUND || status == TOO_MANY || status / 100 != 4)
        return NOTICE_AWAY;
    return NOTICE_REFUSED;
}

/* As much of it as fits, without half a character at its end. */
static struct view cut(struct buf *text)
{
    struct view all = buf_view(text);
    if (all.size <= TEXT_MAX_BYTES)
        return all;
    all.size = TEXT_MAX_BYTES;
    while (all.size > 0 && ((unsigned char)all.data[all.size] & 0xC0U) == 0x80U)
        all.size--;
    return all;
}

static bool write_body(const struct notice *notice, struct buf *out, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(BODY_MAX_BYTES);
    struct json_writer writer;
    buf_printf(&text, "%s\n\n%s%s", notice->subject, notice->body,
               notice->unsure ? "\n(perhaps sent before)" : "");
    if (!buf_check(&text, "a message to Telegram", err))
        return false;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "chat_id", notice->target);
    json_string_view(&writer, "text", cut(&text)); /* without parse_mode it is text, whatever is in it */
    json_bool(&writer, "disable_web_page_preview", true);
    json_end_object(&writer);
    return buf_check(out, "a message to Telegram", err);
}

static enum notice_outcome send_telegram(void *way, const struct notice *notice, struct error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct telegram *telegram = way;
    SCOPE_BUF struct buf url = BUF_LIMIT(2 * CONFIG_TEXT_BYTES);
    SCOPE_BUF struct buf body = BUF_LIMIT(BODY_MAX_BYTES);
    SCOPE_BUF struct buf answer = BUF_LIMIT(WEB_POST_ANSWER_MAX_BYTES);
    buf_printf(&url, "%s/bot%s/sendMessage", telegram->settings->telegram_url,
               telegram->settings->telegram_token);
    const char *address = buf_text(&url);
    if (!write_body(notice, &body, err) || !buf_check(&url, "TELEGRAM_URL", err))
        return NOTICE_AWAY;
    struct web_post post = {.url = address, .headers = headers, .body = buf_view(&body), .answer = &answer};
    if (!web_post_send(telegram->poster, &post, err))
        return NOTICE_AWAY;
    enum notice_outcome outcome = outcome_of(post.status);
    if (outcome != NOTICE_SENT)
        say_refusal(post.status, &answer, err);
    return outcome;
}

static void rest(void *way)
{
    web_poster_rest(((struct telegram *)way)->poster);
}

const struct notice_way notice_telegram = {
    .channel = "telegram",
    .senders = 1,
    .sent = METRIC_NOTICES_SENT_TELEGRAM,
    .refused = METRIC_NOTICES_REFUSED_TELEGRAM,
    .missing = missing,
    .open = open_telegram,
    .close = close_telegram,
    .check = check,
    .send = send_telegram,
    .rest = rest,
};
