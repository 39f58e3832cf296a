/* Connections to simulated vehicles: requests in, answers out, edge-triggered. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/text.h"
#include "tests/bench/farm.h"

struct conn {
    struct conn *next, **back;
    struct farm *farm;
    int32_t vehicle;
    int fd;
    bool tls;
    gnutls_session_t session; /* NULL: plain */
    bool handshaking;
    struct loop_watch *watch;
    struct buf in;
    size_t skip; /* bytes of a request's body that still come */
    struct answer answer;
    int64_t wake_us; /* nothing is sent before it; 0: now */
    bool may_trickle;
};

static void conn_free(struct conn *conn)
{
    *conn->back = conn->next;
    if (conn->next != NULL)
        conn->next->back = conn->back;
    conn->farm->counts.open--;
    loop_remove(conn->watch);
    if (conn->session != NULL)
        gnutls_deinit(conn->session);
    close(conn->fd);
    buf_clear(&conn->in);
    answer_clear(&conn->answer);
    free(conn);
}

/* The other side sees a reset. */
static void reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void conns_drop(struct farm *farm, int32_t vehicle)
{
    struct conn *next;
    for (struct conn *conn = farm->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (vehicle < 0 || conn->vehicle == vehicle) {
            reset_on_close(conn->fd);
            conn_free(conn);
        }
    }
}

/* ---- requests ---- */
static bool header_is(struct view line, const char *name, struct view *value)
{
    size_t size = strlen(name);
    if (line.size <= size || strncasecmp(line.data, name, size) != 0 || line.data[size] != ':')
        return false;
    *value = text_trim((struct view){line.data + size + 1, line.size - size - 1});
    return true;
}

static bool mentions(struct view value, const char *word)
{
    return memmem(value.data, value.size, word, strlen(word)) != NULL;
}

static void take_header(const struct farm *farm, struct request *request, struct view line)
{
    struct view value;
    uint64_t size;
    if (header_is(line, "X-API-Key", &value))
        request->key_right = view_is(value, farm->api_key);
    else if (header_is(line, "Accept-Encoding", &value))
        request->gzip = mentions(value, "gzip");
    else if (header_is(line, "Authorization", &value))
        request->bearer = view_starts(value, "Bearer ");
    else if (header_is(line, "Connection", &value))
        request->close = mentions(value, "close");
    else if (header_is(line, "Content-Length", &value) && text_parse_u64(value, SIZE_MAX, &size))
        request->body_bytes = (size_t)size;
}

static struct view cut_line(struct view *rest)
{
    struct view line = text_cut(rest, '\n');
    if (view_ends(line, "\r"))
        line.size--;
    return line;
}

/* False: it is no request. */
static bool parse_request(const struct farm *farm, struct view head, struct request *request)
{
    struct view first = cut_line(&head);
    *request = (struct request){.method = text_cut(&first, ' ')};
    struct view target = text_cut(&first, ' ');
    while (head.size > 0)
        take_header(farm, request, cut_line(&head));
    return text_copy(request->target, sizeof(request->target), target) && view_starts(first, "HTTP/1.");
}

/* Begins the answer to the request that in holds whole. False: not yet. */
static bool begin_answer(struct conn *conn, bool *bad)
{
    struct farm_vehicle *vehicle = &conn->farm->vehicles[conn->vehicle];
    const char *end = conn->in.size == 0 ? NULL : memmem(conn->in.data, conn->in.size, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    struct request request;
    size_t head = (size_t)(end - conn->in.data) + 4;
    if (!parse_request(conn->farm, (struct view){conn->in.data, head - 2}, &request)) {
        *bad = true;
        return false;
    }
    enum fault fault = scope_of_target(request.target) & vehicle->scope ? vehicle->fault : FAULT_NONE;
    answer_begin(conn->farm, &conn->answer, conn->vehicle, conn->tls, &request, fault);
    buf_consume(&conn->in, head);
    conn->skip = request.body_bytes;
    conn->wake_us = fault == FAULT_SLOW_START
                        ? clock_monotonic_us(clock_system()) + FARM_SLOW_START_MS * (int64_t)US_PER_MS
                        : 0;
    vehicle->requests++;
    conn->farm->counts.requests++;
    return true;
}

/* ---- bytes ---- */
enum moved { MOVED_SOME, MOVED_LATER, MOVED_END };

static enum moved receive(struct conn *conn)
{
    char bytes[4096];
    ssize_t got = conn->session != NULL ? gnutls_record_recv(conn->session, bytes, sizeof(bytes))
                                        : recv(conn->fd, bytes, sizeof(bytes), 0);
    if (conn->session != NULL ? got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED
                              : got < 0 && errno == EAGAIN)
        return MOVED_LATER;
    if (got <= 0)
        return MOVED_END;
    size_t skipped = conn->skip < (size_t)got ? conn->skip : (size_t)got;
    conn->skip -= skipped;
    return buf_append(&conn->in, bytes + skipped, (size_t)got - skipped) ? MOVED_SOME : MOVED_END;
}

static enum moved transmit(struct conn *conn)
{
    struct answer *answer = &conn->answer;
    const char *from = answer->out.data + answer->sent;
    size_t size = answer->out.size - answer->sent;
    if (answer->fault == FAULT_TRICKLE) {
        if (!conn->may_trickle)
            return MOVED_LATER;
        conn->may_trickle = false;
        size = 1;
    }
    ssize_t put = conn->session != NULL ? gnutls_record_send(conn->session, from, size)
                                        : send(conn->fd, from, size, MSG_NOSIGNAL);
    if (conn->session != NULL ? put == GNUTLS_E_AGAIN || put == GNUTLS_E_INTERRUPTED
                              : put < 0 && errno == EAGAIN)
        return MOVED_LATER;
    if (put <= 0)
        return MOVED_END;
    answer->sent += (size_t)put;
    conn->farm->counts.bytes += (uint64_t)put;
    return MOVED_SOME;
}

/* One step of an answer under way. */
static enum moved go_on(struct conn *conn)
{
    struct answer *answer = &conn->answer;
    if (conn->wake_us != 0)
        return MOVED_LATER;
    if (answer->sent < answer->out.size)
        return transmit(conn);
    if (answer->stall)
        return MOVED_LATER;
    if (!answer->made) {
        answer_more(conn->farm, answer);
        return MOVED_SOME;
    }
    bool close_it = answer->close;
    answer_clear(answer);
    return close_it ? MOVED_END : MOVED_SOME;
}

static enum moved shake(struct conn *conn)
{
    int code = gnutls_handshake(conn->session);
    if (code == 0)
        conn->handshaking = false;
    else if (gnutls_error_is_fatal(code))
        return MOVED_END;
    return code == 0 ? MOVED_SOME : MOVED_LATER;
}

static enum moved step(struct conn *conn)
{
    bool bad = false;
    if (conn->handshaking)
        return shake(conn);
    if (conn->answer.begun)
        return go_on(conn);
    if (begin_answer(conn, &bad))
        return MOVED_SOME;
    return bad ? MOVED_END : receive(conn);
}

static void pump(struct conn *conn)
{
    enum moved moved;
    while ((moved = step(conn)) == MOVED_SOME) {}
    if (moved == MOVED_END) {
        conn_free(conn);
        return;
    }
    if (!conn->answer.begun && conn->in.size == 0)
        buf_clear(&conn->in); /* idle connections hold nothing */
}

static void ready(void *context, uint32_t events)
{
    struct conn *conn = context;
    bool gone = (events & (EPOLLERR | EPOLLHUP)) != 0;
    bool nothing_to_say = conn->answer.begun && (conn->answer.stall || conn->answer.fault == FAULT_TRICKLE);
    if (gone || (nothing_to_say && (events & EPOLLRDHUP)))
        conn_free(conn);
    else
        pump(conn);
}

void conns_tick(struct farm *farm)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    bool second = now_us / (FARM_TICK_MS * (int64_t)US_PER_MS) % (1000 / FARM_TICK_MS) == 0;
    struct conn *next;
    for (struct conn *conn = farm->conns; conn != NULL; conn = next) {
        next = conn->next;
        bool trickles = second && conn->answer.begun && conn->answer.fault == FAULT_TRICKLE;
        bool wakes = conn->wake_us != 0 && conn->wake_us <= now_us;
        if (!trickles && !wakes)
            continue;
        conn->may_trickle = trickles;
        conn->wake_us = 0;
        pump(conn);
    }
}

/* ---- new ones ---- */
/* -1: nobody of ours. */
static int32_t vehicle_at(const struct listener *listener, int fd)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t size = sizeof(local);
    if (listener->vehicle >= 0)
        return listener->vehicle;
    if (getsockname(fd, (struct sockaddr *)&local, &size) != 0)
        return -1;
    int32_t vehicle = sim_vehicle(ntohl(local.sin_addr.s_addr));
    return vehicle < listener->farm->vehicle_count ? vehicle : -1;
}

static bool conn_new(struct listener *listener, int fd, int32_t vehicle)
{
    struct farm *farm = listener->farm;
    struct error err;
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return false;
    *conn = (struct conn){.farm = farm,
                          .vehicle = vehicle,
                          .fd = fd,
                          .tls = listener->tls,
                          .in = {.limit_bytes = FARM_REQUEST_MAX},
                          .next = farm->conns,
                          .back = &farm->conns};
    if (listener->tls) {
        conn->session = farm_tls_session(farm, fd, farm->vehicles[vehicle].fault == FAULT_NEW_CERT);
        conn->handshaking = true;
    }
    if (!listener->tls || conn->session != NULL)
        conn->watch = loop_fd(farm->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, ready, conn, &err);
    if (conn->watch == NULL) {
        if (conn->session != NULL)
            gnutls_deinit(conn->session);
        free(conn);
        return false;
    }
    if (farm->conns != NULL)
        farm->conns->back = &conn->next;
    farm->conns = conn;
    farm->counts.connections++;
    if (++farm->counts.open > farm->counts.open_most)
        farm->counts.open_most = farm->counts.open;
    return true;
}

void conn_accept(struct listener *listener)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int32_t vehicle = vehicle_at(listener, fd);
        bool taken = vehicle >= 0 && listener->farm->vehicles[vehicle].fault != FAULT_DEAD;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (!taken || !conn_new(listener, fd, vehicle)) {
            reset_on_close(fd);
            close(fd);
        }
    }
}
