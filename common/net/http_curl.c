#include "common/net/http_curl.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* ---- what a request is made of ---- */

bool http_curl_host_ok(const char *host)
{
    size_t size = strlen(host);
    if (size == 0 || size >= HTTP_CURL_HOST_MAX_BYTES)
        return false;
    bool ipv6 = strchr(host, ':') != NULL;
    for (; *host != '\0'; host++) {
        bool plain = isalnum((unsigned char)*host) || strchr(".-_", *host) != NULL;
        if (!plain && !(ipv6 && (*host == ':' || *host == '%')))
            return false;
    }
    return true;
}

bool http_curl_pin(const char *spki_sha256_hex, char out[HTTP_CURL_PIN_BYTES], struct error *err)
{
    unsigned char hash[HTTP_CURL_SPKI_SHA256_BYTES];
    if (!text_hex_decode(view_of(spki_sha256_hex), hash, sizeof(hash)))
        return error_set(err, ERR_INPUT, "a fingerprint is %d hexadecimal digits",
                         2 * HTTP_CURL_SPKI_SHA256_BYTES);
    char base64[TEXT_BASE64_BYTES(HTTP_CURL_SPKI_SHA256_BYTES)];
    text_base64_encode(base64, hash, sizeof(hash));
    snprintf(out, HTTP_CURL_PIN_BYTES, "sha256//%s", base64);
    return true;
}

static bool target_ok(const char *target, struct error *err)
{
    if (target[0] != '/')
        return error_set(err, ERR_INTERNAL, "a request target begins with a slash");
    for (; *target != '\0'; target++) {
        if (*target <= ' ' || *target > '~')
            return error_set(err, ERR_INTERNAL, "a request target is not percent-encoded");
    }
    return true;
}

bool http_curl_url(const struct http_site *site, const char *target, char out[HTTP_CURL_URL_MAX_BYTES],
                   struct error *err)
{
    if (!target_ok(target, err))
        return false;
    bool ipv6 = strchr(site->host, ':') != NULL;
    const char *zone = strchr(site->host, '%');
    int address_size = zone != NULL ? (int)(zone - site->host) : (int)strlen(site->host);
    int size = snprintf(out, HTTP_CURL_URL_MAX_BYTES, "http%s://%s%.*s%s%s%s:%u%s", site->tls ? "s" : "",
                        ipv6 ? "[" : "", address_size, site->host, zone != NULL ? "%25" : "",
                        zone != NULL ? zone + 1 : "", ipv6 ? "]" : "", site->port, target);
    return size < HTTP_CURL_URL_MAX_BYTES ||
           error_set(err, ERR_LIMIT, "a request address is longer than %d bytes", HTTP_CURL_URL_MAX_BYTES);
}

bool http_curl_add_header(struct curl_slist **list, const char *line, struct error *err)
{
    if (strpbrk(line, "\r\n") != NULL)
        return error_set(err, ERR_INTERNAL, "a line break inside a request header");
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for request headers");
    *list = longer;
    return true;
}

bool http_curl_headers(const char *const *headers, struct curl_slist **list, struct error *err)
{
    bool typed = false;
    for (; headers != NULL && *headers != NULL; headers++) {
        if (!http_curl_add_header(list, *headers, err))
            return false;
        typed = typed || strncasecmp(*headers, "Content-Type:", strlen("Content-Type:")) == 0;
    }
    /* without this curl would call every body a web form */
    return typed || http_curl_add_header(list, "Content-Type:", err);
}

/* ---- options ---- */

void http_curl_set_fixed(CURL *curl, char *message)
{
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* also shuts out http_proxy of the environment */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "telehaul/" TELEHAUL_VERSION);
}

void http_curl_set_tls(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* A machine's certificate is self-signed and names no host: its chain and its name prove nothing. What
     * proves who it is, is its pinned key; before the first pin the caller asks a person (peer_cert_pem). */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    /* without these a GnuTLS libcurl loads all of the system's authorities, for every connection */
    curl_easy_setopt(curl, CURLOPT_CAINFO, "/dev/null");
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

void http_curl_set_body(CURL *curl, const char *method, struct view body, bool upload)
{
    if (body.data != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    } else if (!upload && strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    } else if (!upload) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

/* ---- the head of an answer ---- */

static bool end_is_known(const struct http_head *head)
{
    return head->body_ends_itself || head->status == 204 || head->status == 304 ||
           http_head_find(head, "Content-Length") != NULL ||
           http_head_find(head, "Transfer-Encoding") != NULL;
}

static bool end_head(struct http_head *head, CURL *curl, struct error *err)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return true; /* 100 Continue: the real one follows */
    head->status = (unsigned)status;
    return end_is_known(head) ||
           error_set(err, ERR_PROTOCOL, "an answer whose size is unknown could end anywhere");
}

bool http_head_take(struct http_head *head, CURL *curl, struct view line, struct error *err)
{
    head->bytes += line.size;
    if (head->bytes > HTTP_CLIENT_MAX_HEADER_BYTES)
        return error_set(err, ERR_PROTOCOL, "more than %d bytes of headers", HTTP_CLIENT_MAX_HEADER_BYTES);
    if (head->status != 0)
        return true; /* trailers: nobody asked for them */
    while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    if (line.size == 0)
        return end_head(head, curl, err);
    if (view_starts(line, "HTTP/"))
        buf_reset(&head->lines); /* those before belong to a 100 Continue */
    buf_append_view(&head->lines, line);
    buf_append_byte(&head->lines, '\0');
    return buf_check(&head->lines, "the answer's headers", err);
}

void http_head_reset(struct http_head *head)
{
    buf_reset(&head->lines);
    head->bytes = 0;
    head->status = 0;
}

const char *http_head_find(const struct http_head *head, const char *name)
{
    size_t size = strlen(name);
    const char *end = head->lines.data + head->lines.size;
    for (const char *line = head->lines.data; line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " \t");
    }
    return NULL;
}

bool http_curl_keep_body(struct buf *body, unsigned status, struct view piece, struct error *err)
{
    if (status / 100 != 2 && body->size + piece.size > HTTP_CURL_ERROR_BODY_MAX_BYTES)
        return error_set(err, ERR_PROTOCOL, "an answer of status %u with more than %d bytes", status,
                         HTTP_CURL_ERROR_BODY_MAX_BYTES);
    buf_append_view(body, piece);
    return buf_check(body, "the answer", err);
}

/* ---- what came of it ---- */

void http_curl_peer_pem(CURL *curl, struct buf *pem)
{
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs < 1)
        return;
    for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, "Cert:", 5) != 0)
            continue;
        buf_reset(pem);
        buf_append_text(pem, line->data + 5);
        buf_text(pem);
    }
}

bool http_curl_is_connected(CURL *curl)
{
    curl_off_t us = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

/* What curl says, or what the system said when that is plainer. */
static const char *reason(const struct http_failure *failure)
{
    long number = 0;
    curl_easy_getinfo(failure->curl, CURLINFO_OS_ERRNO, &number);
    if (failure->code == CURLE_COULDNT_CONNECT && number != 0)
        return strerrordesc_np((int)number);
    return failure->message[0] != '\0' ? failure->message : curl_easy_strerror(failure->code);
}

static bool timed_out(const struct http_failure *failure, struct error *err)
{
    const struct http_site *site = failure->site;
    if (!http_curl_is_connected(failure->curl))
        return error_set(err, ERR_UNREACHABLE, "could not reach %s:%u: no connection within %" PRId64 " ms",
                         site->host, site->port, failure->connect_ms);
    return error_set(err, ERR_TIMEOUT, "%s:%u was too slow: %s", site->host, site->port, failure->message);
}

/* What libcurl says to a header line of more than 100 KiB, too. */
static bool out_of_memory(const struct http_failure *failure, struct error *err)
{
    const struct http_site *site = failure->site;
    if (http_curl_is_connected(failure->curl) && failure->head->status == 0)
        return error_set(err, ERR_PROTOCOL,
                         "%s:%u does not answer as it should: a header without an end (or no memory is left)",
                         site->host, site->port);
    return error_set(err, ERR_MEMORY, "no memory left for a request");
}

bool http_curl_explain(const struct http_failure *failure, struct error *err)
{
    const struct http_site *site = failure->site;
    switch (failure->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return error_set(err, ERR_UNREACHABLE, "could not reach %s:%u: %s", site->host, site->port,
                         reason(failure));
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(err, ERR_UNREACHABLE, "no TLS connection with %s:%u: %s", site->host, site->port,
                         reason(failure));
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(failure, err);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return error_set(err, ERR_CHANGED, "%s:%u shows another key than the pinned one", site->host,
                         site->port);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return error_set(err, ERR_UNREACHABLE, "the connection to %s:%u broke off: %s", site->host,
                         site->port, reason(failure));
    case CURLE_OUT_OF_MEMORY:
        return out_of_memory(failure, err);
    default:
        return error_set(err, ERR_PROTOCOL, "%s:%u does not answer as it should: %s", site->host, site->port,
                         reason(failure));
    }
}
