/* The table of a server's connections: counts them by address and closes those past their header deadline,
 * idle too long or below the floor of progress; when it is nearly full, the oldest that still owe their
 * headers. Looks at sockets and clocks only; knows nothing of what is served.
 * Threads: safe. A row may be closed for as long as its owner has not removed it, and the owner removes it
 * before it closes the socket: so it is always the right one. */
#ifndef COMMON_NET_HTTP_CONNECTIONS_H
#define COMMON_NET_HTTP_CONNECTIONS_H

#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/net/http_address.h"

struct http_connections;
struct http_connection;

struct http_connection_limits {
    unsigned max_connections;
    unsigned max_connections_an_address;
    int first_header_deadline_ms;
    int idle_ms;
    int progress_window_ms;
    int progress_floor_bytes_s;
};

/* clock: borrowed. */
struct http_connections *http_connections_new(const struct http_connection_limits *limits,
                                              const struct clock *clock, struct error *err) MUST_USE;
void http_connections_free(struct http_connections *table); /* NULL is fine */

/* Whether one more of this address fits. */
bool http_connections_admits(struct http_connections *table, const struct http_address *address);

/* A connection begins: it owes its first headers. fd: borrowed until http_connections_remove. NULL when the
 * table is full. */
struct http_connection *http_connections_add(struct http_connections *table, int fd,
                                             const struct http_address *address) MUST_USE;
void http_connections_remove(struct http_connections *table, struct http_connection *row);

/* Never changes while the row is there. */
const struct http_address *http_connection_address(const struct http_connection *row);

/* The steps of a request. */
void http_connection_headers_done(struct http_connections *table, struct http_connection *row,
                                  bool body_follows);
void http_connection_answers(struct http_connections *table, struct http_connection *row);
void http_connection_request_done(struct http_connections *table, struct http_connection *row);
/* It was answered while it still sends its body; the connection ends with this answer. By its own thread. */
void http_connection_set_cut_short(struct http_connection *row);
bool http_connection_cut_short(const struct http_connection *row);
int http_connection_fd(const struct http_connection *row);

/* Shuts the connection down and lets the kernel drop what it has not sent. */
void http_connection_abort(struct http_connections *table, struct http_connection *row);
/* True when the peer closed its side: nobody polls a suspended connection. */
bool http_connection_peer_left(const struct http_connection *row);

/* Looks at every row and closes what is due. Returns how many. */
size_t http_connections_sweep(struct http_connections *table);
/* Waits until no row is between its headers and the end of its answer: true. After grace_ms clients are
 * waited for no more, only what we owe ourselves (a body that came, an answer that the socket would take), on
 * a busy machine; after most_ms nothing is. Real time. */
bool http_connections_wait_idle(struct http_connections *table, int grace_ms, int most_ms);
size_t http_connections_count(struct http_connections *table);

/* What the sweep decides by, for one row. */
enum http_connection_state {
    HTTP_OWES_FIRST_HEADERS, /* accepted; TLS handshake and first request's headers */
    HTTP_OWES_NEXT_HEADERS,  /* kept alive after an answer */
    HTTP_SENDS_BODY,         /* headers complete, body under way */
    HTTP_TAKES_ANSWER,       /* the request is whole; we work or it reads */
};

struct http_connection_sample {
    int64_t now_us;
    uint64_t received_bytes; /* from the peer, ever */
    uint64_t acked_bytes;    /* by the peer, ever */
    uint64_t unsent_bytes;   /* written by us and not yet acknowledged */
    uint64_t unread_bytes;   /* sent by the peer and not yet read by us */
};

enum http_connection_verdict {
    HTTP_KEEP,
    HTTP_CLOSE, /* past its deadline: closed in good order */
    HTTP_ABORT, /* below the floor: what it did not take is dropped */
};

struct http_connection_progress {
    enum http_connection_state state;
    int64_t since_us;         /* when the state began */
    bool waiting;             /* it has been the peer's turn since window_us */
    int64_t window_us;        /* the window's beginning ... */
    uint64_t window_bytes;    /* ... what had moved then ... */
    uint64_t window_expected; /* ... and what there was to move at all */
};

/* Pure. Only time in which it is the peer's turn counts: a body is expected and nothing of it waits to be
 * read, or an answer waits to be taken. */
enum http_connection_verdict http_connection_judge(struct http_connection_progress *progress,
                                                   const struct http_connection_limits *limits,
                                                   const struct http_connection_sample *sample);

#endif
