#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/scope.h"
#include "common/net/http_connections.h"

enum { S = US_PER_S, PATIENCE_MS = 60 * 1000, FOR_EVER_MS = 3600 * 1000 };

static const struct http_connection_limits limits = {
    .max_connections = 16,
    .max_connections_an_address = 4,
    .first_header_deadline_ms = 10 * 1000,
    .idle_ms = 30 * 1000,
    .progress_window_ms = 10 * 1000,
    .progress_floor_bytes_s = 64,
};

/* ---- what is decided ---- */

struct step {
    int64_t at_s;
    uint64_t received, acked, unsent, unread;
    enum http_connection_verdict want;
};

static void play(enum http_connection_state state, const struct step *steps, size_t count)
{
    struct http_connection_progress progress = {.state = state};
    for (size_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];
        struct http_connection_sample sample = {
            .now_us = step->at_s * S,
            .received_bytes = step->received,
            .acked_bytes = step->acked,
            .unsent_bytes = step->unsent,
            .unread_bytes = step->unread,
        };
        if (http_connection_judge(&progress, &limits, &sample) != step->want)
            fail_msg("step %zu at %lld s", i, (long long)step->at_s);
    }
}
#define PLAY(state, ...)                                                                                     \
    play(state, (const struct step[]){__VA_ARGS__}, COUNT_OF(((const struct step[]){__VA_ARGS__})))

static void headers_have_a_deadline_whatever_moves(void **state)
{
    (void)state;
    PLAY(HTTP_OWES_FIRST_HEADERS, {.at_s = 1}, {.at_s = 9, .received = 9000, .want = HTTP_KEEP},
         {.at_s = 10, .received = 10000, .want = HTTP_CLOSE});
}

static void idle_begins_when_the_answer_is_taken(void **state)
{
    (void)state;
    PLAY(HTTP_OWES_NEXT_HEADERS, {.at_s = 29, .want = HTTP_KEEP}, {.at_s = 30, .want = HTTP_CLOSE});
    PLAY(HTTP_OWES_NEXT_HEADERS, {.at_s = 5, .acked = 1000, .unsent = 100000},
         {.at_s = 14, .acked = 50000, .unsent = 51000}, {.at_s = 40, .acked = 101000},
         {.at_s = 43, .acked = 101000}, {.at_s = 44, .acked = 101000, .want = HTTP_CLOSE});
}

static void a_trickle_of_body_is_cut_off(void **state)
{
    (void)state;
    PLAY(HTTP_SENDS_BODY, {.at_s = 0}, {.at_s = 5, .received = 5},
         {.at_s = 10, .received = 10, .want = HTTP_ABORT});
    PLAY(HTTP_SENDS_BODY, {.at_s = 0}, {.at_s = 10, .received = 639, .want = HTTP_ABORT});
    PLAY(HTTP_SENDS_BODY, {.at_s = 0}, {.at_s = 10, .received = 640}, {.at_s = 20, .received = 1280},
         {.at_s = 30, .received = 1900, .want = HTTP_ABORT});
}

static void a_body_that_we_do_not_read_is_our_fault(void **state)
{
    (void)state;
    PLAY(HTTP_SENDS_BODY, {.at_s = 0}, {.at_s = 9, .unread = 1}, {.at_s = 100, .unread = 1},
         {.at_s = 101, .received = 5}, {.at_s = 110, .received = 5},
         {.at_s = 111, .received = 5, .want = HTTP_ABORT});
}

static void an_answer_not_taken_is_cut_off(void **state)
{
    (void)state;
    PLAY(HTTP_TAKES_ANSWER, {.at_s = 0, .unsent = 5000}, {.at_s = 9, .acked = 9, .unsent = 4991},
         {.at_s = 10, .acked = 10, .unsent = 4990, .want = HTTP_ABORT});
    PLAY(HTTP_TAKES_ANSWER, {.at_s = 0, .unsent = 5000}, {.at_s = 10, .acked = 640, .unsent = 4990},
         {.at_s = 19, .acked = 641, .unsent = 1},
         {.at_s = 20, .acked = 641, .unsent = 1, .want = HTTP_ABORT});
}

static void an_answer_that_we_are_slow_to_make_is_our_fault(void **state)
{
    (void)state;
    PLAY(HTTP_TAKES_ANSWER, {.at_s = 0}, {.at_s = 1000}, {.at_s = 2000, .unsent = 10},
         {.at_s = 2009, .unsent = 10}, {.at_s = 2010, .unsent = 10, .want = HTTP_ABORT});
}

static void small_events_slowly_taken_are_progress(void **state)
{
    (void)state;
    PLAY(HTTP_TAKES_ANSWER, {.at_s = 0, .unsent = 20}, {.at_s = 5, .acked = 20, .unsent = 20},
         {.at_s = 12, .acked = 40, .unsent = 20}, {.at_s = 20, .acked = 60, .unsent = 20},
         {.at_s = 28, .acked = 80, .unsent = 20});
}

/* ---- the table, on real sockets ---- */

struct pair {
    int server, client;
};

static struct pair make_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct pair pair = {.client = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, size), 0);
    pair.server = accept(listener, NULL, NULL);
    assert_true(pair.server >= 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    close(pair->server);
    close(pair->client);
}

static bool is_open(int client)
{
    struct pollfd fd = {.fd = client, .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}

/* Even on one machine a little passes until the peer learns of it. */
static bool is_closed(int client)
{
    struct pollfd fd = {.fd = client, .events = POLLIN};
    return poll(&fd, 1, PATIENCE_MS) == 1;
}

/* Sends until the peer's buffers and ours are full, and nothing is on its way any more. */
static void fill(int fd)
{
    static const char block[1 << 16];
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    bool full = false;
    bool on_its_way = true;
    while (!full || on_its_way) {
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        on_its_way = info.tcpi_unacked > 0;
        full = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) <= 0;
        if (full && on_its_way)
            poll(NULL, 0, 1);
    }
}

struct bed {
    struct clock_fake clock;
    struct http_connections *table;
};

static int set_up(void **state)
{
    static struct bed bed;
    clock_fake_init(&bed.clock, 0, 1000 * (int64_t)S);
    bed.table = http_connections_new(&limits, &bed.clock.clock, NULL);
    *state = &bed;
    return bed.table == NULL;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    http_connections_free(bed->table);
    return 0;
}

static struct http_address address_of(int number)
{
    struct http_address address;
    snprintf(address.text, sizeof(address.text), "192.0.2.%d", number);
    snprintf(address.key, sizeof(address.key), "192.0.2.%d", number);
    return address;
}

static void an_address_gets_its_share(void **state)
{
    struct bed *bed = *state;
    struct http_address one = address_of(1), two = address_of(2);
    struct http_connection *rows[4];
    for (int i = 0; i < 4; i++) {
        assert_true(http_connections_admits(bed->table, &one));
        rows[i] = http_connections_add(bed->table, -1, &one);
    }
    assert_false(http_connections_admits(bed->table, &one));
    assert_true(http_connections_admits(bed->table, &two));
    http_connections_remove(bed->table, rows[2]);
    assert_true(http_connections_admits(bed->table, &one));
    assert_int_equal(http_connections_count(bed->table), 3);
}

static void silent_ones_are_closed(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair silent = make_pair(), kept = make_pair();
    struct http_connection *a = http_connections_add(bed->table, silent.server, &address);
    struct http_connection *b = http_connections_add(bed->table, kept.server, &address);
    http_connection_headers_done(bed->table, b, false);
    http_connection_request_done(bed->table, b);
    clock_fake_advance(&bed->clock, 9 * S);
    assert_int_equal(http_connections_sweep(bed->table), 0);
    clock_fake_advance(&bed->clock, 1 * S);
    assert_int_equal(http_connections_sweep(bed->table), 1);
    assert_true(is_closed(silent.client));
    assert_true(is_open(kept.client));
    assert_int_equal(http_connections_sweep(bed->table), 0);
    clock_fake_advance(&bed->clock, 20 * S);
    assert_int_equal(http_connections_sweep(bed->table), 1);
    assert_true(is_closed(kept.client));
    http_connections_remove(bed->table, a);
    http_connections_remove(bed->table, b);
    close_pair(&silent);
    close_pair(&kept);
}

static void one_that_stops_reading_is_reset(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair pair = make_pair();
    struct http_connection *row = http_connections_add(bed->table, pair.server, &address);
    http_connection_headers_done(bed->table, row, false);
    fill(pair.server);
    assert_int_equal(http_connections_sweep(bed->table), 0);
    clock_fake_advance(&bed->clock, 10 * S);
    assert_int_equal(http_connections_sweep(bed->table), 1);
    http_connections_remove(bed->table, row);
    close(pair.server);
    ssize_t size;
    static char sink[1 << 16];
    while ((size = recv(pair.client, sink, sizeof(sink), 0)) > 0)
        continue;
    assert_int_equal(size, -1);
    assert_int_equal(errno, ECONNRESET);
    close(pair.client);
}

static void a_nearly_full_table_pushes_the_oldest_silent_one_out(void **state)
{
    struct bed *bed = *state;
    struct pair pairs[15];
    struct http_connection *rows[15];
    for (int i = 0; i < 15; i++) {
        struct http_address address = address_of(i);
        pairs[i] = make_pair();
        rows[i] = http_connections_add(bed->table, pairs[i].server, &address);
        if (i == 0)
            http_connection_headers_done(bed->table, rows[i], false); /* busy: never pushed out */
        clock_fake_advance(&bed->clock, 1000);
        for (int k = 0; k <= i; k++)
            assert_true(i == 14 && k == 1 ? is_closed(pairs[k].client) : is_open(pairs[k].client));
    }
    for (int i = 0; i < 15; i++) {
        http_connections_remove(bed->table, rows[i]);
        close_pair(&pairs[i]);
    }
    assert_int_equal(http_connections_count(bed->table), 0);
}

static void a_full_table_takes_no_more(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    for (unsigned i = 0; i < limits.max_connections; i++) {
        struct http_connection *row = http_connections_add(bed->table, -1, &address);
        assert_non_null(row);
        http_connection_headers_done(bed->table, row, true);
    }
    assert_null(http_connections_add(bed->table, -1, &address));
}

static void a_peer_that_left_is_seen(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair pair = make_pair();
    struct http_connection *row = http_connections_add(bed->table, pair.server, &address);
    assert_false(http_connection_peer_left(row));
    shutdown(pair.client, SHUT_WR);
    struct pollfd closed = {.fd = pair.server, .events = POLLRDHUP};
    assert_int_equal(poll(&closed, 1, PATIENCE_MS), 1);
    assert_true(http_connection_peer_left(row));
    http_connections_remove(bed->table, row);
    close_pair(&pair);
}

struct late {
    struct http_connections *table;
    struct http_connection *row;
    int after_ms;
};

static void waiting_for_requests_ends(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    assert_true(http_connections_wait_idle(bed->table, PATIENCE_MS, PATIENCE_MS));
    struct http_connection *row = http_connections_add(bed->table, -1, &address);
    assert_true(http_connections_wait_idle(bed->table, PATIENCE_MS, PATIENCE_MS));
    http_connection_headers_done(bed->table, row, true);
    assert_false(http_connections_wait_idle(bed->table, 10, PATIENCE_MS)); /* its time passes */
    http_connection_request_done(bed->table, row);
    assert_true(http_connections_wait_idle(bed->table, PATIENCE_MS, PATIENCE_MS));
    http_connections_remove(bed->table, row);
}

static void *end_a_request(void *context)
{
    struct late *late = context;
    poll(NULL, 0, late->after_ms);
    http_connection_request_done(late->table, late->row);
    return NULL;
}

/* Of a thread of ours that the machine lets run late; the client has taken all that there was. */
static void an_answer_that_we_are_late_with_is_waited_for(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair pair = make_pair();
    struct http_connection *row = http_connections_add(bed->table, pair.server, &address);
    struct late late = {.table = bed->table, .row = row, .after_ms = 300};
    http_connection_headers_done(bed->table, row, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_a_request, &late), 0);
    assert_true(http_connections_wait_idle(bed->table, 10, PATIENCE_MS));
    pthread_join(thread, NULL);
    http_connections_remove(bed->table, row);
    close_pair(&pair);
}

/* Whose client takes nothing, or sends nothing: however much longer it might be. */
static void a_client_is_not_waited_for(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair pair = make_pair();
    struct http_connection *row = http_connections_add(bed->table, pair.server, &address);
    http_connection_headers_done(bed->table, row, true);
    assert_false(http_connections_wait_idle(bed->table, 10, FOR_EVER_MS));
    fill(pair.server);
    http_connection_answers(bed->table, row);
    assert_false(http_connections_wait_idle(bed->table, 10, FOR_EVER_MS));
    http_connections_remove(bed->table, row);
    close_pair(&pair);
}

static void waiting_for_ourselves_has_an_end_too(void **state)
{
    struct bed *bed = *state;
    struct http_address address = address_of(1);
    struct pair pair = make_pair();
    struct http_connection *row = http_connections_add(bed->table, pair.server, &address);
    http_connection_headers_done(bed->table, row, false);
    assert_false(http_connections_wait_idle(bed->table, 10, 200));
    http_connections_remove(bed->table, row);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_have_a_deadline_whatever_moves),
        cmocka_unit_test(idle_begins_when_the_answer_is_taken),
        cmocka_unit_test(a_trickle_of_body_is_cut_off),
        cmocka_unit_test(a_body_that_we_do_not_read_is_our_fault),
        cmocka_unit_test(an_answer_not_taken_is_cut_off),
        cmocka_unit_test(an_answer_that_we_are_slow_to_make_is_our_fault),
        cmocka_unit_test(small_events_slowly_taken_are_progress),
        cmocka_unit_test_setup_teardown(an_address_gets_its_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silent_ones_are_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_stops_reading_is_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_nearly_full_table_pushes_the_oldest_silent_one_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_takes_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_left_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_for_requests_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_we_are_late_with_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_for_ourselves_has_an_end_too, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
