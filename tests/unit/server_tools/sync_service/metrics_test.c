#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/scope.h"
#include "common/net/http_client.h"
#include "server_tools/sync_service/metrics.h"

enum { THREADS = 4, TIMES = 10000 };

/* The server writes to its log until metrics_free has stopped it: beyond a test's own frame. */
static const struct log silent = {.fd = -1, .level = LOG_ERROR, .program = "test"};

static int make(void **state)
{
    struct error err = {0};
    *state = metrics_new(&err);
    return *state == NULL ? -1 : 0;
}

static int clear(void **state)
{
    metrics_free(*state);
    return 0;
}

/* The line of a sample, without its line break; fails when there is none or more than one. */
static void assert_line(const struct metrics *metrics, const char *line)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(METRICS_MAX_BYTES);
    SCOPE_BUF struct buf wanted = BUF_LIMIT(METRICS_MAX_BYTES);
    metrics_write(metrics, &out);
    buf_printf(&wanted, "\n%s\n", line);
    const char *text = buf_text(&out);
    const char *found = strstr(text, buf_text(&wanted));
    if (found == NULL)
        fail_msg("no line `%s` in\n%s", line, text);
    assert_null(strstr(found + 1, buf_text(&wanted)));
}

static void everything_begins_at_nothing(void **state)
{
    assert_line(*state, "telehaul_sync_rows_written_total 0");
    assert_line(*state, "telehaul_sync_db_connected 0");
    assert_line(*state, "telehaul_sync_build_info{version=\"" TELEHAUL_VERSION "\"} 1");
}

static void counters_grow_and_gauges_are_set(void **state)
{
    metric_add(*state, METRIC_TURNS_TIMEOUT, 2);
    metric_add(*state, METRIC_TURNS_TIMEOUT, 3);
    metric_set(*state, METRIC_LAG_MAX_SECONDS, 2.25);
    metric_set(*state, METRIC_LAST_CYCLE_TIME_SECONDS, 1771754400.125);
    metric_set(*state, METRIC_QUEUE_BYTES, -0.5);
    metric_set(*state, METRIC_DB_TRANSACTION_SECONDS, NAN);
    metric_set(*state, METRIC_LAST_CYCLE_SECONDS, INFINITY);
    assert_line(*state, "telehaul_sync_turns_total{status=\"timeout\"} 5");
    assert_line(*state, "telehaul_sync_turns_total{status=\"ok\"} 0");
    assert_line(*state, "telehaul_sync_lag_max_seconds 2.25");
    assert_line(*state, "telehaul_sync_last_cycle_timestamp_seconds 1771754400.125");
    assert_line(*state, "telehaul_sync_queue_bytes -0.5");
    assert_line(*state, "telehaul_sync_db_transaction_seconds NaN");
    assert_line(*state, "telehaul_sync_last_cycle_seconds +Inf");
}

static void a_gauge_is_not_added_to_and_a_counter_is_not_set(void **state)
{
    metric_set(*state, METRIC_CYCLES, 7);
    metric_add(*state, METRIC_VEHICLES, 7);
    assert_line(*state, "telehaul_sync_cycles_total 0");
    assert_line(*state, "telehaul_sync_vehicles 0");
    metric_add(NULL, METRIC_CYCLES, 1);
    metric_set(NULL, METRIC_VEHICLES, 1);
}

/* Each family has its HELP and TYPE once, in front of all its samples. */
static void a_family_is_described_once(void **state)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(METRICS_MAX_BYTES);
    metrics_write(*state, &out);
    size_t samples = 0;
    char family[128] = "";
    char *rest = NULL;
    for (char *line = strtok_r((char *)buf_text(&out), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "# TYPE %127s", family) == 1 || line[0] == '#')
            continue;
        size_t name = strcspn(line, "{ ");
        assert_int_equal(name, strlen(family));
        assert_memory_equal(line, family, name);
        samples++;
    }
    assert_int_equal(samples, METRICS + 1);
}

static void *count(void *metrics)
{
    for (int i = 0; i < TIMES; i++)
        metric_add(metrics, METRIC_ROWS_WRITTEN, 3);
    return NULL;
}

static void threads_count_together(void **state)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, *state), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_line(*state, "telehaul_sync_rows_written_total 120000");
}

/* Below those that the kernel gives to whoever asks for any, and those of the Python tests: nobody else is
 * given it until it is served. Another one each time. */
static uint16_t free_port(void)
{
    enum { FIRST = 10000, PORTS = 5000 };
    static int tried;
    for (; tried < PORTS; tried++) {
        SCOPE_FD int fd = socket(AF_INET, SOCK_STREAM, 0);
        int port = FIRST + (getpid() * 16 + tried) % PORTS;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            tried++;
            return (uint16_t)port;
        }
    }
    fail_msg("no port is free");
    return 0;
}

static void it_is_served_as_prometheus_wants_it(void **state)
{
    struct error err = {0};
    uint16_t port = free_port();
    metric_add(*state, METRIC_CYCLES, 41);
    assert_true(metrics_serve(*state, "127.0.0.1", port, clock_system(), &silent, &err));
    SCOPE_HTTP_CLIENT struct http_client *client =
        http_client_new(&(struct http_client_config){.host = "127.0.0.1", .port = port}, &err);
    SCOPE_BUF struct buf body = BUF_LIMIT(METRICS_MAX_BYTES);
    struct http_exchange exchange = {.method = "GET", .target = "/metrics", .answer_body = &body};
    assert_true(http_client_exchange(client, &exchange, &err));
    assert_int_equal(exchange.status, 200);
    assert_string_equal(http_client_header(client, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(buf_text(&body), "\ntelehaul_sync_cycles_total 41\n"));
    exchange.target = "/";
    assert_true(http_client_exchange(client, &exchange, &err));
    assert_int_equal(exchange.status, 404);
}

static bool answers(uint16_t port)
{
    struct error err = {0};
    SCOPE_HTTP_CLIENT struct http_client *client =
        http_client_new(&(struct http_client_config){.host = "127.0.0.1", .port = port}, &err);
    SCOPE_BUF struct buf body = BUF_LIMIT(METRICS_MAX_BYTES);
    struct http_exchange exchange = {.method = "GET", .target = "/metrics", .answer_body = &body};
    return client != NULL && http_client_exchange(client, &exchange, &err) && exchange.status == 200;
}

static void it_moves_and_stays_where_it_was_when_it_cannot(void **state)
{
    struct error err = {0};
    uint16_t first = free_port();
    uint16_t second = free_port();
    assert_true(metrics_serve(*state, "127.0.0.1", first, clock_system(), &silent, &err));
    assert_true(metrics_serve(*state, "127.0.0.1", first, clock_system(), &silent, &err));
    assert_false(metrics_serve(*state, "192.0.2.1", second, clock_system(), &silent, &err));
    assert_true(answers(first));
    assert_false(metrics_serve(*state, "192.0.2.1", first, clock_system(), &silent, &err));
    assert_true(answers(first));
    assert_true(metrics_serve(*state, "0.0.0.0", first, clock_system(), &silent, &err));
    assert_true(answers(first));
    assert_true(metrics_serve(*state, "127.0.0.1", second, clock_system(), &silent, &err));
    assert_true(answers(second) && !answers(first));
    assert_true(metrics_serve(*state, "127.0.0.1", 0, clock_system(), &silent, &err));
    assert_false(answers(second));
}

static void it_is_off_without_a_port(void **state)
{
    struct error err = {0};
    assert_true(metrics_serve(*state, "no address", 0, clock_system(), NULL, &err));
    assert_false(metrics_serve(*state, "no address", 1, clock_system(), NULL, &err));
    assert_non_null(strstr(err.text, "METRICS_PORT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_begins_at_nothing, make, clear),
        cmocka_unit_test_setup_teardown(counters_grow_and_gauges_are_set, make, clear),
        cmocka_unit_test_setup_teardown(a_gauge_is_not_added_to_and_a_counter_is_not_set, make, clear),
        cmocka_unit_test_setup_teardown(a_family_is_described_once, make, clear),
        cmocka_unit_test_setup_teardown(threads_count_together, make, clear),
        cmocka_unit_test_setup_teardown(it_is_served_as_prometheus_wants_it, make, clear),
        cmocka_unit_test_setup_teardown(it_moves_and_stays_where_it_was_when_it_cannot, make, clear),
        cmocka_unit_test_setup_teardown(it_is_off_without_a_port, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
