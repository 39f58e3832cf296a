#include "common/net/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/base/text.h"
#include "common/net/http_upload.h"

enum {
    ERROR_BODY_MAX_BYTES = 64 * 1024, /* of an answer that is no 2xx */
    HOST_MAX_BYTES = 254,
    BIND_MAX_BYTES = sizeof("host!") + HOST_MAX_BYTES,
    URL_MAX_BYTES = 16 * 1024,
    PEER_PEM_MAX_BYTES = 64 * 1024,
    RECEIVE_BUFFER_BYTES = 256 * 1024,
    SPKI_SHA256_BYTES = 32,
    PIN_BYTES = sizeof("sha256//") + TEXT_BASE64_BYTES(SPKI_SHA256_BYTES),
};

struct http_client {
    char host[HOST_MAX_BYTES];
    uint16_t port;
    bool tls;
    int connect_ms, floor_s;
    char interface[BIND_MAX_BYTES]; /* as curl wants it; "": any */
    char pin[PIN_BYTES];            /* as curl wants it; "": none */
    CURL *curl;                     /* NULL: no connection is kept; made by the next exchange */
    char message[CURL_ERROR_SIZE];
    struct buf headers;  /* of the last answer: "Name: value" and NUL, again and again */
    struct buf peer_pem; /* of the last new connection */
};

/* What one exchange needs while curl calls back. */
struct transfer {
    struct http_client *client;
    struct http_exchange *exchange;
    struct error *err;
    size_t header_bytes; /* of all heads of this answer, 100 Continue and trailers included */
    bool headers_done;
    bool refused; /* one of the callbacks has said no, and err says why */
};

bool http_client_global_init(struct error *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK || error_set(err, ERR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
}

/* ---- the client ---- */

/* A name, an IPv4 or an IPv6 address, with its zone: nothing that could become another part of a URL. */
static bool host_ok(const char *host)
{
    size_t size = strlen(host);
    if (size == 0 || size >= HOST_MAX_BYTES)
        return false;
    bool ipv6 = strchr(host, ':') != NULL;
    for (; *host != '\0'; host++) {
        bool plain = isalnum((unsigned char)*host) || strchr(".-_", *host) != NULL;
        if (!plain && !(ipv6 && (*host == ':' || *host == '%')))
            return false;
    }
    return true;
}

struct http_client *http_client_new(const struct http_client_config *config, struct error *err)
{
    if (!host_ok(config->host)) {
        error_set(err, ERR_USAGE, "`%.80s` is no host name and no address", config->host);
        return NULL;
    }
    if (config->bind != NULL && !host_ok(config->bind)) {
        error_set(err, ERR_USAGE, "`%.80s` is no address", config->bind);
        return NULL;
    }
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an HTTP client");
        return NULL;
    }
    snprintf(client->host, sizeof(client->host), "%s", config->host);
    if (config->bind != NULL)
        snprintf(client->interface, sizeof(client->interface), "host!%s", config->bind);
    client->port = config->port;
    client->tls = config->tls;
    client->connect_ms = config->connect_ms > 0 ? config->connect_ms : HTTP_CLIENT_CONNECT_MS;
    client->floor_s = config->floor_s > 0 ? config->floor_s : HTTP_CLIENT_FLOOR_S;
    client->headers = (struct buf)BUF_LIMIT(HTTP_CLIENT_MAX_HEADER_BYTES);
    client->peer_pem = (struct buf)BUF_LIMIT(PEER_PEM_MAX_BYTES);
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
    buf_clear(&client->headers);
    buf_clear(&client->peer_pem);
    free(client);
}

bool http_client_pin(struct http_client *client, const char *spki_sha256_hex, struct error *err)
{
    unsigned char hash[SPKI_SHA256_BYTES];
    if (!text_hex_decode(view_of(spki_sha256_hex), hash, sizeof(hash)))
        return error_set(err, ERR_INPUT, "a fingerprint is %d hexadecimal digits", 2 * SPKI_SHA256_BYTES);
    char base64[TEXT_BASE64_BYTES(SPKI_SHA256_BYTES)];
    text_base64_encode(base64, hash, sizeof(hash));
    snprintf(client->pin, sizeof(client->pin), "sha256//%s", base64);
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

static bool length_is_known(const struct transfer *transfer)
{
    const struct http_client *client = transfer->client;
    unsigned status = transfer->exchange->status;
    return status == 204 || status == 304 || http_client_header(client, "Content-Length") != NULL ||
           http_client_header(client, "Transfer-Encoding") != NULL;
}

static bool end_headers(struct transfer *transfer)
{
    struct http_exchange *exchange = transfer->exchange;
    long status = 0;
    curl_easy_getinfo(transfer->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return true; /* 100 Continue: the real ones follow */
    transfer->headers_done = true;
    exchange->status = (unsigned)status;
    if (!length_is_known(transfer)) {
        error_set(transfer->err, ERR_PROTOCOL, "an answer whose size is unknown could end anywhere");
        return refuse(transfer);
    }
    if (is_success(transfer) && exchange->headers_done != NULL &&
        !exchange->headers_done(exchange->context, transfer->client))
        return refuse_by_caller(transfer);
    return true;
}

static size_t on_header(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct transfer *transfer = context;
    struct buf *headers = &transfer->client->headers;
    transfer->header_bytes += count;
    if (transfer->header_bytes > HTTP_CLIENT_MAX_HEADER_BYTES) {
        error_set(transfer->err, ERR_PROTOCOL, "more than %d bytes of headers", HTTP_CLIENT_MAX_HEADER_BYTES);
        return refuse(transfer);
    }
    struct view line = {data, count};
    while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    if (transfer->headers_done)
        return count; /* trailers: nobody asked for them */
    if (line.size == 0)
        return end_headers(transfer) ? count : 0;
    if (view_starts(line, "HTTP/"))
        buf_reset(headers); /* those before belong to a 100 Continue */
    buf_append_view(headers, line);
    buf_append_byte(headers, '\0');
    if (!buf_check(headers, "the answer's headers", transfer->err))
        return refuse(transfer);
    return count;
}

static bool keep_body(struct transfer *transfer, struct view piece)
{
    struct buf *body = transfer->exchange->answer_body;
    if (body == NULL)
        return true;
    if (!is_success(transfer) && body->size + piece.size > ERROR_BODY_MAX_BYTES) {
        error_set(transfer->err, ERR_PROTOCOL, "an answer of status %u with more than %d bytes",
                  transfer->exchange->status, ERROR_BODY_MAX_BYTES);
        return refuse(transfer);
    }
    buf_append_view(body, piece);
    return buf_check(body, "the answer", transfer->err) || refuse(transfer);
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

static bool request_ok(const struct http_exchange *exchange, struct error *err)
{
    const char *target = exchange->target;
    if (target[0] != '/')
        return error_set(err, ERR_INTERNAL, "a request target begins with a slash");
    for (; *target != '\0'; target++) {
        if (*target <= ' ' || *target > '~')
            return error_set(err, ERR_INTERNAL, "a request target is not percent-encoded");
    }
    for (const char *const *header = exchange->headers; header != NULL && *header != NULL; header++) {
        if (strpbrk(*header, "\r\n") != NULL)
            return error_set(err, ERR_INTERNAL, "a line break inside a request header");
    }
    return true;
}

static bool format_url(const struct http_client *client, const char *target, char out[URL_MAX_BYTES],
                       struct error *err)
{
    bool ipv6 = strchr(client->host, ':') != NULL;
    const char *zone = strchr(client->host, '%');
    int address_size = zone != NULL ? (int)(zone - client->host) : (int)strlen(client->host);
    int size = snprintf(out, URL_MAX_BYTES, "http%s://%s%.*s%s%s%s:%u%s", client->tls ? "s" : "",
                        ipv6 ? "[" : "", address_size, client->host, zone != NULL ? "%25" : "",
                        zone != NULL ? zone + 1 : "", ipv6 ? "]" : "", client->port, target);
    return size < URL_MAX_BYTES ||
           error_set(err, ERR_LIMIT, "a request address is longer than %d bytes", URL_MAX_BYTES);
}

static void scope_slist(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static bool has_header(const char *const *headers, const char *name)
{
    size_t size = strlen(name);
    for (; headers != NULL && *headers != NULL; headers++) {
        if (strncasecmp(*headers, name, size) == 0 && (*headers)[size] == ':')
            return true;
    }
    return false;
}

static bool add_line(struct curl_slist **list, const char *line, struct error *err)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for request headers");
    *list = longer;
    return true;
}

static bool list_headers(const struct http_exchange *exchange, struct curl_slist **list, struct error *err)
{
    for (const char *const *header = exchange->headers; header != NULL && *header != NULL; header++) {
        if (!add_line(list, *header, err))
            return false;
    }
    if (exchange->upload != NULL && !add_line(list, "Expect: 100-continue", err))
        return false;
    /* without this curl would call every body a web form */
    return has_header(exchange->headers, "Content-Type") || add_line(list, "Content-Type:", err);
}

/* Everything that stays the same for a kept connection. */
static void set_connection(struct http_client *client)
{
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, client->tls ? "https" : "http");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* also shuts out http_proxy of the environment */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "telehaul/" TELEHAUL_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->floor_s);
    if (client->interface[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_INTERFACE, client->interface);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    if (!client->tls)
        return;
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* A machine's certificate is self-signed and names no host: its chain and its name prove nothing. What
     * proves who it is, is its pinned key; before the first pin the caller asks a person (peer_cert_pem). */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    if (client->pin[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, client->pin);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    /* without these a GnuTLS libcurl loads all of the system's authorities, for every connection */
    curl_easy_setopt(curl, CURLOPT_CAINFO, "/dev/null");
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

static void set_request(CURL *curl, const struct http_exchange *exchange)
{
    if (exchange->body.data != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.size);
    } else if (exchange->upload == NULL && strcmp(exchange->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    } else if (exchange->upload == NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, exchange->method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)exchange->total_ms);
}

/* ---- what came of it ---- */

static void keep_peer_certificate(struct http_client *client)
{
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(client->curl, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs < 1)
        return; /* a kept connection: the one from its start is still right */
    for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, "Cert:", 5) != 0)
            continue;
        buf_reset(&client->peer_pem);
        buf_append_text(&client->peer_pem, line->data + 5);
        buf_text(&client->peer_pem);
    }
}

static bool was_connected(CURL *curl)
{
    curl_off_t us = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

/* What curl says, or what the system said when that is plainer. */
static const char *reason(const struct http_client *client, CURLcode code)
{
    long number = 0;
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0)
        return strerrordesc_np((int)number);
    return client->message[0] != '\0' ? client->message : curl_easy_strerror(code);
}

static bool timed_out(const struct http_client *client, struct error *err)
{
    if (!was_connected(client->curl))
        return error_set(err, ERR_UNREACHABLE, "could not reach %s:%u: no connection within %d ms",
                         client->host, client->port, client->connect_ms);
    return error_set(err, ERR_TIMEOUT, "%s:%u was too slow: %s", client->host, client->port, client->message);
}

static bool explain(const struct http_client *client, CURLcode code, struct error *err)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return error_set(err, ERR_UNREACHABLE, "could not reach %s:%u: %s", client->host, client->port,
                         reason(client, code));
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(err, ERR_UNREACHABLE, "no TLS connection with %s:%u: %s", client->host, client->port,
                         reason(client, code));
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(client, err);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return error_set(err, ERR_CHANGED, "%s:%u shows another key than the pinned one", client->host,
                         client->port);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return error_set(err, ERR_UNREACHABLE, "the connection to %s:%u broke off: %s", client->host,
                         client->port, reason(client, code));
    case CURLE_OUT_OF_MEMORY:
        return error_set(err, ERR_MEMORY, "no memory left for a request");
    default:
        return error_set(err, ERR_PROTOCOL, "%s:%u does not answer as it should: %s", client->host,
                         client->port, reason(client, code));
    }
}

bool http_client_exchange(struct http_client *client, struct http_exchange *exchange, struct error *err)
{
    char url[URL_MAX_BYTES];
    SCOPE(scope_slist) struct curl_slist *headers = NULL;
    if (!request_ok(exchange, err) || !format_url(client, exchange->target, url, err) ||
        !list_headers(exchange, &headers, err))
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
    set_request(curl, exchange);
    http_sending_set(&sending);
    exchange->status = 0;
    buf_reset(&client->headers);
    client->message[0] = '\0';
    if (err != NULL)
        err->code = ERR_NONE; /* so that a sink's own error can be told from none */
    CURLcode code = curl_easy_perform(curl);
    keep_peer_certificate(client);
    if (code != CURLE_OK)
        return transfer.refused || sending.failed ? false : explain(client, code, err);
    /* for curl a connection that ends politely inside the headers is an answer without a body */
    return transfer.headers_done ||
           error_set(err, ERR_UNREACHABLE, "the connection to %s:%u broke off inside an answer's headers",
                     client->host, client->port);
}

const char *http_client_header(const struct http_client *client, const char *name)
{
    size_t size = strlen(name);
    const char *end = client->headers.data + client->headers.size;
    for (const char *line = client->headers.data; line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " \t");
    }
    return NULL;
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
