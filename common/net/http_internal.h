/* What the files of the HTTP server share; no other file includes it. http_server.c starts and stops,
 * http_request.c takes requests in, http_answer.c gives answers out, http_events.c is the event streams. */
#ifndef COMMON_NET_HTTP_INTERNAL_H
#define COMMON_NET_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/net/http_connections.h"
#include "common/net/http_linger.h"
#include "common/net/http_server.h"
#include "common/net/http_target.h"

/* For HTTP/1.0; chunks are as large as a connection's memory allows. */
enum { HTTP_STREAM_BLOCK_BYTES = 64 * 1024 };

/* A handler that may wait; the thread is joined by who takes its place next, or by the server's stop. */
struct http_aside {
    enum { HTTP_ASIDE_NONE, HTTP_ASIDE_RUNS, HTTP_ASIDE_ENDS } state;
    pthread_t thread;
    pthread_mutex_t *lock; /* the server's asides_lock */
    struct http_request *request;
    void (*handle)(struct http_request *request);
};

struct http_server {
    struct http_server_config config; /* defaults filled in */
    struct MHD_Daemon *daemon;
    struct http_connections *connections;
    uint16_t port;
    atomic_bool stopping; /* streams break off */

    struct http_linger *linger;

    pthread_t keeper; /* sweeps the connections, sends heartbeats, lets connections linger */
    bool keeper_runs;
    atomic_bool keeper_ends;
    int keeper_wake_fd; /* eventfd: look at keeper_ends and at the lingering ones */

    pthread_mutex_t asides_lock;
    struct http_aside asides[HTTP_ASIDES_MAX];

    pthread_mutex_t hubs_lock;
    struct http_events *hubs; /* freed with the server */
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_connection *row;
    struct http_target target;
    struct error target_error; /* why there is no target */
    const char *method;        /* as sent; MHD's */
    const struct http_route *route;

    bool begun;             /* the headers were looked at */
    bool refused;           /* what comes of the body is thrown away */
    size_t body_bytes;      /* taken so far */
    size_t max_taken_bytes; /* beyond: refused, or closed when that has already happened */
    struct buf body;

    void (*aside)(struct http_request *request); /* to be run on a thread of its own */
    bool was_aside;                              /* and was: it has answered, or never will */

    struct buf headers; /* "name\0value\0"... for the answer */
    bool answered;
    unsigned status;
    struct MHD_Response *response; /* waits to be queued; NULL afterwards */

    void *data;
    void (*release_data)(void *data);
};

/* http_request.c: the callbacks of libmicrohttpd */
void *http_request_open(void *server, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_request_step(void *server, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *piece,
                                  size_t *piece_bytes, void **request);
void http_request_close(void *server, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode how);

/* http_fields.c */
/* A field of the head holds a NUL with something behind it. */
bool http_fields_hide_something(struct http_request *request);

/* http_answer.c */
/* Takes the response over; NULL: no memory, which answers 500 without a body. */
void http_answer_take(struct http_request *request, unsigned status, const char *content_type,
                      struct MHD_Response *response);
/* The same for a response of unknown size: libmicrohttpd 0.9.75 ends a HEAD's answer with a last chunk that
 * no client expects, unless the connection closes. */
void http_answer_take_stream(struct http_request *request, unsigned status, const char *content_type,
                             struct MHD_Response *response);
/* Gives the answer to libmicrohttpd. */
enum MHD_Result http_answer_queue(struct http_request *request);

/* http_aside.c */
/* Suspends the connection and starts request->aside, which answers; false: answer it here. */
bool http_aside_start(struct http_request *request) MUST_USE;
/* Until none is under way and their connections go on; after `stopping` is set no new one begins. */
void http_asides_wait(struct http_server *server);

/* http_events.c */
void http_events_tick(struct http_events *hub, int64_t now_us);
void http_events_end(struct http_events *hub);
struct http_events *http_events_destroy(struct http_events *hub); /* returns the next one */
struct http_events *http_events_next(struct http_events *hub);

#endif
