#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "agent/table_query.h"
#include "agent/table_source.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/wire/record.h"
#include "tests/harness/test_postgres.h"

struct world {
    struct test_postgres database;
    struct log log;
    atomic_bool stopping;
    struct sql_table table;
};

static void exec(const struct world *world, const char *sql)
{
    struct error err = {0};
    SCOPE_PG struct pg *pg = pg_open(world->database.url, "unit test", &err);
    if (pg == NULL || !pg_exec(pg, sql, &err))
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    log_init(&world->log, "unit test", clock_system());
    world->log.level = LOG_ERROR;
    assert_true(test_postgres_make(&world->database));
    assert_true(sql_table_parse("t(at, name, v)", &world->table, NULL));
    exec(world, "CREATE TABLE t (at timestamptz, name text, v float8);"
                "INSERT INTO t SELECT '2026-02-22T10:00:00Z'::timestamptz + i * interval '1 s', 'c', i"
                " FROM generate_series(0, 299999) i");
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    exec(world, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name ="
                " 'telehaul agent' AND datname = current_database()");
    assert_true(test_postgres_drop(&world->database));
    free(world);
    return 0;
}

static struct table_link *open_link(const struct world *world, int max_s)
{
    struct error err = {0};
    struct table_link *link = table_link_open(world->database.url, max_s, &world->stopping, &err);
    if (link == NULL)
        fail_msg("%s", err.text);
    return link;
}

static struct line_source *open_source(const struct world *world, int max_s, struct table_range *range)
{
    struct error err = {0};
    SCOPE_BUF struct buf sql = BUF_LIMIT(8192);
    struct table_link *link = open_link(world, max_s);
    if (!table_range_find(link, &world->table, range, &sql, &err))
        fail_msg("%s", err.text);
    struct line_source *source = table_source_new(link, sql.data, range->count, &world->log, &err);
    if (source == NULL)
        fail_msg("%s", err.text);
    return source;
}

static void every_row_is_a_line(void **state)
{
    struct world *world = *state;
    struct table_range range = {.since_us = INT64_MIN};
    struct line_source *source = open_source(world, 60, &range);
    char text[64 * 1024];
    int64_t second = 0;
    size_t size = 1;
    assert_int_equal(range.count, 300000);
    while (size > 0) {
        assert_true(source->kind->read(source, text, sizeof(text), &size, NULL));
        for (struct view rest = {text, size}; rest.size > 0; second++) {
            struct record_reading reading;
            assert_true(record_read_reading(text_cut(&rest, '\n'), &reading, NULL));
            assert_int_equal(reading.seq, -1);
            assert_int_equal(reading.time_us, INT64_C(1771754400000000) + second * US_PER_S);
            assert_true(reading.value == (double)second);
        }
    }
    assert_int_equal(second, 300000);
    source->kind->free(source);
}

/* Of a transaction in which the rows are counted first, also on a slow machine. */
enum { END_S = 5 };

/* As a slow client makes it: the transaction ends though nobody reads. */
static void check_end(const struct world *world)
{
    struct table_range range = {.since_us = INT64_MIN};
    struct line_source *source = open_source(world, END_S, &range);
    struct error err = {0};
    SCOPE_PG struct pg *pg = pg_open(world->database.url, "unit test", NULL);
    int64_t left = 1;
    while (left > 0) {
        SCOPE_PG_RESULT struct pg_result *result =
            pg_query(pg,
                     "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telehaul agent'"
                     " AND datname = current_database()",
                     NULL, 0, false, NULL);
        assert_non_null(result);
        assert_true(pg_i64(result, 0, 0, &left, NULL));
    }
    static char text[1 << 20];
    size_t size;
    while (source->kind->read(source, text, sizeof(text), &size, &err))
        assert_true(size > 0);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "within 5 s"));
    source->kind->free(source);
}

static void it_lasts_no_longer_than_it_may(void **state)
{
    check_end(*state);
}

static void nor_does_it_on_a_unix_socket(void **state)
{
    struct world *world = *state;
    SCOPE_PG struct pg *pg = pg_open(world->database.url, "unit test", NULL);
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT current_setting('unix_socket_directories'), current_setting('port')", NULL, 0,
                 false, NULL);
    assert_non_null(result);
    snprintf(world->database.url, sizeof(world->database.url),
             "postgresql:///%s?user=postgres&host=%.*s&port=%.*s", world->database.name,
             VIEW_ARG(pg_value(result, 0, 0)), VIEW_ARG(pg_value(result, 0, 1)));
    check_end(world);
}

static void a_call_ends_when_its_time_is_over(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct table_link *link = open_link(world, 60);
    struct pg *pg = table_link_begin(link, 1);
    assert_false(table_link_end(link, pg_exec(pg, "SELECT pg_sleep(100)", &err), &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "no answer within 1 s"));
    table_link_close(link);
}

static void calls_one_after_another_have_their_time_each(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct table_link *link = open_link(world, 60);
    for (int i = 0; i < 3; i++) {
        struct pg *pg = table_link_begin(link, 5);
        assert_true(table_link_end(link, pg_exec(pg, "SELECT pg_sleep(2)", &err), &err));
    }
    table_link_close(link);
}

static void *wait_and_stop(void *context)
{
    struct world *world = context;
    SCOPE_PG struct pg *pg = pg_open(world->database.url, "unit test", NULL);
    int64_t sleeping = 0;
    while (sleeping == 0) {
        SCOPE_PG_RESULT struct pg_result *result =
            pg_query(pg,
                     "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = "
                     "current_database()",
                     NULL, 0, false, NULL);
        if (result == NULL || !pg_i64(result, 0, 0, &sleeping, NULL))
            break;
    }
    atomic_store(&world->stopping, true);
    return NULL;
}

static void a_call_ends_when_all_does(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    struct error err = {0};
    struct table_link *link = open_link(world, 600);
    assert_int_equal(pthread_create(&thread, NULL, wait_and_stop, world), 0);
    struct pg *pg = table_link_begin(link, 600);
    assert_false(table_link_end(link, pg_exec(pg, "SELECT pg_sleep(100)", &err), &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    pthread_join(thread, NULL);
    table_link_close(link);
}

static void it_can_be_broken_and_closed_in_the_middle(void **state)
{
    struct world *world = *state;
    struct table_range range = {.since_us = INT64_MIN};
    static char text[64 * 1024];
    struct error err = {0};
    size_t size;
    struct line_source *source = open_source(world, 60, &range);
    assert_true(source->kind->read(source, text, sizeof(text), &size, NULL));
    source->kind->free(source);
    source = open_source(world, 60, &range);
    source->kind->stop(source);
    while (source->kind->read(source, text, sizeof(text), &size, &err)) /* what has come already */
        assert_true(size > 0);
    assert_int_equal(err.code, ERR_CANCELLED);
    source->kind->free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_is_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_lasts_no_longer_than_it_may, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nor_does_it_on_a_unix_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_ends_when_its_time_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_one_after_another_have_their_time_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_ends_when_all_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_can_be_broken_and_closed_in_the_middle, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
