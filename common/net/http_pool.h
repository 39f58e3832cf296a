/* Many HTTP exchanges with many hosts at once, from one thread's event loop: libcurl multi handles behind an
 * epoll of ours, connections kept alive, each host's key pinned, bodies streamed both ways with
 * back-pressure. Never follows redirects, never uses a proxy, never checks chains: a peer is pinned or is
 * plain HTTP. Knows nothing of vehicles. Threads: everything from the loop's own thread.
 * http_client_global_init comes first. Hosts are spread over many multi handles, since one with 10,000
 * connections is ten times slower than 100 with 100 each (docs/performance.md). */
#ifndef COMMON_NET_HTTP_POOL_H
#define COMMON_NET_HTTP_POOL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/os/loop.h"

enum { HTTP_POOL_STALL_MS = 2000, HTTP_POOL_TIMES = 2 };

struct http_pool;
struct http_transfer; /* one exchange under way; gone when its `done` has returned */

struct http_pool_config {
    struct loop *loop; /* borrowed */
    /* Exchanges under way; further ones wait in the order of their start. One whose peer has kept us waiting
     * for HTTP_POOL_STALL_MS does not count as long as it does, so that slow peers hold up nobody; all
     * together there are HTTP_POOL_TIMES as many at most. */
    size_t max_parallel;
    /* Connections kept alive between exchanges, over all hosts: about so many (each multi handle keeps its
     * share and half as many again), and fewer when the limit of descriptors, which is raised, allows no
     * more. */
    size_t max_idle;
    int64_t connect_ms; /* 0: HTTP_CLIENT_CONNECT_MS */
};
struct http_pool *http_pool_new(const struct http_pool_config *config, struct error *err) MUST_USE;
/* Every transfer ends with ERR_CANCELLED, its `done` called. Not from a callback of the pool's. NULL is fine.
 */
void http_pool_free(struct http_pool *pool);

enum http_take {
    HTTP_TAKEN,
    HTTP_PAUSE, /* not taken: it comes again after http_transfer_resume, perhaps with more behind it */
    HTTP_STOP,  /* the transfer ends with ERR_CANCELLED */
};

struct http_pool_answer {
    const struct error *err; /* NULL: an answer came whole, whatever its status. Codes as
                     http_client_exchange, but ERR_TIMEOUT when no connection came about in time */
    unsigned status;         /* 0: none came */
    struct view body;        /* what was kept; valid until `done` returns */
    uint64_t wire_bytes;     /* of the body as they came over the wire, also of one that broke off */
    int64_t duration_us;     /* from its real start */
};

struct http_pool_request {
    const char *host; /* name or address, IPv6 without brackets; copied, as all texts here */
    uint16_t port;
    bool tls;
    const char
        *pin; /* with tls: hex SHA-256 of the SubjectPublicKeyInfo; NULL: anybody, for a first contact */
    const char *method;         /* "GET", "POST" */
    const char *target;         /* path and query, percent-encoded by the caller */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct view body;           /* copied; sent when body.data is not NULL */
    int upload_fd; /* sent in place of body when upload_bytes > 0: Expect: 100-continue; borrowed */
    uint64_t upload_bytes;
    bool gzip; /* asks for gzip; what `piece` gets is unpacked */
    /* The caller finds out from the body alone whether it is whole (JSON). Only then an answer may be one
     * that has neither Content-Length nor chunks and ends with its connection (RFC 9112, 6.3, item 8); else:
     * ERR_PROTOCOL. Over TLS that end must be said (close_notify): a bare one is ERR_UNREACHABLE. */
    bool body_ends_itself;
    int64_t total_ms; /* from its real start, pauses of ours left out; 0: only the floor of progress */
    int64_t
        floor_s; /* slower than HTTP_CLIENT_FLOOR_BYTES_S for so long: ERR_TIMEOUT; 0: HTTP_CLIENT_FLOOR_S */
    /* Of the answer, unpacked; more: ERR_LIMIT. 0: no limit for a sink, which bounds itself; 1 MiB of what is
     * kept. */
    size_t max_body_bytes;
    /* The body of a 2xx, piece by piece; NULL: it is kept and given to `done`. Bodies of other statuses are
     * always kept (64 KiB). */
    enum http_take (*piece)(void *context, struct view piece);
    /* The headers of a 2xx are complete; false stops it. NULL: not needed. http_transfer_header works here.
     */
    bool (*headers_done)(void *context, struct http_transfer *transfer);
    /* Called exactly once, from the loop, never from within http_pool_start. */
    void (*done)(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer);
    void *context;
};

/* NULL with err only for want of memory, a request that cannot be (no host, a bad pin), or when the pool is
 * being freed: then `done` is not called. */
struct http_transfer *http_pool_start(struct http_pool *pool, const struct http_pool_request *request,
                                      struct error *err) MUST_USE;
void http_transfer_resume(struct http_transfer *transfer); /* no harm when it is not paused */
/* Ends it: `done` with ERR_CANCELLED, from the loop, soon. */
void http_transfer_cancel(struct http_transfer *transfer);
/* A header of the answer, or NULL. In headers_done and done. */
const char *http_transfer_header(const struct http_transfer *transfer, const char *name);
/* PEM of the certificate that the server has shown: without a pin, in headers_done and done; of another key
 * than the pinned one, in done. Else "". */
const char *http_transfer_peer_cert_pem(const struct http_transfer *transfer);

/* Drops the idle connections of a host. */
void http_pool_forget(struct http_pool *pool, const char *host, uint16_t port);

struct http_pool_counts {
    size_t running, waiting;
    uint64_t started, reused_connections, failed;
};
struct http_pool_counts http_pool_counts(const struct http_pool *pool);

#endif
