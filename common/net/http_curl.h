/* What http_client and http_pool ask of libcurl alike: checks of what a request is made of, options, the pin,
 * the head of an answer, libcurl's failures in our words. Inside common/net only. Threads: one at a time. */
#ifndef COMMON_NET_HTTP_CURL_H
#define COMMON_NET_HTTP_CURL_H

#include <curl/curl.h>

#include "common/base/text.h"
#include "common/net/http_client.h"

enum {
    HTTP_CURL_HOST_MAX_BYTES = 254,
    HTTP_CURL_URL_MAX_BYTES = 16 * 1024,
    HTTP_CURL_ERROR_BODY_MAX_BYTES = 64 * 1024, /* of an answer that is no 2xx */
    HTTP_CURL_PEM_MAX_BYTES = 64 * 1024,
    HTTP_CURL_SPKI_SHA256_BYTES = 32,
    HTTP_CURL_PIN_BYTES = sizeof("sha256//") + TEXT_BASE64_BYTES(HTTP_CURL_SPKI_SHA256_BYTES),
};

/* Whom requests go to. */
struct http_site {
    char host[HTTP_CURL_HOST_MAX_BYTES]; /* an IPv6 address without brackets */
    uint16_t port;
    bool tls;
};

/* A name, an IPv4 or an IPv6 address, with its zone: nothing that could become another part of a URL. */
bool http_curl_host_ok(const char *host) MUST_USE;
/* From hex to what curl wants. Errors: ERR_INPUT. */
bool http_curl_pin(const char *spki_sha256_hex, char out[HTTP_CURL_PIN_BYTES], struct error *err) MUST_USE;
/* Errors: ERR_INTERNAL (the target or a header could become something else), ERR_LIMIT. */
bool http_curl_url(const struct http_site *site, const char *target, char out[HTTP_CURL_URL_MAX_BYTES],
                   struct error *err) MUST_USE;
/* headers: may be NULL. *list: to free, on failure too. Errors: ERR_INTERNAL, ERR_MEMORY. */
bool http_curl_headers(const char *const *headers, struct curl_slist **list, struct error *err) MUST_USE;
bool http_curl_add_header(struct curl_slist **list, const char *line, struct error *err) MUST_USE;

/* What never changes in the life of a handle. message: CURL_ERROR_SIZE bytes that live as long as it. */
void http_curl_set_fixed(CURL *curl, char *message);
void http_curl_set_tls(CURL *curl);
/* Method and body, unless a file is the body (http_upload.h). body: borrowed until the transfer's end. */
void http_curl_set_body(CURL *curl, const char *method, struct view body, bool upload);

/* The head of one answer, while it comes in. */
struct http_head {
    struct buf lines; /* "Name: value" and NUL, again and again; of a 100 Continue until the real ones come */
    size_t bytes;     /* of all heads of this answer, 100 Continue and trailers included */
    unsigned status;  /* 0 until the head is complete */
    bool body_ends_itself; /* the caller's: see http_pool_request; else the head must say where the body ends
                            */
};
#define HTTP_HEAD_EMPTY                                                                                      \
    {                                                                                                        \
        .lines = BUF_LIMIT(HTTP_CLIENT_MAX_HEADER_BYTES)                                                     \
    }
/* One line as curl hands it out. Errors: ERR_PROTOCOL (too much of it, an answer with neither Content-Length
 * nor chunks whose body does not end itself), ERR_MEMORY. */
bool http_head_take(struct http_head *head, CURL *curl, struct view line, struct error *err) MUST_USE;
void http_head_reset(struct http_head *head); /* keeps the memory */
/* NULL when there is none; borrowed until the next line. */
const char *http_head_find(const struct http_head *head, const char *name);

/* Appends a piece of a body that is kept. Errors: ERR_PROTOCOL (the long body of no 2xx), ERR_LIMIT. */
bool http_curl_keep_body(struct buf *body, unsigned status, struct view piece, struct error *err) MUST_USE;

/* PEM of the certificate that the server of a new connection has shown (CURLOPT_CERTINFO); untouched when
 * there is none. */
void http_curl_peer_pem(CURL *curl, struct buf *pem);
/* True once a request can leave: connected, TLS too. */
bool http_curl_is_connected(CURL *curl);

struct http_failure {
    const struct http_site *site;
    CURL *curl;
    CURLcode code;
    const char *message; /* curl's own */
    int64_t connect_ms;
    const struct http_head *head; /* of the answer, as far as it came */
};
/* Always false. */
bool http_curl_explain(const struct http_failure *failure, struct error *err);

#endif
