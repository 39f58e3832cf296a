#include "tests/unit/common/net/raw_server.h"

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
    struct outcome outcome = ask_with_floor(silent, GET, 1);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
    struct script slow = {.answer = VIEW_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nx"),
                          .trickle = true};
    outcome = ask_with_floor(slow, GET, 1);
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
    outcome = ask(slow, (struct http_exchange){.total_ms = 200});
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, ERR_TIMEOUT);
}

static void says_why_it_could_not_connect(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int nobody = socket(AF_INET, SOCK_STREAM, 0); /* it has the port and does not listen */
    assert_int_equal(bind(nobody, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(nobody, (struct sockaddr *)&address, &size), 0);
    uint16_t port = ntohs(address.sin_port);
    SCOPE_HTTP_CLIENT struct http_client *client = client_of(port);
    struct http_exchange exchange = {.method = "GET", .target = "/"};
    struct error err;
    char expected[64];
    snprintf(expected, sizeof(expected), "could not reach 127.0.0.1:%u: Connection refused", port);
    assert_false(http_client_exchange(client, &exchange, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_string_equal(err.text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_whole_answer),    cmocka_unit_test(refuses_answers_that_break_off),
        cmocka_unit_test(refuses_what_is_no_http), cmocka_unit_test(does_not_follow_redirects),
        cmocka_unit_test(refuses_header_floods),   cmocka_unit_test(bounds_the_body_that_it_keeps),
        cmocka_unit_test(drops_who_is_too_slow),   cmocka_unit_test(says_why_it_could_not_connect),
    };
    return cmocka_run_group_tests(tests, start_curl, NULL);
}
