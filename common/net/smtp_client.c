#include "common/net/smtp_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/web_url.h"

enum { BRACKETED_BYTES = MAIL_ADDRESS_MAX_BYTES + 3, HOST_BYTES = 256, REFUSAL_BYTES = 200, MS_A_S = 1000 };

struct smtp_client {
    struct smtp_config config;
    char host[HOST_BYTES]; /* for messages */
    CURL *curl;            /* NULL: not connected */
    char message[CURL_ERROR_SIZE];
    char refusal[REFUSAL_BYTES]; /* the server's last line of 4xx or 5xx, printable */
};

/* ---- the client ---- */

struct smtp_client *smtp_client_new(const struct smtp_config *config, struct error *err)
{
    if (!web_url_check(config->url, "smtp|smtps", err))
        return NULL;
    struct smtp_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a mail client");
        return NULL;
    }
    client->config = *config;
    if (client->config.connect_ms <= 0)
        client->config.connect_ms = SMTP_CONNECT_MS;
    if (client->config.total_ms <= 0)
        client->config.total_ms = SMTP_TOTAL_MS;
    web_url_host(config->url, client->host, sizeof(client->host));
    return client;
}

void smtp_client_rest(struct smtp_client *client)
{
    if (client->curl == NULL)
        return;
    curl_easy_setopt(client->curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)SMTP_QUIT_MS / MS_A_S);
    curl_easy_cleanup(client->curl);
    client->curl = NULL;
}

void smtp_client_free(struct smtp_client *client)
{
    if (client == NULL)
        return;
    smtp_client_rest(client);
    free(client);
}

/* ---- the connection ---- */

/* Lines of the server's: the last one that refuses something is what is told. */
static size_t on_line(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct smtp_client *client = context;
    struct view line = {data, count};
    while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    if (line.size >= sizeof(client->refusal))
        line.size = sizeof(client->refusal) - 1;
    if ((view_starts(line, "4") || view_starts(line, "5")) &&
        text_copy(client->refusal, sizeof(client->refusal), line))
        text_make_printable(client->refusal);
    return count;
}

static size_t throw_away(char *data, size_t unit, size_t count, void *context)
{
    (void)data;
    (void)unit;
    (void)context;
    return count;
}

static bool set_up(struct smtp_client *client, struct error *err)
{
    const struct smtp_config *config = &client->config;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a connection to the mail server");
    bool secret = config->user[0] != '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_URL, config->url);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* a password never goes over a network in the clear */
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     (long)(secret && !web_host_is_loopback(client->host) ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (config->ca_file[0] != '\0') {
        curl_easy_setopt(curl, CURLOPT_CAINFO, config->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (secret) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, config->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, config->password);
    }
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)config->total_ms);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, throw_away);
    client->curl = curl;
    return true;
}

/* ---- one email ---- */

static size_t read_message(char *out, size_t unit, size_t count, void *context)
{
    struct view *rest = context;
    size_t size = unit * count < rest->size ? unit * count : rest->size;
    memcpy(out, rest->data, size);
    *rest = (struct view){rest->data + size, rest->size - size};
    return size;
}

static bool explain(const struct smtp_client *client, CURLcode code, long reply, struct error *err)
{
    const char *why = client->message[0] != '\0' ? client->message : curl_easy_strerror(code);
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return error_set(err, ERR_MEMORY, "no memory left for an email");
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERR_TIMEOUT, "the mail server %s was too slow: %s", client->host, why);
    case CURLE_LOGIN_DENIED:
        return error_set(err, ERR_DENIED, "the mail server %s does not let SMTP_USER in: %s", client->host,
                         reply >= 400 ? client->refusal : why);
    case CURLE_USE_SSL_FAILED:
        return error_set(err, ERR_DENIED,
                         "the mail server %s offers no TLS, and SMTP_PASSWORD is not sent in the"
                         " clear: use smtps:// or a server with STARTTLS",
                         client->host);
    default:
        break;
    }
    if (reply >= 400 && client->refusal[0] != '\0')
        return error_set(err, ERR_PROTOCOL, "the mail server %s refused: %s", client->host, client->refusal);
    return error_set(err, ERR_UNREACHABLE, "the mail server %s: %s", client->host, why);
}

static bool transfer(struct smtp_client *client, const struct mail *mail, struct view message, long *reply,
                     struct error *err)
{
    char from[BRACKETED_BYTES];
    char to[BRACKETED_BYTES];
    snprintf(from, sizeof(from), "<%s>", mail->from);
    snprintf(to, sizeof(to), "<%s>", mail->to);
    struct curl_slist *recipients = curl_slist_append(NULL, to);
    if (recipients == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for an email");
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_message);
    curl_easy_setopt(curl, CURLOPT_READDATA, &message);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)message.size);
    client->message[0] = client->refusal[0] = '\0';
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, reply);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(recipients);
    return code == CURLE_OK || explain(client, code, *reply, err);
}

bool smtp_client_send(struct smtp_client *client, const struct mail *mail, long *reply, struct error *err)
{
    SCOPE_BUF struct buf message = BUF_LIMIT(MAIL_MAX_BYTES);
    *reply = 0;
    if (!mail_write(mail, &message, err) || (client->curl == NULL && !set_up(client, err)))
        return false;
    if (transfer(client, mail, buf_view(&message), reply, err))
        return true;
    smtp_client_rest(client); /* whatever state it was in */
    return false;
}
