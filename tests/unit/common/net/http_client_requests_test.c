#include "tests/unit/common/net/raw_server.h"

#include <stdatomic.h>

#include "common/crypto/cert.h"
#include "common/net/http_server.h"

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
    atomic_uint requests;
    struct http_server *server;
};

static void say_hello(struct http_request *request)
{
    struct tls_site *site = http_context(request);
    atomic_fetch_add(&site->requests, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
