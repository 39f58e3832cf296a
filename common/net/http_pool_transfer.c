#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/net/http_pool_internal.h"

enum {
    KEPT_BODY_MAX_BYTES = 1024 * 1024, /* when the caller names no limit */
    ATTEMPTS_MAX = 3,                  /* a kept connection that is dead, an anew made one */
    ANSWER_S = 600,                    /* to a file that has been sent whole */
};

/* ---- the request ---- */

static bool copy_text(char **out, const char *text, size_t size)
{
    *out = malloc(size + 1);
    if (*out == NULL)
        return false;
    memcpy(*out, text, size);
    (*out)[size] = '\0';
    return true;
}

static bool copy_texts(struct http_transfer *transfer, const struct http_pool_request *request,
                       struct error *err)
{
    char url[HTTP_CURL_URL_MAX_BYTES];
    if (!http_curl_url(&transfer->site, request->target, url, err))
        return false;
    struct view body = request->body;
    bool copied = copy_text(&transfer->url, url, strlen(url)) &&
                  copy_text(&transfer->method, request->method, strlen(request->method)) &&
                  (body.data == NULL || copy_text(&transfer->body, body.data, body.size));
    return copied || error_set(err, ERR_MEMORY, "no memory left for a request");
}

static bool copy_headers(struct http_transfer *transfer, struct error *err)
{
    const struct http_pool_request *request = &transfer->request;
    return http_curl_headers(request->headers, &transfer->headers, err) &&
           (!request->gzip || http_curl_add_header(&transfer->headers, "Accept-Encoding: gzip", err)) &&
           (request->upload_bytes == 0 ||
            http_curl_add_header(&transfer->headers, "Expect: 100-continue", err));
}

static bool copy_request(struct http_transfer *transfer, const struct http_pool_request *request,
                         struct error *err)
{
    if (request->host == NULL || !http_curl_host_ok(request->host) ||
        !text_copy(transfer->site.host, sizeof(transfer->site.host), view_of(request->host)))
        return error_set(err, ERR_USAGE, "`%.80s` is no host name and no address",
                         request->host != NULL ? request->host : "");
    transfer->site.port = request->port;
    transfer->site.tls = request->tls;
    transfer->site_key = http_pool_site_key(&transfer->site);
    transfer->request = *request;
    if (request->piece == NULL && request->max_body_bytes == 0)
        transfer->request.max_body_bytes = KEPT_BODY_MAX_BYTES;
    if (request->floor_s <= 0)
        transfer->request.floor_s = HTTP_CLIENT_FLOOR_S;
    if (request->tls && request->pin != NULL && !http_curl_pin(request->pin, transfer->pin, err))
        return false;
    if (!copy_texts(transfer, request, err) || !copy_headers(transfer, err))
        return false;
    struct http_pool_request *copy = &transfer->request;
    copy->host = copy->pin = copy->method = copy->target = NULL; /* the caller's */
    copy->headers = NULL;
    copy->body.data = NULL;
    return true;
}

struct http_transfer *http_transfer_new(struct http_pool *pool, const struct http_pool_request *request,
                                        struct error *err)
{
    struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a request");
        return NULL;
    }
    transfer->pool = pool;
    transfer->fd = -1;
    transfer->head = (struct http_head)HTTP_HEAD_EMPTY;
    transfer->head.body_ends_itself = request->body_ends_itself;
    transfer->pem = (struct buf)BUF_LIMIT(HTTP_CURL_PEM_MAX_BYTES);
    if (!copy_request(transfer, request, err)) {
        http_transfer_free(transfer);
        return NULL;
    }
    return transfer;
}

void http_transfer_free(struct http_transfer *transfer)
{
    if (transfer->unpacking != NULL)
        gzip_reader_free(transfer->unpacking->reader);
    free(transfer->unpacking);
    buf_clear(&transfer->head.lines);
    buf_clear(&transfer->kept);
    buf_clear(&transfer->pem);
    curl_slist_free_all(transfer->headers);
    free(transfer->url);
    free(transfer->method);
    free(transfer->body);
    free(transfer);
}

/* ---- its start ---- */

static bool is_numeric(const char *host)
{
    struct in_addr address;
    return strchr(host, ':') != NULL || inet_pton(AF_INET, host, &address) == 1;
}

static void set_connection(const struct http_transfer *transfer, CURL *curl)
{
    const struct http_pool_config *config = &transfer->pool->config;
    bool pinned = transfer->pin[0] != '\0';
    /* A first contact: the certificate is shown, and nobody else uses what was made with anybody. */
    bool alone = transfer->site.tls && !pinned;
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms);
    curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pinned ? transfer->pin : NULL);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, transfer->site.tls ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, alone || config->max_idle == 0 ? 1L : 0L);
    if (alone)
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT,
                     is_numeric(transfer->site.host) ? -1L : (long)HTTP_POOL_DNS_CACHE_S);
}

static void set_request(struct http_transfer *transfer, CURL *curl)
{
    const struct http_pool_request *request = &transfer->request;
    bool uploads = request->upload_bytes > 0;
    transfer->upload =
        (struct http_upload){.fd = request->upload_fd, .bytes = request->upload_bytes, .answer_s = ANSWER_S};
    transfer->sending = (struct http_sending){.upload = uploads ? &transfer->upload : NULL,
                                              .curl = curl,
                                              .err = &transfer->err,
                                              .floor_s = (int)request->floor_s};
    curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    struct view body = {transfer->body, transfer->body != NULL ? request->body.size : 0};
    http_curl_set_body(curl, transfer->method, body, uploads);
    http_sending_set(&transfer->sending);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE,
                     request->piece != NULL ? (long)HTTP_POOL_SINK_BUFFER_BYTES
                                            : (long)HTTP_POOL_BUFFER_BYTES);
}

bool http_transfer_begin(struct http_transfer *transfer, struct error *err)
{
    CURL *curl = transfer->easy->curl;
    transfer->easy->message[0] = '\0';
    set_request(transfer, curl);
    set_connection(transfer, curl);
    http_pool_set_sockets(curl, transfer);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, http_transfer_on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_transfer_on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    transfer->started_us = clock_monotonic_us(clock_system());
    if (transfer->request.total_ms > 0)
        transfer->deadline_us = transfer->started_us + transfer->request.total_ms * US_PER_MS;
    CURLMcode code = curl_multi_add_handle(transfer->multi->multi, curl);
    return code == CURLM_OK || error_set(err, code == CURLM_OUT_OF_MEMORY ? ERR_MEMORY : ERR_INTERNAL,
                                         "libcurl: %s", curl_multi_strerror(code));
}

/* ---- its progress ---- */

static bool not_connected(const struct http_transfer *transfer, int64_t ms, struct error *err)
{
    return error_set(err, ERR_TIMEOUT, "could not reach %s:%u: no connection within %" PRId64 " ms",
                     transfer->site.host, transfer->site.port, ms);
}

static bool too_late(const struct http_transfer *transfer, struct error *err)
{
    const struct http_site *site = &transfer->site;
    if (!http_curl_is_connected(transfer->easy->curl))
        return not_connected(transfer, transfer->request.total_ms, err);
    return error_set(err, ERR_TIMEOUT, "%s:%u was too slow: no whole answer within %" PRId64 " ms",
                     site->host, site->port, transfer->request.total_ms);
}

static uint64_t sent_bytes(CURL *curl)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    return (uint64_t)sent;
}

static bool above_floor(struct http_transfer *transfer, uint64_t moved, int64_t now_us, struct error *err)
{
    int64_t floor_s = transfer->request.floor_s;
    if (transfer->window_us == 0 ||
        moved >= transfer->window_moved + HTTP_CLIENT_FLOOR_BYTES_S * (uint64_t)floor_s) {
        transfer->window_us = now_us;
        transfer->window_moved = moved;
        return true;
    }
    return now_us - transfer->window_us < floor_s * US_PER_S ||
           error_set(err, ERR_TIMEOUT, "%s:%u was too slow: less than %d bytes a second for %" PRId64 " s",
                     transfer->site.host, transfer->site.port, HTTP_CLIENT_FLOOR_BYTES_S, floor_s);
}

bool http_transfer_in_time(struct http_transfer *transfer, int64_t now_us, struct error *err)
{
    if (transfer->paused)
        return true;
    if (transfer->deadline_us > 0 && now_us > transfer->deadline_us)
        return too_late(transfer, err);
    CURL *curl = transfer->easy->curl;
    if (!http_curl_is_connected(curl)) {
        /* libcurl's own limit comes first, for each of its attempts */
        int64_t limit_ms = ATTEMPTS_MAX * transfer->pool->config.connect_ms;
        return now_us - transfer->started_us < limit_ms * US_PER_MS || not_connected(transfer, limit_ms, err);
    }
    uint64_t sent = sent_bytes(curl);
    uint64_t received = transfer->head.bytes + transfer->wire_bytes;
    if (transfer->sending.upload == NULL)
        return above_floor(transfer, sent + received, now_us, err);
    if (http_sending_watch(&transfer->sending, sent, received))
        return true;
    *err = transfer->err;
    return false;
}

bool http_transfer_stalls(const struct http_transfer *transfer, int64_t now_us)
{
    int64_t since_us = transfer->window_us > 0 ? transfer->window_us : transfer->started_us;
    return !transfer->paused && transfer->sending.upload == NULL &&
           now_us - since_us >= (int64_t)HTTP_POOL_STALL_MS * US_PER_MS;
}

CURLcode http_transfer_go_on(struct http_transfer *transfer)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    transfer->paused = false;
    if (transfer->deadline_us > 0)
        transfer->deadline_us += now_us - transfer->paused_us;
    transfer->window_us = 0;
    return curl_easy_pause(transfer->easy->curl, CURLPAUSE_CONT);
}

/* ---- its end ---- */

static bool ends_whole(const struct http_transfer *transfer, struct error *err)
{
    const struct http_site *site = &transfer->site;
    /* for curl a connection that ends politely inside the headers is an answer without a body */
    if (transfer->head.status == 0)
        return error_set(err, ERR_UNREACHABLE, "the connection to %s:%u broke off inside an answer's headers",
                         site->host, site->port);
    bool open = transfer->unpacking != NULL && transfer->wire_bytes > 0 &&
                !gzip_reader_at_end(transfer->unpacking->reader);
    return !open ||
           error_set(err, ERR_PROTOCOL, "a packed answer of %s:%u ends too early", site->host, site->port);
}

bool http_transfer_outcome(struct http_transfer *transfer, CURLcode code, struct error *err)
{
    CURL *curl = transfer->easy->curl;
    /* of another key than the pinned one, so that both can be named */
    if (transfer->site.tls && (transfer->pin[0] == '\0' || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH))
        http_curl_peer_pem(curl, &transfer->pem);
    if (code == CURLE_OK)
        return ends_whole(transfer, err);
    if (transfer->refused || transfer->sending.failed) {
        *err = transfer->err;
        return false;
    }
    const struct http_failure failure = {
        &transfer->site, curl, code, transfer->easy->message, transfer->pool->config.connect_ms,
        &transfer->head};
    if (!http_curl_explain(&failure, err) && code == CURLE_OPERATION_TIMEDOUT)
        err->code = ERR_TIMEOUT; /* also of one that was never connected */
    return false;
}

const char *http_transfer_header(const struct http_transfer *transfer, const char *name)
{
    return http_head_find(&transfer->head, name);
}

const char *http_transfer_peer_cert_pem(const struct http_transfer *transfer)
{
    return transfer->pem.size > 0 ? transfer->pem.data : "";
}
