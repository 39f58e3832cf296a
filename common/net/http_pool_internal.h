/* Inside http_pool alone: http_pool.c has the queue and the loop's side, http_pool_multi.c libcurl's multi
 * handles and their sockets, http_pool_transfer.c one exchange, http_pool_body.c what comes in of it. */
#ifndef COMMON_NET_HTTP_POOL_INTERNAL_H
#define COMMON_NET_HTTP_POOL_INTERNAL_H

#include "common/net/http_chain.h"
#include "common/net/http_curl.h"
#include "common/net/http_pool.h"
#include "common/net/http_upload.h"
#include "common/pack/gzip.h"

enum {
    HTTP_POOL_UNPACK_BYTES = 64 * 1024,       /* what a sink of a packed body gets at once */
    HTTP_POOL_BUFFER_BYTES = 16 * 1024,       /* one TLS record */
    HTTP_POOL_SINK_BUFFER_BYTES = 128 * 1024, /* for a body that goes to a sink */
    HTTP_POOL_DNS_CACHE_S = 60,
};

/* ---- the pool ---- */

/* libcurl's easy handles are costly to make and are used again and again; none belongs to a host. */
struct http_pool_easy {
    CURL *curl;
    struct http_pool_easy *next; /* in pool->easies */
    char message[CURL_ERROR_SIZE];
};

struct http_pool_multi {
    struct http_pool *pool;
    CURLM *multi;
    struct loop_watch *timer; /* libcurl's own time-outs */
    struct http_link due;     /* in pool->due_multis: it wants to be called at once */
};

/* A descriptor that libcurl has opened, or (its resolver's) waits for. */
struct http_pool_socket {
    struct http_pool_multi *multi; /* NULL: the one that opened it has not said yet */
    struct loop_watch *watch;      /* NULL: nothing is waited for */
    uint64_t site_key;
    int fd;
    bool opened; /* by us: it lives until it is closed */
    bool busy;   /* an exchange has it */
};

struct http_pool {
    struct http_pool_config config;
    struct loop_watch *kick, *tick;
    bool kicked, ticking, closing;
    struct http_chain waiting, running, due; /* of http_transfer */
    struct http_chain due_multis;
    struct http_pool_easy *easies; /* those that nobody uses */
    size_t multi_count;
    struct http_pool_multi **multis;   /* multi_count; NULL until one of its hosts is asked */
    struct http_pool_socket **sockets; /* by descriptor */
    size_t socket_room;
    size_t stalled;                 /* of those that run, as of the last tick */
    struct http_pool_counts counts; /* running and waiting are in their chains */
};

/* Has the loop call the pool soon: whatever is in due, due_multis or waiting is looked after then. */
void http_pool_kick(struct http_pool *pool);
/* Ends a transfer: takes it off its multi handle, calls done, frees it. err: NULL for a whole answer. Never
 * from one of libcurl's callbacks. */
void http_pool_finish(struct http_transfer *transfer, const struct error *err);

/* From anywhere: it ends soon, with the error that its err says. */
void http_transfer_break(struct http_transfer *transfer);

/* ---- multi handles ---- */

uint64_t http_pool_site_key(const struct http_site *site);
/* The one of this host, made when it is the first of its share. NULL with err for want of memory. */
struct http_pool_multi *http_pool_multi_of(struct http_pool *pool, uint64_t site_key,
                                           struct error *err) MUST_USE;
/* fd: CURL_SOCKET_TIMEOUT, or what is ready for `events` of CURL_CSELECT_*. Finishes what has ended. */
void http_pool_multi_drive(struct http_pool_multi *multi, curl_socket_t fd, int events);
/* Every multi handle with its connections; no transfer may be left. */
void http_pool_multis_free(struct http_pool *pool);
/* Sets the callbacks by which the pool knows a handle's sockets. */
void http_pool_set_sockets(CURL *curl, struct http_transfer *transfer);
/* An exchange has ended: the connection that it had is idle now. */
void http_pool_socket_idle(struct http_pool *pool, int fd);

/* ---- one exchange ---- */

/* A packed body on its way. */
struct http_unpacking {
    struct gzip_reader *reader; /* NULL: the body is plain */
    size_t size;                /* unpacked, and not taken yet */
    size_t skip; /* bytes of the piece that libcurl gives again after a pause: unpacked already */
    char out[HTTP_POOL_UNPACK_BYTES];
};

struct http_transfer {
    struct http_pool *pool;
    struct http_link link; /* in pool->waiting or pool->running */
    struct http_link due;
    bool cancelled, broken, resumed, paused, finished;
    bool stalled; /* counted in pool->stalled */

    /* the request; its texts are in `text` */
    struct http_site site;
    uint64_t site_key;
    struct http_pool_request request;
    char pin[HTTP_CURL_PIN_BYTES]; /* as curl wants it; "": none */
    char *url, *method, *body;
    struct curl_slist *headers;

    /* while it runs */
    struct http_pool_easy *easy; /* NULL: it waits */
    struct http_pool_multi *multi;
    int fd; /* of its connection; -1: none is known */
    struct http_upload upload;
    struct http_sending sending;
    int64_t started_us, paused_us;
    int64_t deadline_us; /* 0: none; pauses move it on */
    int64_t window_us;   /* when progress was last good; 0: not connected yet */
    uint64_t window_moved;

    /* the answer */
    struct http_head head;
    struct buf kept, pem;
    struct http_unpacking *unpacking; /* NULL: the body is plain */
    uint64_t wire_bytes, body_bytes;  /* body_bytes: unpacked */
    bool refused;                     /* err says why */
    struct error err;
};

/* Errors: ERR_USAGE, ERR_INPUT, ERR_INTERNAL, ERR_LIMIT, ERR_MEMORY. */
struct http_transfer *http_transfer_new(struct http_pool *pool, const struct http_pool_request *request,
                                        struct error *err) MUST_USE;
void http_transfer_free(struct http_transfer *transfer);
/* Sets its easy handle up and gives it to its multi handle. */
bool http_transfer_begin(struct http_transfer *transfer, struct error *err) MUST_USE;
/* What libcurl said at the end, in our words: true when an answer came whole. */
bool http_transfer_outcome(struct http_transfer *transfer, CURLcode code, struct error *err) MUST_USE;
/* False with err when it has been too slow. */
bool http_transfer_in_time(struct http_transfer *transfer, int64_t now_us, struct error *err) MUST_USE;
/* Its peer has kept us waiting; never while we keep it waiting, nor of a file that is being sent. After
 * http_transfer_in_time. */
bool http_transfer_stalls(const struct http_transfer *transfer, int64_t now_us);
/* After a pause. Not CURLE_OK: it is over. */
CURLcode http_transfer_go_on(struct http_transfer *transfer);

/* libcurl's callbacks. */
size_t http_transfer_on_header(char *data, size_t unit, size_t count, void *context);
size_t http_transfer_on_body(char *data, size_t unit, size_t count, void *context);

#endif
