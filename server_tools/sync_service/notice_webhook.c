/* Notices as a POST of JSON to an address of the user's own. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/net/json_writer.h"
#include "common/net/web_post.h"
#include "common/net/web_url.h"
#include "server_tools/sync_service/notice.h"

enum { BODY_MAX_BYTES = 64 * 1024, HEADER_BYTES = 160 };

struct webhook {
    struct web_poster *poster;
    const struct clock *clock;
};

static const char *missing(const struct sync_settings *settings)
{
    (void)settings;
    return NULL;
}

static void close_webhook(void *way)
{
    struct webhook *webhook = way;
    if (webhook == NULL)
        return;
    web_poster_free(webhook->poster);
    free(webhook);
}

static void *open_webhook(const struct sync_settings *settings, const struct clock *clock, struct error *err)
{
    const struct web_poster_config config = {.ca_file = settings->notice_ca_file,
                                             .allow_private = settings->webhook_allow_private};
    struct webhook *webhook = calloc(1, sizeof(*webhook));
    if (webhook == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for webhooks");
        return NULL;
    }
    *webhook = (struct webhook){web_poster_new(&config, err), clock};
    if (webhook->poster != NULL)
        return webhook;
    close_webhook(webhook);
    return NULL;
}

static bool check(const struct sync_settings *settings, const char *target, struct error *err)
{
    return web_url_check(target, settings->webhook_allow_private ? "https|http" : "https", err);
}

static void write_body(const struct notice *notice, const char *key, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "id", key);
    json_string(&writer, "kind", notice->kind);
    if (notice->severity != NULL)
        json_string(&writer, "severity", notice->severity);
    if (notice->vehicle != NULL) {
        json_string(&writer, "vehicle", notice->vehicle);
        json_string(&writer, "client_id", notice->client_id);
    }
    json_string(&writer, "subject", notice->subject);
    json_string(&writer, "text", notice->body);
    json_time_us(&writer, "created_at", notice->created_us);
    json_bool(&writer, "perhaps_sent_before", notice->unsure);
    json_end_object(&writer);
}

/* HMAC-SHA256 of "<time>.<body>" under the rule's secret: the time keeps a call that somebody has seen from
 * being made again later. */
static bool sign(const struct notice *notice, const char *time, struct view body, char out[HEADER_BYTES])
{
    SCOPE_BUF struct buf text = BUF_LIMIT(BODY_MAX_BYTES + HEADER_BYTES);
    unsigned char mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    buf_printf(&text, "%s.", time);
    buf_append_view(&text, body);
    if (!buf_check(&text, "a webhook", NULL))
        return false;
    hmac_sha256(view_of(notice->secret), buf_view(&text), mac);
    text_hex_encode(hex, mac, sizeof(mac));
    snprintf(out, HEADER_BYTES, "X-Telehaul-Signature: sha256=%s", hex);
    return true;
}

/* RFC 9110, section 15: what may be otherwise in a while is tried again. */
static enum notice_outcome outcome_of(unsigned status, struct error *err)
{
    enum { TIMEOUT = 408, TOO_EARLY = 425, TOO_MANY = 429 };
    if (status / 100 == 2)
        return NOTICE_SENT;
    error_set(err, ERR_PROTOCOL,
              status / 100 == 3 ? "answered %u: redirects are not followed" : "answered %u", status);
    bool later = status >= 500 || status == TIMEOUT || status == TOO_EARLY || status == TOO_MANY;
    return later ? NOTICE_LATER : NOTICE_REFUSED;
}

static enum notice_outcome send_webhook(void *way, const struct notice *notice, struct error *err)
{
    struct webhook *webhook = way;
    char key[NOTICE_ID_BYTES];
    char key_header[HEADER_BYTES];
    char time[RFC3339_S_BYTES];
    char time_header[HEADER_BYTES];
    char signature[HEADER_BYTES];
    SCOPE_BUF struct buf body = BUF_LIMIT(BODY_MAX_BYTES);
    notice_key(notice, key);
    rfc3339_format_s(time, clock_utc_us(webhook->clock));
    snprintf(key_header, sizeof(key_header), "Idempotency-Key: %s", key);
    snprintf(time_header, sizeof(time_header), "X-Telehaul-Timestamp: %s", time);
    write_body(notice, key, &body);
    if (!buf_check(&body, "a webhook's JSON", err) || !sign(notice, time, buf_view(&body), signature))
        return NOTICE_LATER;
    const char *const headers[] = {"Content-Type: application/json", key_header, time_header,
                                   notice->secret[0] != '\0' ? signature : NULL, NULL};
    struct web_post post = {.url = notice->target, .headers = headers, .body = buf_view(&body)};
    if (web_post_send(webhook->poster, &post, err))
        return outcome_of(post.status, err);
    return err->code == ERR_USAGE ? NOTICE_REFUSED : NOTICE_LATER;
}

static void rest(void *way)
{
    web_poster_rest(((struct webhook *)way)->poster);
}

const struct notice_way notice_webhook = {
    .channel = "webhook",
    .senders = NOTICE_SENDERS_MAX, /* one at a time for a target: one that hangs keeps one of them */
    .sent = METRIC_NOTICES_SENT_WEBHOOK,
    .refused = METRIC_NOTICES_REFUSED_WEBHOOK,
    .missing = missing,
    .open = open_webhook,
    .close = close_webhook,
    .check = check,
    .send = send_webhook,
    .rest = rest,
};
