/* What the tests of http_client share: a server of raw bytes, and one exchange with it. */
#ifndef TESTS_UNIT_COMMON_NET_RAW_SERVER_H
#define TESTS_UNIT_COMMON_NET_RAW_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/net/http_client.h"

/* ---- a server of raw bytes: it answers each connection with one script, then closes or keeps silent ---- */

enum { REQUEST_MAX_BYTES = 64 * 1024, TRICKLE_MS = 50 };

struct script {
    struct view answer;
    bool hold;     /* after the answer: keep the connection open, say nothing */
    bool trickle;  /* the last byte again and again, slowly */
    bool no_close; /* serve further requests on the connection */
};

struct server {
    int listener, stop_read, stop_write;
    uint16_t port;
    struct script script;
    struct buf request; /* what has come of the one that is being read */
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned connections; /* under the lock, as the next */
    struct buf seen;      /* the last request, head and body */
};

static inline bool stop_asked(const struct server *server, int timeout_ms)
{
    struct pollfd wait = {server->stop_read, POLLIN, 0};
    return poll(&wait, 1, timeout_ms) > 0;
}

static inline void note_request(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    buf_reset(&server->seen);
    buf_append_view(&server->seen, buf_view(&server->request));
    pthread_mutex_unlock(&server->lock);
}

/* The head, and the body by the length that stands in it. False when the peer is gone. */
static inline bool read_request(struct server *server, int fd)
{
    for (bool first = true;; first = false) {
        const char *text = buf_text(&server->request);
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end != NULL && !first) {
            size_t body = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
            if (server->request.size >= (size_t)(end - text) + 4 + body) {
                note_request(server);
                return true;
            }
        }
        char piece[4096];
        struct pollfd waits[] = {{fd, POLLIN, 0}, {server->stop_read, POLLIN, 0}};
        if (poll(waits, 2, -1) < 0 || waits[1].revents != 0)
            return false;
        ssize_t size = recv(fd, piece, sizeof(piece), 0);
        if (size <= 0)
            return false;
        if (first)
            buf_reset(&server->request);
        buf_append(&server->request, piece, (size_t)size);
    }
}

static inline void serve_connection(struct server *server, int fd)
{
    const struct script *script = &server->script;
    do {
        if (!read_request(server, fd))
            return;
        if (send(fd, script->answer.data, script->answer.size, MSG_NOSIGNAL) < 0)
            return;
    } while (script->no_close);
    char last = script->answer.size > 0 ? script->answer.data[script->answer.size - 1] : '\0';
    while (script->trickle && !stop_asked(server, TRICKLE_MS)) {
        if (send(fd, &last, 1, MSG_NOSIGNAL) < 0)
            return;
    }
    if (script->hold)
        stop_asked(server, -1);
}

static inline void *serve(void *context)
{
    struct server *server = context;
    for (;;) {
        struct pollfd waits[] = {{server->listener, POLLIN, 0}, {server->stop_read, POLLIN, 0}};
        if (poll(waits, 2, -1) < 0 || waits[1].revents != 0)
            return NULL;
        SCOPE_FD int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server->lock);
        server->connections++;
        pthread_mutex_unlock(&server->lock);
        serve_connection(server, fd);
    }
}

static inline void server_start(struct server *server, struct script script)
{
    int pipe_fds[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert_int_equal(pipe(pipe_fds), 0);
    *server = (struct server){.stop_read = pipe_fds[0], .stop_write = pipe_fds[1], .script = script};
    server->request = server->seen = (struct buf)BUF_LIMIT(REQUEST_MAX_BYTES);
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static inline void server_stop(struct server *server)
{
    close(server->stop_write); /* its other end becomes readable */
    pthread_join(server->thread, NULL);
    close(server->stop_read);
    close(server->listener);
    buf_clear(&server->request);
    buf_clear(&server->seen);
    pthread_mutex_destroy(&server->lock);
}

/* The last request; valid until the next one. connections (may be NULL): how many were made. */
static inline const char *seen_by(struct server *server, unsigned *connections)
{
    pthread_mutex_lock(&server->lock);
    const char *seen = buf_text(&server->seen);
    if (connections != NULL)
        *connections = server->connections;
    pthread_mutex_unlock(&server->lock);
    return seen;
}

/* floor_s: 1 where the test is of slow peers, else more than a slow machine needs. */
static inline struct http_client *client_with_floor(uint16_t port, int floor_s)
{
    struct error err;
    struct http_client *client = http_client_new(
        &(struct http_client_config){
            .host = "127.0.0.1", .port = port, .connect_ms = 20 * 1000, .floor_s = floor_s},
        &err);
    assert_non_null(client);
    return client;
}

static inline struct http_client *client_of(uint16_t port)
{
    return client_with_floor(port, 60);
}

/* One exchange with a server of its own. */
struct outcome {
    bool ok;
    struct error err;
    unsigned status;
    char body[256];
};

static inline struct outcome ask_with_floor(struct script script, struct http_exchange exchange, int floor_s)
{
    struct server server;
    struct outcome outcome = {0};
    SCOPE_BUF struct buf body = BUF_LIMIT(sizeof(outcome.body) - 1);
    server_start(&server, script);
    SCOPE_HTTP_CLIENT struct http_client *client = client_with_floor(server.port, floor_s);
    if (exchange.method == NULL)
        exchange.method = "GET";
    exchange.target = "/x";
    exchange.answer_body = &body;
    outcome.ok = http_client_exchange(client, &exchange, &outcome.err);
    outcome.status = exchange.status;
    snprintf(outcome.body, sizeof(outcome.body), "%s", buf_text(&body));
    http_client_close_connection(client);
    server_stop(&server);
    return outcome;
}

static inline struct outcome ask(struct script script, struct http_exchange exchange)
{
    return ask_with_floor(script, exchange, 60);
}

#define ANSWER(text) ((struct script){.answer = VIEW_LITERAL(text)})
#define GET          ((struct http_exchange){0})

static inline int start_curl(void **state)
{
    (void)state;
    struct error err;
    return http_client_global_init(&err) ? 0 : -1;
}

#endif
