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

#include "common/crypto/cert.h"
#include "common/net/http_client.h"
#include "common/net/http_server.h"

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

static bool stop_asked(const struct server *server, int timeout_ms)
{
    struct pollfd wait = {server->stop_read, POLLIN, 0};
    return poll(&wait, 1, timeout_ms) > 0;
}

static void note_request(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    buf_reset(&server->seen);
    buf_append_view(&server->seen, buf_view(&server->request));
    pthread_mutex_unlock(&server->lock);
}

/* The head, and the body by the length that stands in it. False when the peer is gone. */
static bool read_request(struct server *server, int fd)
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

static void serve_connection(struct server *server, int fd)
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

static void *serve(void *context)
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

static void server_start(struct server *server, struct script script)
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

static void server_stop(struct server *server)
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
static const char *seen_by(struct server *server, unsigned *connections)
{
    pthread_mutex_lock(&server->lock);
    const char *seen = buf_text(&server->seen);
    if (connections != NULL)
        *connections = server->connections;
    pthread_mutex_unlock(&server->lock);
    return seen;
}

static struct http_client *client_of(uint16_t port)
{
    struct error err;
    struct http_client *client = http_client_new(
        &(struct http_client_config){.host = "127.0.0.1", .port = port, .connect_ms = 2000, .floor_s = 1},
        &err);
    assert_non_null(client);
    return client;
}

/* One exchange with a server of its own. */
struct outcome {
    bool ok;
    struct error err;
    unsigned status;
    char body[256];
};

static struct outcome ask(struct script script, struct http_exchange exchange)
{
    struct server server;
    struct outcome outcome = {0};
    SCOPE_BUF struct buf body = BUF_LIMIT(sizeof(outcome.body) - 1);
    server_start(&server, script);
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(server.port);
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

#define ANSWER(text) ((struct script){.answer = VIEW_LITERAL(text)})
#define GET          ((struct http_exchange){0})

/* ---- answers ---- */

static void takes_a_whole_answer(void **state)
{
    (void)state;
    struct outcome sized = ask(ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), GET);
    assert_true(sized.ok);
    assert_int_equal(sized.status, 200);
    assert_string_equal(sized.body, "hello");
    struct outcome chunked = ask(
        ANSWER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), GET);
    assert_true(chunked.ok);
    assert_string_equal(chunked.body, "hello");
    struct outcome none = ask(ANSWER("HTTP/1.1 204 No Content\r\n\r\n"), GET);
    assert_true(none.ok);
    assert_int_equal(none.status, 204);
}

static void refuses_answers_that_break_off(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct outcome outcome = ask((struct script){.answer = view_of(answers[i])}, GET);
        if (outcome.ok || (outcome.err.code != ERR_UNREACHABLE && outcome.err.code != ERR_PROTOCOL))
            print_error("answer %zu: ok %d, code %d, %s\n", i, outcome.ok, outcome.err.code,
                        outcome.err.text);
        assert_false(outcome.ok);
        assert_true(outcome.err.code == ERR_UNREACHABLE || outcome.err.code == ERR_PROTOCOL);
    }
    struct outcome outcome = ask(ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), GET);
    assert_int_equal(outcome.err.code, ERR_UNREACHABLE);
    assert_non_null(strstr(outcome.err.text, "broke off"));
}

static void refuses_what_is_no_http(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nends anywhere",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct outcome outcome = ask((struct script){.answer = view_of(answers[i])}, GET);
        if (outcome.ok)
            print_error("answer %zu was taken\n", i);
        assert_false(outcome.ok);
        assert_int_equal(outcome.err.code, ERR_PROTOCOL);
    }
}

static void does_not_follow_redirects(void **state)
{
    (void)state;
    struct outcome outcome =
        ask(ANSWER("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nno"), GET);
    assert_true(outcome.ok);
    assert_int_equal(outcome.status, 302);
    assert_string_equal(outcome.body, "no");
}

/* ---- floods and slowness ---- */

static void refuses_header_floods(void **state)
{
    (void)state;
    SCOPE_BUF struct buf answer = BUF_LIMIT(4 * HTTP_CLIENT_MAX_HEADER_BYTES);
    buf_append_text(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; answer.size < HTTP_CLIENT_MAX_HEADER_BYTES + 4096; i++)
        buf_printf(&answer, "X-Header-%d: %050d\r\n", i, i);
    buf_append_text(&answer, "Content-Length: 0\r\n\r\n");
    struct outcome outcome = ask((struct script){.answer = buf_view(&answer)}, GET);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_PROTOCOL);

    buf_reset(&answer);
    while (answer.size < HTTP_CLIENT_MAX_HEADER_BYTES + 4096)
        buf_append_text(&answer, "HTTP/1.1 100 Continue\r\n\r\n");
    outcome = ask((struct script){.answer = buf_view(&answer), .hold = true}, GET);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_PROTOCOL);
}

static void bounds_the_body_that_it_keeps(void **state)
{
    (void)state;
    SCOPE_BUF struct buf answer = BUF_LIMIT(4096);
    buf_append_text(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        buf_append_byte(&answer, 'x');
    struct outcome outcome = ask((struct script){.answer = buf_view(&answer)}, GET);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_LIMIT);
}

static void drops_who_is_too_slow(void **state)
{
    (void)state;
    struct script silent = {.answer = VIEW_LITERAL(""), .hold = true};
    struct outcome outcome = ask(silent, GET);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
    struct script slow = {.answer = VIEW_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nx"),
                          .trickle = true};
    outcome = ask(slow, GET);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
    outcome = ask(slow, (struct http_exchange){.total_ms = 200});
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
}

static void says_why_it_could_not_connect(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, ANSWER(""));
    uint16_t port = server.port;
    server_stop(&server); /* nobody listens there now */
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(port);
    struct http_exchange exchange = {.method = "GET", .target = "/"};
    struct error err;
    char expected[64];
    snprintf(expected, sizeof(expected), "could not reach 127.0.0.1:%u: Connection refused", port);
    assert_false(http_client_exchange(client, &exchange, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_string_equal(err.text, expected);
}

/* ---- the sink ---- */

struct taken {
    struct error *err;
    size_t bytes, stop_at;
    unsigned heads;
    char tag[16];
    bool own_error;
};

static bool take(void *context, struct view piece)
{
    struct taken *taken = context;
    taken->bytes += piece.size;
    if (taken->bytes < taken->stop_at || taken->stop_at == 0)
        return true;
    return taken->own_error ? error_set(taken->err, ERR_SPACE, "disk full") : false;
}

static bool take_headers(void *context, struct http_client *client)
{
    struct taken *taken = context;
    taken->heads++;
    const char *tag = http_client_header(client, "x-tag");
    snprintf(taken->tag, sizeof(taken->tag), "%s", tag != NULL ? tag : "none");
    return true;
}

static void streams_into_the_sink(void **state)
{
    (void)state;
    struct taken taken = {0};
    struct script script = ANSWER("HTTP/1.1 100 Continue\r\nX-Tag: early\r\n\r\n"
                                  "HTTP/1.1 200 OK\r\nX-TAG:  seven\r\nContent-Length: 5\r\n\r\nhello");
    struct http_exchange exchange = {.sink = take, .headers_done = take_headers, .context = &taken};
    struct outcome outcome = ask(script, exchange);
    assert_true(outcome.ok);
    assert_int_equal(taken.bytes, 5);
    assert_int_equal(taken.heads, 1);
    assert_string_equal(taken.tag, "seven");
    assert_string_equal(outcome.body, "");

    taken = (struct taken){0};
    outcome = ask(ANSWER("HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\nwrong"), exchange);
    assert_true(outcome.ok);
    assert_int_equal(taken.bytes + taken.heads, 0); /* an error's body is no data */
    assert_string_equal(outcome.body, "wrong");
}

static void a_sink_can_stop_it(void **state)
{
    (void)state;
    struct taken taken = {.stop_at = 1};
    struct script script = ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    struct http_exchange exchange = {.sink = take, .context = &taken};
    struct outcome outcome = ask(script, exchange);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_CANCELLED);

    struct server server;
    struct error err;
    server_start(&server, script);
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(server.port);
    taken = (struct taken){.stop_at = 1, .own_error = true, .err = &err};
    exchange.method = "GET";
    exchange.target = "/";
    assert_false(http_client_exchange(client, &exchange, &err));
    assert_int_equal(err.code, ERR_SPACE);
    assert_string_equal(err.text, "disk full");
    server_stop(&server);
}

/* ---- requests ---- */

static void sends_what_it_was_given(void **state)
{
    (void)state;
    struct server server;
    struct error err;
    struct script script = ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    script.no_close = true;
    server_start(&server, script);
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(server.port);
    const char *const headers[] = {"Authorization: Bearer x", "Content-Type: application/json", NULL};
    struct http_exchange post = {
        .method = "POST", .target = "/auth?a=%20b", .headers = headers, .body = VIEW_LITERAL("{\"a\":1}")};
    assert_true(http_client_exchange(client, &post, &err));
    const char *seen = seen_by(&server, NULL);
    assert_true(view_starts(view_of(seen), "POST /auth?a=%20b HTTP/1.1\r\n"));
    assert_non_null(strstr(seen, "\r\nAuthorization: Bearer x\r\n"));
    assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen, "\r\n\r\n{\"a\":1}"));

    struct http_exchange get = {.method = "GET", .target = "/../x"};
    assert_true(http_client_exchange(client, &get, &err));
    unsigned connections;
    seen = seen_by(&server, &connections);
    assert_true(view_starts(view_of(seen), "GET /../x HTTP/1.1\r\n"));
    assert_null(strstr(seen, "Content-Type"));
    assert_int_equal(connections, 1); /* kept alive */
    server_stop(&server);
}

static void refuses_bad_requests(void **state)
{
    (void)state;
    struct error err;
    static const char *const hosts[] = {"",        "a b",   "a/b",    "user@host", "host#x",
                                        "host:80", "[::1]", "a\r\nb", "h%41"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct http_client_config config = {.host = hosts[i], .port = 1};
        struct http_client *client = http_client_new(&config, &err);
        bool ipv6_like = strchr(hosts[i], ':') != NULL && strpbrk(hosts[i], "[]/@") == NULL;
        if (!ipv6_like)
            assert_null(client);
        http_client_free(client);
    }
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(9);
    static const char *const targets[] = {"", "x", "/a b", "/a\r\nHost: x", "/\xc3\xa4"};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct http_exchange exchange = {.method = "GET", .target = targets[i]};
        assert_false(http_client_exchange(client, &exchange, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
    }
    const char *const headers[] = {"X: a\r\nY: b", NULL};
    struct http_exchange exchange = {.method = "GET", .target = "/", .headers = headers};
    assert_false(http_client_exchange(client, &exchange, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(http_client_pin(client, "abc", &err));
}

static void ignores_a_proxy_of_the_environment(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    struct outcome outcome = ask(ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), GET);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_true(outcome.ok);
}

/* ---- TLS and the pinned key ---- */

struct tls_site {
    struct buf cert, key;
    struct log log;
    char agent_id[SHA256_HEX_BYTES];
    unsigned requests;
    struct http_server *server;
};

static void say_hello(struct http_request *request)
{
    struct tls_site *site = http_context(request);
    site->requests++;
    http_answer(request, 200, "text/plain", VIEW_LITERAL("hello"));
}

static void site_start(struct tls_site *site)
{
    static const struct http_route route = {.method = HTTP_GET, .path = "/", .handle = say_hello};
    struct error err;
    *site = (struct tls_site){.cert = BUF_LIMIT(CERT_PEM_MAX_BYTES), .key = BUF_LIMIT(CERT_PEM_MAX_BYTES)};
    log_init(&site->log, "test", clock_system());
    site->log.fd = -1;
    assert_true(cert_make("test", clock_system(), &site->cert, &site->key, &err));
    assert_true(cert_agent_id(buf_view(&site->cert), site->agent_id, &err));
    struct http_server_config config = {
        .bind = "127.0.0.1",
        .cert_pem = buf_text(&site->cert),
        .key_pem = buf_text(&site->key),
        .routes = &route,
        .route_count = 1,
        .context = site,
        .log = &site->log,
        .clock = clock_system(),
    };
    site->server = http_server_start(&config, &err);
    assert_non_null(site->server);
}

static void site_stop(struct tls_site *site)
{
    http_server_stop(site->server);
    buf_clear(&site->cert);
    buf_clear(&site->key);
}

static bool say(struct http_client *client, struct error *err)
{
    struct http_exchange exchange = {.method = "GET", .target = "/"};
    return http_client_exchange(client, &exchange, err) && exchange.status == 200;
}

static void speaks_to_the_pinned_key_alone(void **state)
{
    (void)state;
    struct tls_site site;
    struct error err;
    site_start(&site);
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(site.server), .tls = true};
    SCOPE_HTTP_CLIENT struct http_client *client = http_client_new(&config, &err);
    assert_true(say(client, &err)); /* the first contact: whoever it is */
    char shown[SHA256_HEX_BYTES];
    assert_true(cert_agent_id(view_of(http_client_peer_cert_pem(client)), shown, &err));
    assert_string_equal(shown, site.agent_id);

    assert_true(http_client_pin(client, shown, &err));
    assert_true(say(client, &err));
    assert_int_equal(site.requests, 2);

    shown[0] = shown[0] == '0' ? '1' : '0';
    assert_true(http_client_pin(client, shown, &err));
    assert_false(say(client, &err));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_int_equal(site.requests, 2); /* nothing of the request has left */
    assert_true(cert_agent_id(view_of(http_client_peer_cert_pem(client)), shown, &err));
    assert_string_equal(shown, site.agent_id); /* so that both can be shown */
    site_stop(&site);
}

static void plain_http_is_no_tls(void **state)
{
    (void)state;
    struct server server;
    struct error err;
    server_start(&server, ANSWER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    struct http_client_config config = {
        .host = "127.0.0.1", .port = server.port, .tls = true, .connect_ms = 500};
    SCOPE_HTTP_CLIENT struct http_client *client = http_client_new(&config, &err);
    assert_false(say(client, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    server_stop(&server);
}

static void percent_encodes(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(256);
    http_encode(&out, VIEW_LITERAL("aZ0-._~ /?&+=%\xc3\xa4\0"));
    assert_string_equal(buf_text(&out), "aZ0-._~%20%2F%3F%26%2B%3D%25%C3%A4%00");
}

static int start_curl(void **state)
{
    (void)state;
    struct error err;
    return http_client_global_init(&err) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_whole_answer),
        cmocka_unit_test(refuses_answers_that_break_off),
        cmocka_unit_test(refuses_what_is_no_http),
        cmocka_unit_test(does_not_follow_redirects),
        cmocka_unit_test(refuses_header_floods),
        cmocka_unit_test(bounds_the_body_that_it_keeps),
        cmocka_unit_test(drops_who_is_too_slow),
        cmocka_unit_test(says_why_it_could_not_connect),
        cmocka_unit_test(streams_into_the_sink),
        cmocka_unit_test(a_sink_can_stop_it),
        cmocka_unit_test(sends_what_it_was_given),
        cmocka_unit_test(refuses_bad_requests),
        cmocka_unit_test(ignores_a_proxy_of_the_environment),
        cmocka_unit_test(speaks_to_the_pinned_key_alone),
        cmocka_unit_test(plain_http_is_no_tls),
        cmocka_unit_test(percent_encodes),
    };
    return cmocka_run_group_tests(tests, start_curl, NULL);
}
