#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/scope.h"
#include "common/net/http_server.h"

/* The server's own limits are so long that whoever waited for a client would wait for longer than a stop may
 * last, also on a slow machine. */
enum { PATIENCE_MS = 60 * 1000, STOP_MAX_MS = 60 * 1000, LIMIT_MS = 600 * 1000 };

struct site {
    struct http_events *events;
    atomic_int released;
    atomic_int data_released;
    atomic_int begun;
};

/* ---- handlers ---- */

static void release_count(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void hello(struct http_request *request)
{
    struct site *site = http_context(request);
    http_set_data(request, &site->data_released, release_count);
    http_answer(request, 200, "text/plain", VIEW_LITERAL("hello"));
}

static void answers_twice(struct http_request *request)
{
    http_answer(request, 200, "text/plain", VIEW_LITERAL("first"));
    http_answer_error(request, 400, "second", "of two");
}

static void echo(struct http_request *request)
{
    http_answer(request, 200, "text/plain", http_body(request));
}

static ssize_t read_forever(void *context, char *out, size_t out_bytes)
{
    (void)context;
    memset(out, 'x', out_bytes);
    return (ssize_t)out_bytes;
}

static void stream(struct http_request *request)
{
    struct site *site = http_context(request);
    http_answer_stream(request, 200, "text/plain", read_forever, &site->released, release_count);
}

static void stream_twice(struct http_request *request)
{
    stream(request);
    stream(request);
}

static void subscribe(struct http_request *request)
{
    struct site *site = http_context(request);
    http_events_subscribe(site->events, request, (struct view){0});
}

static void begin_upload(struct http_request *request)
{
    struct site *site = http_context(request);
    atomic_fetch_add(&site->begun, 1);
    if (http_query(request, "busy") != NULL)
        http_answer_error(request, 409, "busy", "try again later");
}

static bool take_upload(struct http_request *request, struct view piece)
{
    (void)request;
    (void)piece;
    return true;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/hello", 0, hello, NULL, NULL},
    {HTTP_GET, "/twice", 0, answers_twice, NULL, NULL},
    {HTTP_POST, "/echo", 16, echo, NULL, NULL},
    {HTTP_GET, "/stream", 0, stream, NULL, NULL},
    {HTTP_GET, "/stream-twice", 0, stream_twice, NULL, NULL},
    {HTTP_GET, "/events", 0, subscribe, NULL, NULL},
    {HTTP_POST, "/upload", 1 << 20, hello, begin_upload, take_upload},
};

/* ---- a server and a client ---- */

struct bed {
    struct site site;
    struct log log;
    struct http_server *server;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    log_init(&bed->log, "test", clock_system());
    bed->log.fd = -1;
    const struct http_server_config config = {
        .bind = "127.0.0.1",
        .routes = routes,
        .route_count = COUNT_OF(routes),
        .context = &bed->site,
        .log = &bed->log,
        .clock = clock_system(),
        .first_header_deadline_ms = LIMIT_MS,
        .idle_ms = LIMIT_MS,
        .progress_window_ms = LIMIT_MS,
        .sse_heartbeat_ms = 100,
    };
    bed->server = http_server_start(&config, NULL);
    if (bed->server != NULL)
        bed->site.events = http_events_new(bed->server, NULL);
    *state = bed;
    return bed->server == NULL || bed->site.events == NULL;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    http_server_stop(bed->server);
    free(bed);
    return 0;
}

static int connect_to(const struct http_server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(http_server_port(server)),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `want` has come, or the end when it is NULL; fails when it does not come. */
static void expect(int fd, const char *want)
{
    char text[16 * 1024] = "";
    size_t used = 0;
    while (used + 1 < sizeof(text) && (want == NULL || strstr(text, want) == NULL)) {
        ssize_t size = recv(fd, text + used, sizeof(text) - 1 - used, 0);
        if (size == 0 && want == NULL)
            return;
        if (size <= 0)
            fail_msg("%s did not come, but: %s", want == NULL ? "the end" : want, text);
        used += (size_t)size;
        text[used] = '\0';
    }
}

static void exchange(struct bed *bed, const char *request, const char *want)
{
    SCOPE_FD int fd = connect_to(bed->server);
    send_text(fd, request);
    expect(fd, want);
}

static int64_t now_ms(void)
{
    return clock_monotonic_us(clock_system()) / US_PER_MS;
}

static void wait_for(atomic_int *count, int want)
{
    int64_t end = now_ms() + PATIENCE_MS;
    while (atomic_load(count) < want && now_ms() < end)
        poll(NULL, 0, 5);
    assert_int_equal(atomic_load(count), want);
}

/* ---- tests ---- */

static void it_answers(void **state)
{
    struct bed *bed = *state;
    SCOPE_FD int fd = connect_to(bed->server);
    for (int i = 1; i <= 3; i++) {
        send_text(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(fd, "\r\n\r\nhello");
        wait_for(&bed->site.data_released, i);
    }
    exchange(bed, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "\r\n\r\nabc");
    exchange(bed, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
             "{\"error\":\"not_found\",\"detail\":\"there is no such path");
    exchange(bed, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST");
}

static void the_first_of_two_answers_counts(void **state)
{
    struct bed *bed = *state;
    exchange(bed, "GET /twice HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nfirst");
    SCOPE_FD int fd = connect_to(bed->server);
    send_text(fd, "GET /stream-twice HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(fd, "xxx");
    wait_for(&bed->site.released, 1);
    close(fd_take(&fd));
    wait_for(&bed->site.released, 2);
}

static void a_body_has_its_limit(void **state)
{
    struct bed *bed = *state;
    exchange(bed, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n12345678901234567", " 413 ");
    exchange(bed, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", " 413 ");
    exchange(bed,
             "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
             "9\r\n123456789\r\n9\r\n123456789\r\n0\r\n\r\n",
             " 413 ");
    exchange(bed, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n1234567890123456",
             "\r\n\r\n1234567890123456");
}

static void refusing_an_upload_costs_no_upload(void **state)
{
    struct bed *bed = *state;
    static const char ask[] = "POST /upload%s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n%s\r\n";
    char text[256];
    snprintf(text, sizeof(text), ask, "?busy=1", "Expect: 100-continue\r\n");
    exchange(bed, text, "HTTP/1.1 409 ");
    SCOPE_FD int fd = connect_to(bed->server);
    snprintf(text, sizeof(text), ask, "", "Expect: 100-continue\r\n");
    send_text(fd, text);
    expect(fd, "HTTP/1.1 100 ");
    send_text(fd, "12345");
    expect(fd, "hello");
    /* without asking first it is answered after the body, and the connection lives on */
    snprintf(text, sizeof(text), ask, "?busy=1", "");
    send_text(fd, text);
    send_text(fd, "12345");
    expect(fd, "{\"error\":\"busy\",\"detail\":\"try again later\"}");
    send_text(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(fd, "hello");
    assert_int_equal(atomic_load(&bed->site.begun), 3);
}

static void a_client_that_leaves_releases_its_stream(void **state)
{
    struct bed *bed = *state;
    int fd = connect_to(bed->server);
    send_text(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(fd, "xxxx");
    close(fd);
    wait_for(&bed->site.released, 1);
}

static void events_reach_every_subscriber(void **state)
{
    struct bed *bed = *state;
    SCOPE_FD int a = connect_to(bed->server);
    SCOPE_FD int b = connect_to(bed->server);
    send_text(a, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    send_text(b, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(a, "retry:");
    expect(b, "retry:");
    assert_int_equal(http_events_subscribers(bed->site.events), 2);
    http_events_send(bed->site.events, "reading", "7", VIEW_LITERAL("{\"n\":1}"));
    expect(a, "event: reading\nid: 7\ndata: {\"n\":1}\n\n");
    expect(b, "event: reading\nid: 7\ndata: {\"n\":1}\n\n");
    expect(a, ":\n\n"); /* the heartbeat */
    close(fd_take(&b));
    int64_t end = now_ms() + PATIENCE_MS;
    while (http_events_subscribers(bed->site.events) > 1 && now_ms() < end)
        poll(NULL, 0, 5);
    assert_int_equal(http_events_subscribers(bed->site.events), 1);
    http_events_free(bed->site.events);
    expect(a, "0\r\n\r\n"); /* the stream's own end */
}

static void a_subscriber_that_does_not_read_is_dropped(void **state)
{
    struct bed *bed = *state;
    SCOPE_FD int fd = connect_to(bed->server);
    send_text(fd, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(fd, "retry:");
    static char data[64 * 1024];
    memset(data, 'x', sizeof(data));
    int64_t end = now_ms() + PATIENCE_MS;
    while (http_events_subscribers(bed->site.events) > 0 && now_ms() < end)
        http_events_send(bed->site.events, "big", NULL, (struct view){data, sizeof(data)});
    assert_int_equal(http_events_subscribers(bed->site.events), 0);
}

static void stopping_does_not_wait_for_clients(void **state)
{
    struct bed *bed = *state;
    static const char *const requests[] = {
        "",
        "GET /hel",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    };
    int fds[COUNT_OF(requests)];
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        fds[i] = connect_to(bed->server);
        send_text(fds[i], requests[i]);
    }
    expect(fds[2], "xxxx");
    expect(fds[3], "retry:");
    int64_t begin = now_ms();
    http_server_stop(bed->server);
    assert_in_range(now_ms() - begin, 0, STOP_MAX_MS);
    assert_int_equal(atomic_load(&bed->site.released), 1);
    bed->server = NULL;
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        close(fds[i]);
}

static void what_cannot_start_says_why(void **state)
{
    struct bed *bed = *state;
    struct error err;
    struct http_server_config config = {
        .bind = "not an address",
        .routes = routes,
        .route_count = COUNT_OF(routes),
        .log = &bed->log,
        .clock = clock_system(),
    };
    assert_null(http_server_start(&config, &err));
    assert_int_equal(err.code, ERR_USAGE);
    config.bind = "127.0.0.1";
    config.port = http_server_port(bed->server);
    assert_null(http_server_start(&config, &err));
    assert_non_null(strstr(err.text, "Address already in use"));
    config.port = 0;
    config.cert_pem = config.key_pem = "no certificate";
    assert_null(http_server_start(&config, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "certificate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_of_two_answers_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_has_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusing_an_upload_costs_no_upload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_releases_its_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_reach_every_subscriber, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_subscriber_that_does_not_read_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_for_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_start_says_why, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
