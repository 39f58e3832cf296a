/* HTTP server on libmicrohttpd: a route table, limits, bodies streamed both ways, TLS, server-sent events,
 * and a table of connections that closes those past their header deadline or below their floor of progress.
 * Knows nothing of sessions, PINs or JSON.
 * Threads: handlers run on the server's own HTTP_THREADS threads, several at a time; a request belongs to one
 * thread at a time. A handler must not block for longer than it takes to produce one chunk: it holds up the
 * other connections of its thread. */
#ifndef COMMON_NET_HTTP_SERVER_H
#define COMMON_NET_HTTP_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    /* Each waits with poll(2), whose cost grows with its connections: with eight, 256 idle ones cost a
     * request about 1 us. libmicrohttpd 0.9.75 with epoll stalls when exactly 128 events come at once. */
    HTTP_THREADS = 8,
    HTTP_MAX_CONNECTIONS = 1024,
    HTTP_MAX_CONNECTIONS_AN_ADDRESS = 64,
    HTTP_MAX_HEADER_BYTES = 16 * 1024,
    HTTP_MAX_URL_BYTES = 4096,
    HTTP_FIRST_HEADER_DEADLINE_MS = 10 * 1000, /* from accept (TLS handshake included) to headers complete */
    HTTP_IDLE_MS = 75 * 1000, /* from an answer's end to the next request's headers; fleets ask every 30 s */
    HTTP_PROGRESS_WINDOW_MS = 10 * 1000,
    HTTP_PROGRESS_FLOOR_BYTES_S = 64, /* either way, averaged over the window */
    HTTP_ADDRESS_BYTES = 46,
    HTTP_SSE_HEARTBEAT_MS = 15 * 1000,
    HTTP_ASIDES_MAX = 16, /* handlers that wait on threads of their own; further ones get 503 `busy` */
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };

struct http_server;
struct http_request; /* lives from its headers to the end of its answer */

/* ---- what a handler can ask ---- */
const char *http_path(const struct http_request *request);
/* HEAD: the handler of GET is called, and what it streams is read by nobody. */
bool http_is_head(const struct http_request *request);
/* NULL when missing. header names: any case. A query value is percent-decoded ('+' is a blank); one with a
 * control character or invalid UTF-8 is answered 400 before the handler is called; so is a parameter given
 * twice. */
const char *http_header(struct http_request *request, const char *name);
/* For what must be there once at most, such as a key: without the blanks around it (RFC 9110, section 5.5).
 * False: there are several, out is one of them. out->data is NULL when there is none. */
bool http_header_once(struct http_request *request, const char *name, struct view *out) MUST_USE;
const char *http_query(struct http_request *request, const char *name);
/* How many query parameters there are, so that unknown ones can be refused. */
size_t http_query_count(struct http_request *request);
const char *http_cookie(struct http_request *request, const char *name);
/* The peer: "192.0.2.1", "2001:db8::1"; never a port. */
const char *http_peer(const struct http_request *request);
/* The address that the peer has reached, written as http_peer writes: for the check of a Host header. */
void http_local(const struct http_request *request, char out[HTTP_ADDRESS_BYTES]);
/* For rate limits: the peer, IPv6 cut to its /64, IPv4-mapped IPv6 as IPv4. */
const char *http_peer_key(const struct http_request *request);
/* The whole body (only with http_route.max_body_bytes > 0 and no body sink). */
struct view http_body(const struct http_request *request);
/* The context given to http_server_start. */
void *http_context(const struct http_request *request);
/* For http_route.begin alone, in place of the route's max_body_bytes: so much of the body is taken, or, of a
 * refused one, read and thrown away. */
void http_limit_body(struct http_request *request, size_t max_bytes);
/* A value of the handler's own that lives as long as the request; freed by `release` at its end, however
 * it ends. */
void http_set_data(struct http_request *request, void *data, void (*release)(void *data));
void *http_data(const struct http_request *request);

/* ---- how a handler answers: exactly one of these, once ---- */
/* A handler that does not answer: 500 `internal`; the second of two answers is dropped and logged. HEAD is
 * served by the handler of GET; its body is not sent. */
/* Adds a header to the answer that follows. Copies both. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Copies the body. content_type may be NULL for an empty one. */
void http_answer(struct http_request *request, unsigned status, const char *content_type, struct view body);
void http_answer_json(struct http_request *request, unsigned status, struct view json);
/* {"error":"<error>","detail":"<detail>"}; the detail says what to do about it. */
void http_answer_error(struct http_request *request, unsigned status, const char *error, const char *detail);
/* A body that never changes and is not copied (embedded assets). */
void http_answer_static(struct http_request *request, unsigned status, const char *content_type,
                        struct view body);

/* Instead of an answer, for a handler that must wait for something: the connection is put aside and `handle`,
 * which answers, runs on a thread of its own. It should come to its end within seconds: the server's stop
 * waits for it. */
void http_answer_aside(struct http_request *request, void (*handle)(struct http_request *request));

/* Streams an answer of unknown size (chunked). read is called for each piece until it returns 0 (the end) or
 * below 0 (break off: the peer sees an incomplete body). It must return at least one byte otherwise;
 * out_bytes is 16 KiB or more. release is called once, at the end however it comes (peer gone, server
 * stopped, never sent), perhaps after the request itself is gone; NULL is fine. */
typedef ssize_t http_read_callback(void *context, char *out, size_t out_bytes);
void http_answer_stream(struct http_request *request, unsigned status, const char *content_type,
                        http_read_callback *read, void *context, void (*release)(void *context));

/* ---- routes ---- */
/* The first that fits is taken. An unknown path: 404 `not_found`; a known path with another method: 405
 * `method_not_allowed` with Allow. Answered before any route: 400 `bad_request` (a NUL in a header, too), 414
 * `url_too_long`, 431 `header_too_large` (above twice HTTP_MAX_HEADER_BYTES in libmicrohttpd's own words),
 * 505 `http_version`. */
struct http_route {
    enum http_method method;
    const char *path;      /* exact; a path that ends in '*' takes every path with that beginning */
    size_t max_body_bytes; /* 0: any body is refused. Longer ones: 413 `too_large`, the rest is not kept */
    void (*handle)(struct http_request *request); /* called when the body is complete */
    /* Instead of a body kept in memory: begin is called when the headers are there, before "100 Continue" is
     * sent, and may answer. Then a client that asked with `Expect: 100-continue` gets the answer at once and
     * sends no body; of others the body is thrown away up to max_body_bytes first (a longer one is announced:
     * the answer comes at once). body is called for each piece; when it returns false it has answered, which
     * is sent after the body, too. handle is called last unless something has answered. Both NULL for
     * ordinary routes. */
    void (*begin)(struct http_request *request);
    bool (*body)(struct http_request *request, struct view piece);
};

struct http_server_config {
    const char *bind;     /* "0.0.0.0", "::", "127.0.0.1" */
    uint16_t port;        /* 0: any (tests); see http_server_port */
    const char *cert_pem; /* both or neither; borrowed until stop; TLS 1.2 and newer */
    const char *key_pem;
    const struct http_route *routes; /* borrowed until stop */
    size_t route_count;
    void *context;              /* http_context */
    const char *const *headers; /* "Name: value" added to every answer, NULL-terminated; may be NULL */
    /* Called first for every request whose target is valid, known path or not, with the headers there and the
     * body not; may answer (then nothing else is called). NULL: none. */
    void (*before)(struct http_request *request);
    const struct log *log;     /* borrowed */
    const struct clock *clock; /* borrowed */
    /* 0: the default above; tests make them small */
    int first_header_deadline_ms;
    int idle_ms;
    int progress_window_ms;
    int sse_heartbeat_ms; /* a subscriber that left is noticed within a quarter of the shortest of these */
    unsigned max_connections_an_address;
};

/* Serves at once, with every signal blocked in its threads. Raises the soft limit of descriptors when that is
 * low. Errors: ERR_USAGE (bind is no address), ERR_INPUT (certificate or key), what socket calls say. */
struct http_server *http_server_start(const struct http_server_config *config, struct error *err) MUST_USE;
uint16_t http_server_port(const struct http_server *server);
/* Takes no more, breaks streams off, ends event streams, waits for handlers to return, those put aside too,
 * half a second for answers to be taken, and up to three for our own threads to give them on a busy machine;
 * then frees everything, hubs too. It never waits longer for a client. */
void http_server_stop(struct http_server *server); /* NULL is fine */

/* ---- server-sent events (WHATWG HTML, section 9.2) ---- */
/* A hub sends each event to all its subscribers. A subscriber that is too slow to take
 * HTTP_SSE_MAX_QUEUED_BYTES is dropped: EventSource comes back by itself. Heartbeat comments every 15 s. */
enum {
    HTTP_SSE_MAX_QUEUED_BYTES = 2 * 1024 * 1024, /* a value of each of 10,000 channels, and room for more */
    HTTP_SSE_MAX_SUBSCRIBERS = 64,
};
struct http_events;
/* The server may already be taking requests: their handlers must reckon with a hub that is not there yet. */
struct http_events *http_events_new(struct http_server *server, struct error *err) MUST_USE;
/* Before the server's stop: ends every subscriber's stream. NULL is fine. The hub's memory stays until the
 * server's stop: a request under way may still subscribe, and gets 503. */
void http_events_free(struct http_events *events);
/* Answers a request with the hub's stream. first: sent to this one at once (may be empty), made with
 * http_event_format. 503 `too_many_streams` when there are HTTP_SSE_MAX_SUBSCRIBERS. */
void http_events_subscribe(struct http_events *events, struct http_request *request, struct view first);
size_t http_events_subscribers(struct http_events *events);
/* Thread-safe. event: NULL sends one without a name, a `message`. id may be NULL. data: one line of JSON. */
void http_events_send(struct http_events *events, const char *event, const char *id, struct view data);
void http_event_format(struct buf *out, const char *event, const char *id, struct view data);

#endif
