/* What stands in for the web and for a mail server in the tests of notices: what was sent last is kept, and
 * answered as the test says. Made-up people. Each test program includes it once. */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_NOTICE_FAKES_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_NOTICE_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/smtp_client.h"
#include "common/net/web_post.h"
#include "server_tools/sync_service/notice.h"

enum { SENT_BYTES = 128 * 1024, SENT_HEADERS = 8, SENT_TEXT_BYTES = 512 };

#define NOTICE_NOW_US INT64_C(1771754400000000) /* 2026-02-22T10:00:00Z */
#define TEST(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static struct sent {
    int times;
    char url[SENT_TEXT_BYTES], headers[SENT_HEADERS][SENT_TEXT_BYTES];
    char body[SENT_BYTES];
    /* email */
    char from[SENT_TEXT_BYTES], to[SENT_TEXT_BYTES], subject[SENT_TEXT_BYTES], id[SENT_TEXT_BYTES];
    int64_t utc_us;
    /* what is answered */
    enum error_code fails; /* ERR_NONE: status and answer, or reply */
    unsigned status;
    const char *answer;
    long reply;
    /* how it was opened */
    struct web_poster_config web;
    struct smtp_config smtp;
} sent;

/* ---- the web ---- */

struct web_poster {
    char unused;
};

struct web_poster *web_poster_new(const struct web_poster_config *config, struct error *err)
{
    (void)err;
    sent.web = *config;
    return calloc(1, sizeof(struct web_poster));
}

void web_poster_free(struct web_poster *poster)
{
    free(poster);
}

void web_poster_rest(struct web_poster *poster)
{
    (void)poster;
}

static inline bool sent_fails(struct error *err)
{
    return sent.fails != ERR_NONE && !error_set(err, sent.fails, "it could not");
}

static inline void keep_body(struct view body)
{
    assert_true(body.size < sizeof(sent.body));
    snprintf(sent.body, sizeof(sent.body), "%.*s", VIEW_ARG(body));
}

bool web_post_send(struct web_poster *poster, struct web_post *post, struct error *err)
{
    size_t count = 0;
    assert_non_null(poster);
    sent.times++;
    memset(sent.headers, 0, sizeof(sent.headers));
    for (; post->headers[count] != NULL; count++) {
        assert_true(count + 1 < SENT_HEADERS);
        snprintf(sent.headers[count], SENT_TEXT_BYTES, "%s", post->headers[count]);
    }
    snprintf(sent.url, sizeof(sent.url), "%s", post->url);
    keep_body(post->body);
    if (sent_fails(err))
        return false;
    post->status = sent.status;
    if (post->answer != NULL && sent.answer != NULL)
        buf_append_text(post->answer, sent.answer);
    return true;
}

/* ---- a mail server ---- */

struct smtp_client {
    char unused;
};

struct smtp_client *smtp_client_new(const struct smtp_config *config, struct error *err)
{
    sent.smtp = *config;
    if (strncmp(config->url, "smtp", 4) == 0)
        return calloc(1, sizeof(struct smtp_client));
    error_set(err, ERR_USAGE, "expected smtp:// or smtps://");
    return NULL;
}

void smtp_client_free(struct smtp_client *client)
{
    free(client);
}

void smtp_client_rest(struct smtp_client *client)
{
    (void)client;
}

bool smtp_client_send(struct smtp_client *client, const struct mail *mail, long *reply, struct error *err)
{
    assert_non_null(client);
    sent.times++;
    snprintf(sent.from, sizeof(sent.from), "%s", mail->from);
    snprintf(sent.to, sizeof(sent.to), "%s", mail->to);
    snprintf(sent.subject, sizeof(sent.subject), "%s", mail->subject);
    snprintf(sent.id, sizeof(sent.id), "%s", mail->message_id);
    sent.utc_us = mail->utc_us;
    keep_body(mail->body);
    *reply = sent.reply;
    return !sent_fails(err);
}

/* ---- a way, opened for each test ---- */

struct notice_world {
    struct sync_settings settings;
    struct clock_fake clock;
    struct notice notice;
    void *way;
};

static inline struct notice_world *notice_world_make(const struct notice_way *way, const char *target)
{
    struct notice_world *world = calloc(1, sizeof(*world));
    struct error err;
    assert_non_null(world);
    memset(&sent, 0, sizeof(sent));
    clock_fake_init(&world->clock, NOTICE_NOW_US, 0);
    snprintf(world->settings.smtp_url, CONFIG_TEXT_BYTES, "smtp://mail.example.org:25");
    snprintf(world->settings.smtp_from, CONFIG_TEXT_BYTES, "fleet@example.org");
    snprintf(world->settings.telegram_url, CONFIG_TEXT_BYTES, "https://api.telegram.org");
    snprintf(world->settings.telegram_token, CONFIG_TEXT_BYTES, "123456:AAE-x_Y");
    world->notice = (struct notice){.notice_id = 7,
                                    .created_us = NOTICE_NOW_US - US_PER_S,
                                    .target = target,
                                    .secret = "",
                                    .kind = "alarm",
                                    .severity = "critical",
                                    .client_id = "truck-1",
                                    .vehicle = "Truck \"1\"",
                                    .subject = "oil",
                                    .body = "one\ntwo"};
    world->way = way->open(&world->settings, &world->clock.clock, &err);
    assert_non_null(world->way);
    return world;
}

static inline int notice_world_remove(const struct notice_way *way, struct notice_world *world)
{
    way->close(world->way);
    free(world);
    return 0;
}

#endif
