/* HTTP client on libcurl: one connection kept alive, a pinned key, time-outs, a floor of progress, bodies
 * streamed both ways. Never follows redirects, never uses a proxy, never checks chains: a peer is pinned.
 * Threads: one at a time. Call http_client_global_init once, before any thread starts. */
#ifndef COMMON_NET_HTTP_CLIENT_H
#define COMMON_NET_HTTP_CLIENT_H

#include <stdint.h>

#include "common/base/buf.h"

enum {
    HTTP_CLIENT_CONNECT_MS = 10 * 1000,
    HTTP_CLIENT_FLOOR_BYTES_S = 64, /* slower than this for FLOOR_S seconds: ERR_TIMEOUT */
    HTTP_CLIENT_FLOOR_S = 20,
    HTTP_CLIENT_MAX_HEADER_BYTES = 64 * 1024,
};

struct http_client;

bool http_client_global_init(struct error *err) MUST_USE;

struct http_client_config {
    const char *host; /* name or address; an IPv6 address without brackets; copied */
    uint16_t port;
    bool tls;
    int connect_ms;   /* 0: the default */
    int floor_s;      /* 0: the default */
    const char *bind; /* address to connect from; copied; NULL: the system chooses */
};
struct http_client *http_client_new(const struct http_client_config *config, struct error *err) MUST_USE;
void http_client_free(struct http_client *client); /* NULL is fine */

/* From the next request on only a server with this key is spoken to: hex SHA-256 of its DER
 * SubjectPublicKeyInfo. Checked in the handshake, before a byte of the request leaves. Another key:
 * ERR_CHANGED. */
bool http_client_pin(struct http_client *client, const char *spki_sha256_hex, struct error *err) MUST_USE;

/* A file as a request's body. It is announced with `Expect: 100-continue`: a server that refuses it by its
 * headers gets none of it. The floor of progress holds while it is sent; then the answer may take its time.
 */
struct http_upload {
    int fd;                                      /* borrowed; read from its beginning on, its place stays */
    uint64_t bytes;                              /* of the file */
    int answer_s;                                /* how long the answer may take when everything is sent */
    void (*sent)(void *context, uint64_t bytes); /* so much has left so far; NULL: not needed */
    void *context;
};

struct http_exchange {
    const char *method;               /* "GET", "POST" */
    const char *target;               /* path and query, percent-encoded by the caller; borrowed */
    const char *const *headers;       /* "Name: value", NULL-terminated; may be NULL */
    struct view body;                 /* sent when body.data is not NULL */
    const struct http_upload *upload; /* sent in place of body when not NULL; borrowed */
    /* Takes the answer's body of a 2xx; false stops the transfer (ERR_CANCELLED, or what err was set to by
     * the sink itself). NULL: it is kept in answer_body up to its limit. Bodies of other statuses always go
     * to answer_body (64 KiB). */
    bool (*sink)(void *context, struct view piece);
    /* Called once when the headers of a 2xx are complete, before the first piece; NULL: not needed. */
    bool (*headers_done)(void *context, struct http_client *client);
    void *context;
    int64_t total_ms; /* 0: no limit but the floor of progress */
    /* out */
    unsigned status;
    struct buf *answer_body; /* borrowed; with its own limit */
};

/* True when an answer came whole, whatever its status. Errors: ERR_UNREACHABLE (no connection, or it was lost
 * before the answer was whole), ERR_TIMEOUT, ERR_CHANGED (pin), ERR_PROTOCOL (not HTTP, headers too large, an
 * answer with neither Content-Length nor chunks), ERR_LIMIT (answer_body is full), ERR_CANCELLED, ERR_CHANGED
 * (the file of an upload ends too early), ERR_IO (it cannot be read). */
bool http_client_exchange(struct http_client *client, struct http_exchange *exchange,
                          struct error *err) MUST_USE;

/* A header of the last answer, or NULL. Valid until the next exchange. */
const char *http_client_header(const struct http_client *client, const char *name);
/* PEM of the certificate that the server of the last new connection showed, "" when there was no TLS. */
const char *http_client_peer_cert_pem(const struct http_client *client);
/* Drops the kept connection. */
void http_client_close_connection(struct http_client *client);

/* Percent-encodes everything but unreserved characters (RFC 3986, section 2.3). */
void http_encode(struct buf *out, struct view text);

static inline void scope_http_client(struct http_client **client)
{
    http_client_free(*client);
}
#define SCOPE_HTTP_CLIENT SCOPE(scope_http_client)

#endif
