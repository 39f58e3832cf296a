/* Notices by email. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/smtp_client.h"
#include "server_tools/sync_service/notice.h"

struct email {
    struct smtp_client *client;
    const struct sync_settings *settings;
    const struct clock *clock;
};

static const char *missing(const struct sync_settings *settings)
{
    if (settings->smtp_url[0] == '\0')
        return "SMTP_URL is not set";
    return mail_address_ok(view_of(settings->smtp_from)) ? NULL : "SMTP_FROM is no email address";
}

static void close_email(void *way)
{
    struct email *email = way;
    if (email == NULL)
        return;
    smtp_client_free(email->client);
    free(email);
}

static void *open_email(const struct sync_settings *settings, const struct clock *clock, struct error *err)
{
    struct email *email = calloc(1, sizeof(*email));
    if (email == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for emails");
        return NULL;
    }
    const struct smtp_config config = {.url = settings->smtp_url,
                                       .user = settings->smtp_user,
                                       .password = settings->smtp_password,
                                       .ca_file = settings->notice_ca_file,
                                       .total_ms = SMTP_TOTAL_MS};
    *email = (struct email){smtp_client_new(&config, err), settings, clock};
    if (email->client != NULL)
        return email;
    error_wrap(err, "SMTP_URL");
    close_email(email);
    return NULL;
}

static bool check(const struct sync_settings *settings, const char *target, struct error *err)
{
    (void)settings;
    return mail_address_ok(view_of(target)) ||
           error_set(err, ERR_USAGE, "expected an email address, name@host");
}

/* RFC 5321, section 4.2: 4xx for now, 5xx for good; but what the server has against us is not the target's
 * fault. */
static enum notice_outcome outcome_of(const struct error *err, long reply)
{
    enum { CLOSING = 421, MUST_LOG_IN = 530, BAD_LOG_IN = 535 };
    if (err->code == ERR_INPUT)
        return NOTICE_REFUSED;
    if (err->code != ERR_PROTOCOL || reply == CLOSING || (reply >= MUST_LOG_IN && reply <= BAD_LOG_IN + 3))
        return NOTICE_AWAY;
    return reply >= 500 ? NOTICE_REFUSED : NOTICE_LATER;
}

static enum notice_outcome send_email(void *way, const struct notice *notice, struct error *err)
{
    struct email *email = way;
    char key[NOTICE_ID_BYTES];
    char id[MAIL_ADDRESS_MAX_BYTES + 1];
    notice_key(notice, key);
    snprintf(id, sizeof(id), "%s%s", key, strchr(email->settings->smtp_from, '@'));
    const struct mail mail = {
        .from = email->settings->smtp_from,
        .to = notice->target,
        .subject = notice->subject,
        .body = view_of(notice->body),
        .message_id = id,
        .utc_us = clock_utc_us(email->clock),
    };
    long reply = 0;
    return smtp_client_send(email->client, &mail, &reply, err) ? NOTICE_SENT : outcome_of(err, reply);
}

static void rest(void *way)
{
    smtp_client_rest(((struct email *)way)->client);
}

const struct notice_way notice_email = {
    .channel = "email",
    .senders = 1,
    .sent = METRIC_NOTICES_SENT_EMAIL,
    .refused = METRIC_NOTICES_REFUSED_EMAIL,
    .missing = missing,
    .open = open_email,
    .close = close_email,
    .check = check,
    .send = send_email,
    .rest = rest,
};
