/* One exchange: what is sent, and everybody who is too slow, not there, or does not want it. */
#include "tests/unit/common/net/pool_fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHORT_FLOOR ((struct http_pool_request){.floor_s = 1})
#define OK_2        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- what is sent ---- */

static void sends_what_it_was_given(void **state)
{
    struct pool_fixture *fixture = *state;
    char text[] = "{\"a\":1}";
    char target[] = "/auth?a=%20b";
    char header[] = "Authorization: Bearer x";
    const char *headers[] = {header, "Content-Type: application/json", NULL};
    const struct http_pool_request post = {
        .method = "POST", .target = target, .headers = headers, .body = view_of(text)};
    fixture->server.script = SCRIPT(OK_2);
    ask(fixture, post);
    memset(text, '#', sizeof(text) - 1); /* it was copied */
    memset(target, '#', sizeof(target) - 1);
    memset(header, '#', sizeof(header) - 1);
    headers[1] = NULL;
    run_to_end(fixture);
    const char *seen = buf_text(&fixture->server.seen);
    assert_true(view_starts(view_of(seen), "POST /auth?a=%20b HTTP/1.1\r\n"));
    assert_non_null(strstr(seen, "\r\nAuthorization: Bearer x\r\n"));
    assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen, "\r\n\r\n{\"a\":1}"));

    ask(fixture, (struct http_pool_request){.target = "/../x"});
    run_to_end(fixture);
    seen = buf_text(&fixture->server.seen);
    assert_true(view_starts(view_of(seen), "GET /../x HTTP/1.1\r\n"));
    assert_null(strstr(seen, "Content-Type"));
    assert_null(strstr(seen, "Authorization"));
    assert_null(strstr(seen, "Accept-Encoding"));

    ask(fixture, (struct http_pool_request){.method = "POST"});
    run_to_end(fixture);
    assert_non_null(strstr(buf_text(&fixture->server.seen), "\r\nContent-Length: 0\r\n"));
    assert_int_equal(fixture->server.connections, 1);
}

static void ignores_a_proxy_of_the_environment(void **state)
{
    struct pool_fixture *fixture = *state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    const struct asked *asked = ask_once(fixture, SCRIPT(OK_2), GET);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_true(asked->ok);
}

static void keeps_no_cookies(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\nok");
    for (int i = 0; i < 2; i++) {
        ask(fixture, GET);
        run_to_end(fixture);
    }
    assert_null(strstr(buf_text(&fixture->server.seen), "Cookie"));
}

static void finds_a_host_by_its_name(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(OK_2);
    const struct asked *known = ask(fixture, (struct http_pool_request){.host = "localhost"});
    run_to_end(fixture);
    assert_true(known->ok);
    const struct asked *unknown = ask(fixture, (struct http_pool_request){.host = "no-such-host.invalid"});
    run_to_end(fixture);
    assert_int_equal(unknown->err.code, ERR_UNREACHABLE);
}

/* ---- uploads ---- */

enum { FILE_BYTES = 3 * 1024 * 1024 + 7 };

static int make_file(void)
{
    int fd = memfd_create("upload", MFD_CLOEXEC);
    assert_true(fd >= 0);
    SCOPE_FREE char *content = malloc(FILE_BYTES);
    assert_non_null(content);
    for (size_t i = 0; i < FILE_BYTES; i++)
        content[i] = "telehau"[i % 7];
    assert_int_equal(write(fd, content, FILE_BYTES), FILE_BYTES);
    return fd;
}

static struct http_pool_request upload(int fd, uint64_t bytes)
{
    return (struct http_pool_request){.method = "POST", .upload_fd = fd, .upload_bytes = bytes};
}

static void sends_nothing_to_who_refuses_it(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_FD int fd = make_file();
    fixture->server.script = SCRIPT("HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nbusy");
    const struct asked *asked = ask(fixture, upload(fd, FILE_BYTES));
    run_to_end(fixture);
    assert_true(asked->ok);
    assert_int_equal(asked->status, 409);
    assert_string_equal(asked->body, "busy");
    const char *seen = buf_text(&fixture->server.seen);
    assert_non_null(strstr(seen, "\r\nExpect: 100-continue\r\n"));
    assert_true(view_ends(view_of(seen), "\r\n\r\n")); /* nothing behind the head */
    assert_null(strstr(seen, "telehautelehau"));
}

static void sends_the_whole_file(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_FD int fd = make_file();
    fixture->server.continues = true;
    fixture->server.script = SCRIPT(OK_2);
    for (int i = 0; i < 2; i++) {
        const struct asked *asked = ask(fixture, upload(fd, FILE_BYTES));
        run_to_end(fixture);
        assert_int_equal(asked->status, 200);
        const char *body = strstr(buf_text(&fixture->server.seen), "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(strlen(body + 4), FILE_BYTES);
        assert_true(view_starts(view_of(body + 4), "telehautelehau"));
    }
    const struct asked *longer = ask(fixture, upload(fd, FILE_BYTES + 1));
    run_to_end(fixture);
    assert_int_equal(longer->err.code, ERR_CHANGED);
    const struct asked *plain = ask(fixture, GET); /* its handle has forgotten the file */
    run_to_end(fixture);
    assert_true(plain->ok);
    assert_true(view_starts(buf_view(&fixture->server.seen), "GET /x "));
}

/* ---- who is slow, or not there ---- */

static void drops_who_is_too_slow(void **state)
{
    struct pool_fixture *fixture = *state;
    const struct asked *silent = ask_once(fixture, SCRIPT("", .then = THEN_SILENT), SHORT_FLOOR);
    assert_int_equal(silent->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(silent->err.text, "less than 64 bytes a second for 1 s"));
    assert_true(silent->duration_us > US_PER_S * 9 / 10);
    const struct loop_server_script one_by_one =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nx", .then = THEN_TRICKLE);
    const struct asked *slow = ask_once(fixture, one_by_one, SHORT_FLOOR); /* 20 bytes a second */
    assert_int_equal(slow->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(slow->err.text, "less than 64 bytes a second for 1 s"));
    const struct asked *head =
        ask_once(fixture, SCRIPT("HTTP/1.1 200 OK\r\nX: y", .then = THEN_TRICKLE), SHORT_FLOOR);
    assert_int_equal(head->err.code, ERR_TIMEOUT);
    const struct asked *total = ask_once(fixture, one_by_one, (struct http_pool_request){.total_ms = 1000});
    assert_int_equal(total->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(total->err.text, "no whole answer within 1000 ms"));
    assert_true(total->duration_us > 990 * US_PER_MS);
    assert_int_equal(total->status, 200);
}

static void a_slow_upload_is_dropped(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_FD int fd = make_file();
    fixture->server.continues = true;
    fixture->server.deaf = true; /* it reads no more than the head */
    struct http_pool_request request = upload(fd, FILE_BYTES);
    request.floor_s = 1;
    const struct asked *asked = ask(fixture, request);
    run_to_end(fixture);
    assert_int_equal(asked->err.code, ERR_TIMEOUT);
}

enum { MANY = 20 };

static bool many_have_ended(const struct pool_fixture *fixture)
{
    return fixture->ended == MANY;
}

static void a_dead_one_harms_no_other(void **state)
{
    struct pool_fixture *fixture = *state;
    struct loop_server healthy;
    loop_server_start(&healthy, fixture->loop, SCRIPT(OK_2));
    fixture->server.script = SCRIPT("", .then = THEN_SILENT);
    struct asked *dead[MANY];
    const struct asked *well[MANY];
    for (int i = 0; i < MANY; i++)
        dead[i] = ask(fixture, GET);
    for (int i = 0; i < MANY; i++)
        well[i] = ask(fixture, (struct http_pool_request){.port = healthy.port});
    run_until(fixture, many_have_ended);
    for (int i = 0; i < MANY; i++) {
        assert_true(well[i]->ok);
        assert_int_equal(dead[i]->ends, 0); /* it was not waited for */
        http_transfer_cancel(dead[i]->transfer);
    }
    run_to_end(fixture);
    for (int i = 0; i < MANY; i++)
        dead[i] = ask(fixture, (struct http_pool_request){.total_ms = 500});
    run_to_end(fixture);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(dead[i]->err.code, ERR_TIMEOUT);
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    loop_server_stop(&healthy);
}

/* A byte each 50 ms: 2 s, in which they have all come; but we pause longer than all may take. */
static void our_pauses_are_no_time_of_theirs(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nx", .then = THEN_TRICKLE);
    struct asked *asked = ask_streaming(fixture, (struct http_pool_request){.total_ms = 5000});
    asked->pause_at = 1;
    run_until_taken(fixture, asked, 1);
    run_for(fixture, 6000);
    assert_int_equal(asked->ends, 0);
    asked->pause_at = 0;
    http_transfer_resume(asked->transfer);
    run_to_end(fixture);
    assert_true(asked->ok);
    assert_int_equal(asked->taken, 40);
    assert_true(asked->duration_us > 5900 * US_PER_MS);
}

static void says_why_it_could_not_connect(void **state)
{
    struct pool_fixture *fixture = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int nobody = socket(AF_INET, SOCK_STREAM, 0); /* it has the port and does not listen */
    assert_int_equal(bind(nobody, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(nobody, (struct sockaddr *)&address, &size), 0);
    uint16_t port = ntohs(address.sin_port);
    const struct asked *refused = ask(fixture, (struct http_pool_request){.port = port});
    run_to_end(fixture);
    char expected[64];
    snprintf(expected, sizeof(expected), "could not reach 127.0.0.1:%u: Connection refused", port);
    assert_int_equal(refused->err.code, ERR_UNREACHABLE);
    assert_string_equal(refused->err.text, expected);
    assert_int_equal(refused->status, 0);
}

/* A full queue of connections that nobody takes: what comes next is never answered. */
static void a_black_hole_costs_the_time_to_connect(void **state)
{
    struct pool_fixture *fixture = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int hole = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SCOPE_FD int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hole, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(hole, 0), 0);
    assert_int_equal(getsockname(hole, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&address, size), 0);
    pool_fixture_connects_within(fixture, 1000);
    const struct asked *asked = ask(fixture, (struct http_pool_request){.port = ntohs(address.sin_port)});
    run_to_end(fixture);
    assert_int_equal(asked->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(asked->err.text, "no connection within 1000 ms"));
    assert_true(asked->duration_us > 900 * US_PER_MS);
    const struct asked *shorter =
        ask(fixture, (struct http_pool_request){.port = ntohs(address.sin_port), .total_ms = 200});
    run_to_end(fixture);
    assert_int_equal(shorter->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(shorter->err.text, "no connection within 200 ms"));
}

/* It is not the host's fault. */
static void a_want_of_descriptors_is_ours(void **state)
{
    struct pool_fixture *fixture = *state;
    struct rlimit before;
    SCOPE_FD int probe = dup(STDERR_FILENO);
    struct asked *asked =
        ask(fixture, (struct http_pool_request){.total_ms = 60 * 1000}); /* the multi handle's own */
    fixture->server.script = SCRIPT(OK_2);
    run_to_end(fixture);
    assert_true(asked->ok);
    http_pool_forget(fixture->pool, "127.0.0.1", fixture->server.port);
    run_until_open(fixture, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)probe, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    asked = ask(fixture, GET);
    fixture->wanted = fixture->count;
    struct error err;
    assert_true(loop_run(fixture->loop, &err));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(asked->err.code, ERR_IO);
    assert_non_null(strstr(asked->err.text, "Too many open files"));
    assert_true(ask_once(fixture, SCRIPT(OK_2), GET)->ok);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_fixture_set_up, pool_fixture_tear_down)

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(sends_what_it_was_given),
        TEST(ignores_a_proxy_of_the_environment),
        TEST(keeps_no_cookies),
        TEST(finds_a_host_by_its_name),
        TEST(sends_nothing_to_who_refuses_it),
        TEST(sends_the_whole_file),
        TEST(drops_who_is_too_slow),
        TEST(a_slow_upload_is_dropped),
        TEST(a_dead_one_harms_no_other),
        TEST(our_pauses_are_no_time_of_theirs),
        TEST(says_why_it_could_not_connect),
        TEST(a_want_of_descriptors_is_ours),
        TEST(a_black_hole_costs_the_time_to_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
