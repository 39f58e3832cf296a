#include "tests/harness/loop_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRICKLE_MS = 50, FLOOD_PIECE_BYTES = 64 * 1024, LOG_MAX = 255 };

static void peer_close(struct loop_server_peer *peer)
{
    if (peer->fd < 0)
        return;
    loop_remove(peer->watch);
    loop_remove(peer->timer);
    close(peer->fd);
    peer->fd = -1;
    peer->watch = peer->timer = NULL;
    peer->server->open--;
    if (peer->answering)
        peer->server->busy--;
    peer->answering = false;
    buf_clear(&peer->request);
}

static void send_continue(struct loop_server_peer *peer)
{
    struct view line = VIEW_LITERAL("HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(send(peer->fd, line.data, line.size, MSG_NOSIGNAL), line.size);
    peer->continued = true;
    if (peer->server->deaf)
        assert_true(loop_fd_events(peer->watch, 0));
}

/* True when the head is there, and the body by the length that stands in it. */
static bool request_is_whole(struct loop_server_peer *peer)
{
    const char *text = buf_text(&peer->request);
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    if (end == NULL)
        return false;
    bool expects = strstr(text, "Expect: 100-continue") != NULL;
    if (expects && !peer->server->continues)
        return true; /* it is refused before it sends */
    if (expects && !peer->continued)
        send_continue(peer);
    size_t body = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
    return peer->request.size >= (size_t)(end - text) + 4 + body;
}

static void note_request(struct loop_server_peer *peer)
{
    struct loop_server *server = peer->server;
    const char *target = strchr(buf_text(&peer->request), '/');
    buf_reset(&server->seen);
    buf_append_view(&server->seen, buf_view(&peer->request));
    if (server->log != NULL && target != NULL && strlen(server->log) < LOG_MAX) {
        char letter[] = {target[1], '\0'};
        strncat(server->log, letter, 1);
    }
    server->requests++;
    server->busy++;
    if (server->busy > server->busy_most)
        server->busy_most = server->busy;
    buf_reset(&peer->request);
    peer->answering = true;
    peer->continued = false;
    peer->sent = 0;
}

static void end_answer(struct loop_server_peer *peer)
{
    enum loop_server_then then = peer->server->script.then;
    if (then == THEN_TRICKLE) {
        loop_timer_set(peer->timer, TRICKLE_MS, TRICKLE_MS);
        assert_true(loop_fd_events(peer->watch, EPOLLIN));
        return;
    }
    if (then == THEN_FLOOD)
        return;
    peer->server->busy--;
    peer->answering = false;
    if (then == THEN_CLOSE)
        peer_close(peer);
    else
        assert_true(loop_fd_events(peer->watch, EPOLLIN));
}

static void flood(struct loop_server_peer *peer, char byte)
{
    char piece[FLOOD_PIECE_BYTES];
    memset(piece, byte, sizeof(piece));
    ssize_t sent = send(peer->fd, piece, sizeof(piece), MSG_NOSIGNAL);
    if (sent > 0)
        peer->server->flooded += (uint64_t)sent;
}

static void send_answer(struct loop_server_peer *peer)
{
    struct view answer = peer->server->script.answer;
    if (peer->sent == answer.size && peer->server->script.then == THEN_FLOOD) {
        flood(peer, answer.data[answer.size - 1]);
        return;
    }
    ssize_t sent = send(peer->fd, answer.data + peer->sent, answer.size - peer->sent, MSG_NOSIGNAL);
    if (sent > 0)
        peer->sent += (size_t)sent;
    if (peer->sent == answer.size)
        end_answer(peer);
}

static void on_timer(void *context, uint64_t times)
{
    struct loop_server_peer *peer = context;
    struct view answer = peer->server->script.answer;
    (void)times;
    if (peer->sent < answer.size)
        assert_true(loop_fd_events(peer->watch, EPOLLIN | EPOLLOUT));
    else if (send(peer->fd, answer.data + answer.size - 1, 1, MSG_NOSIGNAL) < 0)
        peer_close(peer);
}

static void answer_all(struct loop_server *server)
{
    for (int i = 0; i < LOOP_SERVER_PEERS; i++) {
        struct loop_server_peer *peer = &server->peers[i];
        if (peer->fd >= 0 && peer->answering)
            assert_true(loop_fd_events(peer->watch, EPOLLIN | EPOLLOUT));
    }
}

static void start_answer(struct loop_server_peer *peer)
{
    struct loop_server *server = peer->server;
    int after_ms = server->script.answer_after_ms;
    note_request(peer);
    if (server->hold > 0) {
        if (server->busy >= server->hold)
            answer_all(server);
    } else if (after_ms > 0) {
        loop_timer_set(peer->timer, after_ms, 0);
    } else {
        assert_true(loop_fd_events(peer->watch, EPOLLIN | EPOLLOUT));
    }
}

static void on_peer(void *context, uint32_t events)
{
    struct loop_server_peer *peer = context;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        char piece[16 * 1024];
        ssize_t size = recv(peer->fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (size <= 0 && (size == 0 || errno != EAGAIN)) {
            peer_close(peer);
            return;
        }
        if (size > 0)
            buf_append(&peer->request, piece, (size_t)size);
        if (!peer->answering && request_is_whole(peer))
            start_answer(peer);
    }
    if ((events & EPOLLOUT) != 0 && peer->answering)
        send_answer(peer);
}

static void on_listener(void *context, uint32_t events)
{
    struct loop_server *server = context;
    (void)events;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fd >= 0);
    struct loop_server_peer *peer = NULL;
    for (int i = 0; i < LOOP_SERVER_PEERS && peer == NULL; i++) {
        if (server->peers[i].fd < 0)
            peer = &server->peers[i];
    }
    assert_non_null(peer);
    *peer = (struct loop_server_peer){.server = server, .fd = fd};
    peer->request = (struct buf)BUF_LIMIT(LOOP_SERVER_REQUEST_BYTES);
    peer->watch = loop_fd(server->loop, fd, EPOLLIN, on_peer, peer, NULL);
    peer->timer = loop_timer(server->loop, -1, 0, on_timer, peer, NULL);
    assert_true(peer->watch != NULL && peer->timer != NULL);
    server->connections++;
    server->open++;
}

void loop_server_start(struct loop_server *server, struct loop *loop, struct loop_server_script script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *server = (struct loop_server){.loop = loop, .script = script};
    server->seen = (struct buf)BUF_LIMIT(LOOP_SERVER_REQUEST_BYTES);
    for (int i = 0; i < LOOP_SERVER_PEERS; i++)
        server->peers[i].fd = -1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, LOOP_SERVER_PEERS), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    server->watch = loop_fd(loop, server->listener, EPOLLIN, on_listener, server, NULL);
    assert_non_null(server->watch);
}

void loop_server_release(struct loop_server *server)
{
    server->hold = 0;
    answer_all(server);
}

void loop_server_drop_all(struct loop_server *server)
{
    for (int i = 0; i < LOOP_SERVER_PEERS; i++)
        peer_close(&server->peers[i]);
}

void loop_server_stop(struct loop_server *server)
{
    loop_server_drop_all(server);
    loop_remove(server->watch);
    close(server->listener);
    buf_clear(&server->seen);
}
