/* Connections: which are kept, which are not used again, and whose key they must show. */
#include "tests/unit/common/net/pool_fixture.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/crypto/cert.h"
#include "common/net/http_server.h"

#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- kept connections ---- */

static const struct asked *ask_and_wait(struct pool_fixture *fixture, struct http_pool_request request)
{
    const struct asked *asked = ask(fixture, request);
    run_to_end(fixture);
    return asked;
}

static void keeps_connections_alive(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(OK_2);
    for (int i = 0; i < 5; i++)
        ask_and_wait(fixture, GET);
    assert_int_equal(fixture->server.connections, 1);
    assert_int_equal(fixture->server.requests, 5);
    struct http_pool_counts counts = http_pool_counts(fixture->pool);
    assert_int_equal(counts.started, 5);
    assert_int_equal(counts.reused_connections, 4);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.running + counts.waiting, 0);
}

enum { SERVERS = 8, KEPT = 2 };

static struct loop_server *several;

static unsigned open_of(const struct loop_server servers[SERVERS])
{
    unsigned open = 0;
    for (int i = 0; i < SERVERS; i++)
        open += servers[i].open;
    return open;
}

static bool only_a_few_are_open(const struct pool_fixture *fixture)
{
    (void)fixture;
    return open_of(several) <= 2 * KEPT;
}

static void keeps_no_more_than_was_allowed(void **state)
{
    struct pool_fixture *fixture = *state;
    struct loop_server servers[SERVERS];
    pool_fixture_limits(fixture, SERVERS, KEPT);
    for (int i = 0; i < SERVERS; i++) {
        loop_server_start(&servers[i], fixture->loop, SCRIPT(OK_2));
        ask_and_wait(fixture, (struct http_pool_request){.port = servers[i].port});
    }
    several = servers;
    run_until(fixture, only_a_few_are_open);
    run_for(fixture, 20);
    unsigned open = open_of(servers);
    assert_true(open >= KEPT && open <= 2 * KEPT); /* each handle keeps half as many again */
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    for (int i = 0; i < SERVERS; i++)
        loop_server_stop(&servers[i]);
}

static void keeps_none_when_none_may_be_kept(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, 4, 0);
    fixture->server.script = SCRIPT(OK_2);
    for (int i = 0; i < 3; i++)
        assert_true(ask_and_wait(fixture, GET)->ok);
    assert_int_equal(fixture->server.connections, 3);
}

static void hosts_are_spread_and_each_keeps_its_own(void **state)
{
    enum { HOSTS = 16, ROUNDS = 3 };
    struct pool_fixture *fixture = *state;
    static struct loop_server servers[HOSTS];
    pool_fixture_limits(fixture, HOSTS, 1000); /* ten multi handles */
    for (int i = 0; i < HOSTS; i++)
        loop_server_start(&servers[i], fixture->loop, SCRIPT(OK_2));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < HOSTS; i++)
            ask(fixture, (struct http_pool_request){.port = servers[i].port});
        run_to_end(fixture);
    }
    for (int i = 0; i < HOSTS; i++) {
        assert_int_equal(servers[i].connections, 1);
        assert_int_equal(servers[i].requests, ROUNDS);
    }
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    for (int i = 0; i < HOSTS; i++)
        loop_server_stop(&servers[i]);
}

static void a_kept_connection_that_died_is_made_anew(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(OK_2);
    assert_true(ask_and_wait(fixture, GET)->ok);
    loop_server_drop_all(&fixture->server);
    assert_true(ask_and_wait(fixture, GET)->ok);
    assert_int_equal(fixture->server.connections, 2);
    fixture->server.script = SCRIPT(OK_2, .then = THEN_CLOSE); /* it promised to keep it, and closes */
    assert_true(ask_and_wait(fixture, GET)->ok);
    assert_true(ask_and_wait(fixture, GET)->ok);
}

static void a_broken_answer_leaves_no_connection(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", .then = THEN_SILENT);
    assert_int_equal(ask_and_wait(fixture, (struct http_pool_request){.floor_s = 1})->err.code, ERR_TIMEOUT);
    fixture->server.script = SCRIPT(OK_2);
    assert_string_equal(ask_and_wait(fixture, GET)->body, "ok");
    assert_int_equal(fixture->server.connections, 2);
}

static void forgets_idle_connections_of_a_host(void **state)
{
    struct pool_fixture *fixture = *state;
    struct loop_server other;
    loop_server_start(&other, fixture->loop, SCRIPT(OK_2));
    fixture->server.script = SCRIPT(OK_2);
    ask_and_wait(fixture, GET);
    ask_and_wait(fixture, (struct http_pool_request){.port = other.port});
    http_pool_forget(fixture->pool, "127.0.0.1", fixture->server.port);
    http_pool_forget(fixture->pool, "127.0.0.2", other.port);
    run_until_open(fixture, 0);
    run_for(fixture, 20);
    assert_int_equal(other.open, 1);
    assert_true(ask_and_wait(fixture, GET)->ok);

    /* one that is at work is left alone, paused or not */
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\nx", .then = THEN_FLOOD);
    struct asked *paused = ask_streaming(fixture, GET);
    paused->pause_at = 1;
    run_until_taken(fixture, paused, 1);
    http_pool_forget(fixture->pool, "127.0.0.1", fixture->server.port);
    paused->pause_at = 0;
    http_transfer_resume(paused->transfer);
    run_to_end(fixture);
    assert_true(paused->ok);
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    loop_server_stop(&other);
}

/* ---- TLS and the pinned key ---- */

struct tls_site {
    struct buf cert, key;
    struct log log;
    char agent_id[SHA256_HEX_BYTES];
    atomic_uint requests;
    uint16_t port;
    struct http_server *server;
};

static void say_hello(struct http_request *request)
{
    struct tls_site *site = http_context(request);
    atomic_fetch_add(&site->requests, 1);
    http_answer(request, 200, "text/plain", VIEW_LITERAL("hello"));
}

/* With a key of its own; port: 0 for any. */
static void site_start(struct tls_site *site, uint16_t port)
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
        .port = port,
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
    site->port = http_server_port(site->server);
}

static void site_stop(struct tls_site *site)
{
    http_server_stop(site->server);
    buf_clear(&site->cert);
    buf_clear(&site->key);
}

static const struct asked *ask_site(struct pool_fixture *fixture, const struct tls_site *site,
                                    const char *pin)
{
    return ask_and_wait(
        fixture, (struct http_pool_request){.port = site->port, .tls = true, .pin = pin, .target = "/"});
}

static void shows_who_answers_at_a_first_contact(void **state)
{
    struct pool_fixture *fixture = *state;
    struct tls_site site;
    struct error err;
    site_start(&site, 0);
    for (int i = 0; i < 2; i++) {
        struct asked *asked = (struct asked *)ask_site(fixture, &site, NULL);
        char shown[SHA256_HEX_BYTES];
        assert_true(asked->ok);
        assert_string_equal(asked->body, "hello");
        assert_true(cert_agent_id(buf_view(&asked->pem), shown, &err));
        assert_string_equal(shown, site.agent_id);
    }
    assert_int_equal(http_pool_counts(fixture->pool).reused_connections, 0);
    site_stop(&site);
}

static void speaks_to_the_pinned_key_alone(void **state)
{
    struct pool_fixture *fixture = *state;
    struct tls_site site;
    site_start(&site, 0);
    for (int i = 0; i < 3; i++)
        assert_true(ask_site(fixture, &site, site.agent_id)->ok);
    assert_int_equal(http_pool_counts(fixture->pool).reused_connections, 2);
    assert_int_equal(site.requests, 3);

    char wrong[SHA256_HEX_BYTES];
    snprintf(wrong, sizeof(wrong), "%s", site.agent_id);
    wrong[0] = wrong[0] == '0' ? '1' : '0';
    const struct asked *asked = ask_site(fixture, &site, wrong); /* nor on the connection that is kept */
    assert_int_equal(asked->err.code, ERR_CHANGED);
    assert_int_equal(asked->status, 0);
    assert_int_equal(site.requests, 3); /* nothing of the request has left */
    char shown[SHA256_HEX_BYTES];
    struct error err;
    assert_true(cert_agent_id(buf_view(&asked->pem), shown, &err));
    assert_string_equal(shown, site.agent_id); /* so that both can be named */
    assert_true(ask_site(fixture, &site, site.agent_id)->ok);
    site_stop(&site);
}

static void a_first_contact_opens_no_way_for_a_pin(void **state)
{
    struct pool_fixture *fixture = *state;
    struct tls_site site;
    site_start(&site, 0);
    char wrong[SHA256_HEX_BYTES];
    snprintf(wrong, sizeof(wrong), "%s", site.agent_id);
    wrong[5] = wrong[5] == '0' ? '1' : '0';
    assert_true(ask_site(fixture, &site, NULL)->ok);
    assert_int_equal(ask_site(fixture, &site, wrong)->err.code, ERR_CHANGED);
    assert_int_equal(site.requests, 1);
    site_stop(&site);
}

static void another_certificate_is_noticed(void **state)
{
    struct pool_fixture *fixture = *state;
    struct tls_site site;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int keeper = socket(AF_INET, SOCK_STREAM, 0); /* so that the port is nobody else's in between */
    assert_int_equal(setsockopt(keeper, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(keeper, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(keeper, (struct sockaddr *)&address, &size), 0);
    site_start(&site, ntohs(address.sin_port));
    char pinned[SHA256_HEX_BYTES];
    snprintf(pinned, sizeof(pinned), "%s", site.agent_id);
    assert_true(ask_site(fixture, &site, pinned)->ok);
    uint16_t port = site.port;
    site_stop(&site);
    site_start(&site, port); /* the same place, another key */
    assert_int_equal(ask_site(fixture, &site, pinned)->err.code, ERR_CHANGED);
    assert_int_equal(site.requests, 0);
    assert_true(ask_site(fixture, &site, site.agent_id)->ok);
    site_stop(&site);
}

static void plain_http_is_no_tls(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_connects_within(fixture, 1000);
    fixture->server.script = SCRIPT("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    const struct asked *asked = ask_and_wait(fixture, (struct http_pool_request){.tls = true});
    assert_int_equal(asked->err.code, ERR_TIMEOUT); /* it waits for a request that never comes */
    assert_non_null(strstr(asked->err.text, "no connection within 1000 ms"));
    assert_string_equal(buf_text((struct buf *)&asked->pem), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_fixture_set_up, pool_fixture_tear_down)

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(keeps_connections_alive),
        TEST(keeps_no_more_than_was_allowed),
        TEST(keeps_none_when_none_may_be_kept),
        TEST(hosts_are_spread_and_each_keeps_its_own),
        TEST(a_kept_connection_that_died_is_made_anew),
        TEST(a_broken_answer_leaves_no_connection),
        TEST(forgets_idle_connections_of_a_host),
        TEST(shows_who_answers_at_a_first_contact),
        TEST(speaks_to_the_pinned_key_alone),
        TEST(a_first_contact_opens_no_way_for_a_pin),
        TEST(another_certificate_is_noticed),
        TEST(plain_http_is_no_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
