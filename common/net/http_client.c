#include "common/net/http_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/net/http_curl.h"
#include "common/net/http_upload.h"

enum {
    BIND_MAX_BYTES = sizeof("host!") + HTTP_CURL_HOST_MAX_BYTES,
    RECEIVE_BUFFER_BYTES = 256 * 1024,
};

struct http_client {
    struct http_site site;
    int connect_ms, floor_s;
    char interface[BIND_MAX_BYTES]; /* as curl wants it; "": any */
    char pin[HTTP_CURL_PIN_BYTES];  /* as curl wants it; "": none */
    CURL *curl;                     /* NULL: no connection is kept; made by the next exchange */
    char message[CURL_ERROR_SIZE];
    struct http_head head; /* of the last answer */
    struct buf peer_pem;   /* of the last new connection */
};

/* What one exchange needs while curl calls back. */
struct transfer {
    struct http_client *client;
    struct http_exchange *exchange;
    struct error *err;
    bool refused; /* one of the callbacks has said no, and err says why */
};

bool http_client_global_init(struct error *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK || error_set(err, ERR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
}

/* ---- the client ---- */

struct http_client *http_client_new(const struct http_client_config *config, struct error *err)
{
    if (!http_curl_host_ok(config->host)) {
        error_set(err, ERR_USAGE, "`%.80s` is no host name and no address", config->host);
        return NULL;
    }
    if (config->bind != NULL && !http_curl_host_ok(config->bind)) {
        error_set(err, ERR_USAGE, "`%.80s` is no address", config->bind);
        return NULL;
    }
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an HTTP client");
        return NULL;
    }
    snprintf(client->site.host, sizeof(client->site.host), "%s", config->host);
    if (config->bind != NULL)
        snprintf(client->interface, sizeof(client->interface), "host!%s", config->bind);
    client->site.port = config->port;
    client->site.tls = config->tls;
    client->connect_ms = config->connect_ms > 0 ? config->connect_ms : HTTP_CLIENT_CONNECT_MS;
    client->floor_s = config->floor_s > 0 ? config->floor_s : HTTP_CLIENT_FLOOR_S;
    client->head = (struct http_head)HTTP_HEAD_EMPTY;
    client->peer_pem = (struct buf)BUF_LIMIT(HTTP_CURL_PEM_MAX_BYTES);
    return client;
}

void http_client_close_connection(struct http_client *client)
{
    curl_easy_cleanup(client->curl);
    client->curl = NULL;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    http_client_close_connection(client);
    buf_clear(&client->head.lines);
    buf_clear(&client->peer_pem);
    free(client);
}

bool http_client_pin(struct http_client *client, const char *spki_sha256_hex, struct error *err)
{
    if (!http_curl_pin(spki_sha256_hex, client->pin, err))
        return false;
    http_client_close_connection(client); /* the one that is open was made before the pin */
    return true;
}

/* ---- what comes in ---- */

static bool is_success(const struct transfer *transfer)
{
    return transfer->exchange->status / 100 == 2;
}

static bool refuse(struct transfer *transfer)
{
    transfer->refused = true;
    return false;
}

/* For callbacks of the caller's: err is what they set it to, else "cancelled". */
static bool refuse_by_caller(struct transfer *transfer)
{
    if (transfer->err != NULL && transfer->err->code == ERR_NONE)
        error_set(transfer->err, ERR_CANCELLED, "stopped while the answer was coming in");
    return refuse(transfer);
}

static size_t on_header(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct transfer *transfer = context;
    struct http_exchange *exchange = transfer->exchange;
    struct http_client *client = transfer->client;
    bool done_before = client->head.status != 0;
    bool taken = http_head_take(&client->head, client->curl, (struct view){data, count}, transfer->err);
    exchange->status = client->head.status;
    if (!taken)
        return refuse(transfer);
    bool wanted = !done_before && is_success(transfer) && exchange->headers_done != NULL;
    if (wanted && !exchange->headers_done(exchange->context, client))
        return refuse_by_caller(transfer);
    return count;
}

static bool keep_body(struct transfer *transfer, struct view piece)
{
    const struct http_exchange *exchange = transfer->exchange;
    return exchange->answer_body == NULL ||
           http_curl_keep_body(exchange->answer_body, exchange->status, piece, transfer->err) ||
           refuse(transfer);
}

static size_t on_body(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct transfer *transfer = context;
    struct http_exchange *exchange = transfer->exchange;
    struct view piece = {data, count};
    if (!is_success(transfer) || exchange->sink == NULL)
        return keep_body(transfer, piece) ? count : 0;
    return exchange->sink(exchange->context, piece) ? count : refuse_by_caller(transfer);
}

/* ---- the request ---- */

static void scope_slist(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

/* Everything that stays the same for a kept connection. */
static void set_connection(struct http_client *client)
{
    CURL *curl = client->curl;
    http_curl_set_fixed(curl, client->message);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->floor_s);
    if (client->interface[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_INTERFACE, client->interface);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    if (!client->site.tls)
        return;
    http_curl_set_tls(curl);
    if (client->pin[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, client->pin);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
}

static bool list_headers(const struct http_exchange *exchange, struct curl_slist **list, struct error *err)
{
    return http_curl_headers(exchange->headers, list, err) &&
           (exchange->upload == NULL || http_curl_add_header(list, "Expect: 100-continue", err));
}

bool http_client_exchange(struct http_client *client, struct http_exchange *exchange, struct error *err)
{
    char url[HTTP_CURL_URL_MAX_BYTES];
    SCOPE(scope_slist) struct curl_slist *headers = NULL;
    if (!http_curl_url(&client->site, exchange->target, url, err) || !list_headers(exchange, &headers, err))
        return false;
    if (client->curl == NULL) {
        client->curl = curl_easy_init();
        if (client->curl == NULL)
            return error_set(err, ERR_MEMORY, "no memory left for a connection");
        set_connection(client);
    }
    struct transfer transfer = {.client = client, .exchange = exchange, .err = err};
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    struct http_sending sending = {
        .upload = exchange->upload, .curl = curl, .err = err, .floor_s = client->floor_s};
    http_curl_set_body(curl, exchange->method, exchange->body, exchange->upload != NULL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)exchange->total_ms);
    http_sending_set(&sending);
    exchange->status = 0;
    http_head_reset(&client->head);
    client->message[0] = '\0';
    if (err != NULL)
        err->code = ERR_NONE; /* so that a sink's own error can be told from none */
    CURLcode code = curl_easy_perform(curl);
    http_curl_peer_pem(curl, &client->peer_pem); /* of a kept connection: stays what it was at its start */
    if (code != CURLE_OK) {
        const struct http_failure failure = {&client->site,      curl,         code, client->message,
                                             client->connect_ms, &client->head};
        return transfer.refused || sending.failed ? false : http_curl_explain(&failure, err);
    }
    /* for curl a connection that ends politely inside the headers is an answer without a body */
    return client->head.status != 0 ||
           error_set(err, ERR_UNREACHABLE, "the connection to %s:%u broke off inside an answer's headers",
                     client->site.host, client->site.port);
}

const char *http_client_header(const struct http_client *client, const char *name)
{
    return http_head_find(&client->head, name);
}

const char *http_client_peer_cert_pem(const struct http_client *client)
{
    return client->peer_pem.size > 0 ? client->peer_pem.data : "";
}

void http_encode(struct buf *out, struct view text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (isalnum(byte) || (byte != '\0' && strchr("-._~", byte) != NULL))
            buf_append_byte(out, (char)byte);
        else
            buf_printf(out, "%%%02X", byte);
    }
}
