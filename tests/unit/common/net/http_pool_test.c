#include "tests/unit/common/net/pool_fixture.h"

#include <stdio.h>

#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- answers ---- */

static void takes_a_whole_answer(void **state)
{
    struct pool_fixture *fixture = *state;
    const struct asked *sized =
        ask_once(fixture, SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), GET);
    assert_true(sized->ok);
    assert_int_equal(sized->status, 200);
    assert_string_equal(sized->body, "hello");
    assert_int_equal(sized->wire_bytes, 5);
    assert_true(sized->duration_us > 0);
    const struct asked *chunked = ask_once(
        fixture,
        SCRIPT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), GET);
    assert_true(chunked->ok);
    assert_string_equal(chunked->body, "hello");
    const struct asked *none = ask_once(fixture, SCRIPT("HTTP/1.1 204 No Content\r\n\r\n"), GET);
    assert_true(none->ok);
    assert_int_equal(none->status, 204);
}

static void keeps_connections_alive(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(OK_2);
    for (int i = 0; i < 5; i++) {
        ask(fixture, GET);
        run_to_end(fixture);
    }
    assert_int_equal(fixture->server.connections, 1);
    assert_int_equal(fixture->server.requests, 5);
    struct http_pool_counts counts = http_pool_counts(fixture->pool);
    assert_int_equal(counts.started, 5);
    assert_int_equal(counts.reused_connections, 4);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.running + counts.waiting, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_fixture_set_up, pool_fixture_tear_down)

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(takes_a_whole_answer),
        TEST(keeps_connections_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
