#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "tests/harness/test_postgres.h"

struct world {
    struct test_postgres database;
    struct pg *pg;
};

static struct pg *open_again(const struct world *world)
{
    struct error err = {0};
    struct pg *pg = pg_open(world->database.url, "unit test", &err);
    if (pg == NULL)
        fail_msg("%s", err.text);
    return pg;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_true(test_postgres_make(&world->database));
    world->pg = open_again(world);
    assert_true(pg_exec(world->pg, "CREATE TABLE t (id bigint PRIMARY KEY, word text)", NULL));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    pg_close(world->pg);
    assert_true(test_postgres_drop(&world->database));
    free(world);
    return 0;
}

static int64_t ask(struct pg *pg, const char *sql)
{
    int64_t value = -1;
    struct error err = {0};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, sql, NULL, 0, false, &err);
    if (result == NULL || !pg_i64(result, 0, 0, &value, &err))
        fail_msg("%s", err.text);
    return value;
}

static void values_go_in_and_come_out(void **state)
{
    struct world *world = *state;
    const char *const params[] = {"7", "don't; -- \xd0\xb4"};
    SCOPE_PG_RESULT struct pg_result *put =
        pg_query(world->pg, "INSERT INTO t VALUES ($1, $2), (8, NULL)", params, 2, false, NULL);
    assert_non_null(put);
    assert_int_equal(pg_changes(put), 2);
    SCOPE_PG_RESULT struct pg_result *got =
        pg_query(world->pg, "SELECT id, word FROM t ORDER BY id", NULL, 0, false, NULL);
    assert_non_null(got);
    assert_int_equal(pg_rows(got), 2);
    assert_true(view_is(pg_value(got, 0, 1), params[1]));
    assert_false(pg_is_null(got, 0, 1));
    assert_true(pg_is_null(got, 1, 1));
    int64_t id = -1;
    assert_true(pg_i64(got, 1, 0, &id, NULL));
    assert_int_equal(id, 8);
    struct error err = {0};
    assert_false(pg_i64(got, 0, 1, &id, &err)); /* a word */
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(pg_i64(got, 2, 0, &id, NULL)); /* no such row */
    SCOPE_PG_RESULT struct pg_result *binary =
        pg_query(world->pg, "SELECT id FROM t ORDER BY id", NULL, 0, true, NULL);
    assert_memory_equal(pg_value(binary, 0, 0).data, "\0\0\0\0\0\0\0\7", 8);
}

static void the_session_is_utc_and_utf8(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world->pg, "SELECT (current_setting('TimeZone') = 'UTC' AND"
                                    " current_setting('client_encoding') = 'UTF8' AND"
                                    " current_setting('application_name') = 'unit test')::int"),
                     1);
}

static void errors_have_our_codes(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *sql;
        enum error_code code;
    } cases[] = {
        {"INSERT INTO t VALUES (1, 'a'), (1, 'b')", ERR_CHANGED},
        {"SELECT 1 / 0", ERR_INPUT},
        {"SELECT '9999999999999999999999'::bigint", ERR_INPUT},
        {"SELECT nonsense", ERR_IO},
        {"SET statement_timeout = 1; SELECT pg_sleep(60)", ERR_BUSY},
        {"SET ROLE pg_monitor; SELECT * FROM t", ERR_DENIED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        assert_false(pg_exec(world->pg, cases[i].sql, &err));
        if (err.code != cases[i].code)
            fail_msg("%s: code %d, %s", cases[i].sql, err.code, err.text);
        assert_true(pg_exec(world->pg, "RESET ALL; RESET ROLE", NULL)); /* the connection goes on */
    }
}

static void transactions(void **state)
{
    struct world *world = *state;
    assert_true(pg_begin(world->pg, NULL));
    assert_true(pg_exec(world->pg, "INSERT INTO t VALUES (1)", NULL));
    pg_rollback(world->pg);
    pg_rollback(world->pg); /* no harm */
    assert_int_equal(ask(world->pg, "SELECT count(*) FROM t"), 0);
    assert_true(pg_begin(world->pg, NULL));
    assert_true(pg_exec(world->pg, "INSERT INTO t VALUES (1)", NULL));
    assert_true(pg_commit(world->pg, NULL));
    assert_int_equal(ask(world->pg, "SELECT count(*) FROM t"), 1);
}

/* PostgreSQL answers such a COMMIT with success and ROLLBACK. */
static void a_failed_transaction_is_not_committed(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    assert_true(pg_begin(world->pg, NULL));
    assert_true(pg_exec(world->pg, "INSERT INTO t VALUES (1)", NULL));
    assert_false(pg_exec(world->pg, "SELECT nonsense", NULL));
    assert_false(pg_commit(world->pg, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(ask(world->pg, "SELECT count(*) FROM t"), 0);
}

static void copies_in(void **state)
{
    struct world *world = *state;
    int64_t rows = -1;
    struct error err = {0};
    assert_true(pg_copy_begin(world->pg, "COPY t FROM STDIN", NULL));
    assert_true(pg_copy_put(world->pg, VIEW_LITERAL("1\tone\n2\t"), NULL));
    assert_true(pg_copy_put(world->pg, VIEW_LITERAL("two\n"), NULL));
    assert_true(pg_copy_end(world->pg, &rows, NULL));
    assert_int_equal(rows, 2);
    assert_true(pg_copy_begin(world->pg, "COPY t FROM STDIN", NULL));
    assert_true(pg_copy_put(world->pg, VIEW_LITERAL("3\tthree\n1\tone\n"), NULL));
    assert_false(pg_copy_end(world->pg, &rows, &err));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_true(pg_copy_begin(world->pg, "COPY t FROM STDIN", NULL));
    assert_true(pg_copy_put(world->pg, VIEW_LITERAL("4\tfour\n"), NULL));
    pg_copy_cancel(world->pg);
    assert_int_equal(ask(world->pg, "SELECT count(*) FROM t"), 2);
    assert_false(pg_copy_begin(world->pg, "SELECT 1", &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void copies_out(void **state)
{
    struct world *world = *state;
    static const char every_row[] = "COPY (SELECT n FROM generate_series(1, 1000) n) TO STDOUT";
    struct view row;
    size_t rows = 0;
    assert_true(pg_copy_begin_out(world->pg, every_row, NULL));
    while (assert_true(pg_copy_get(world->pg, &row, NULL)), row.size > 0)
        rows++;
    assert_int_equal(rows, 1000);
    assert_true(pg_copy_begin_out(world->pg, every_row, NULL));
    assert_true(pg_copy_get(world->pg, &row, NULL));
    assert_true(view_is(row, "1\n"));
    pg_copy_cancel(world->pg); /* long before its end */
    assert_int_equal(ask(world->pg, "SELECT 5"), 5);
    struct error err = {0};
    assert_true(pg_copy_begin_out(world->pg,
                                  "COPY (SELECT 1 / (3 - n) FROM generate_series(1, 9) n) TO STDOUT", NULL));
    assert_true(pg_copy_get(world->pg, &row, NULL));
    assert_true(pg_copy_get(world->pg, &row, NULL));
    assert_false(pg_copy_get(world->pg, &row, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

/* In this database: other tests' sleep, too. */
static void wait_until_it_sleeps(struct pg *other)
{
    while (ask(other, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                      " AND datname = current_database()") == 0)
        continue;
}

static void *cancel_when_it_sleeps(void *context)
{
    struct world *world = context;
    SCOPE_PG struct pg *other = open_again(world);
    wait_until_it_sleeps(other);
    pg_cancel(world->pg);
    return NULL;
}

static void another_thread_cancels(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    struct error err = {0};
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_sleeps, world), 0);
    assert_false(pg_exec(world->pg, "SELECT pg_sleep(100)", &err));
    pthread_join(thread, NULL);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(ask(world->pg, "SELECT 5"), 5);
}

/* The server ends the session in the middle of each kind of call. */
static void end_session(struct world *world)
{
    SCOPE_PG struct pg *other = open_again(world);
    SCOPE_BUF struct buf sql = BUF_LIMIT(200);
    buf_printf(&sql,
               "SELECT pg_terminate_backend(pid, 100000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
               " AND datname = current_database()");
    assert_true(pg_exec(other, buf_text(&sql), NULL));
}

static void *break_when_it_sleeps(void *context)
{
    struct world *world = context;
    SCOPE_PG struct pg *other = open_again(world);
    wait_until_it_sleeps(other);
    pg_break(world->pg);
    return NULL;
}

static void another_thread_breaks_the_connection(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    struct error err = {0};
    assert_int_equal(pthread_create(&thread, NULL, break_when_it_sleeps, world), 0);
    assert_false(pg_exec(world->pg, "SELECT pg_sleep(100)", &err));
    pthread_join(thread, NULL);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    pg_break(world->pg); /* again is no harm */
    assert_false(pg_exec(world->pg, "SELECT 5", &err));
    end_session(world); /* the server has not noticed */
}

static void a_broken_connection_is_said_to_be(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    end_session(world);
    assert_false(pg_exec(world->pg, "SELECT 1", &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_false(pg_begin(world->pg, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    pg_rollback(world->pg);

    pg_close(world->pg);
    world->pg = open_again(world);
    assert_true(pg_begin(world->pg, NULL));
    assert_true(pg_copy_begin(world->pg, "COPY t FROM STDIN", NULL));
    assert_true(pg_copy_put(world->pg, VIEW_LITERAL("1\tone\n"), NULL));
    end_session(world);
    err.code = ERR_NONE;
    assert_false(pg_copy_put(world->pg, VIEW_LITERAL("2\ttwo\n"), &err) &&
                 pg_copy_end(world->pg, NULL, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    pg_rollback(world->pg);

    pg_close(world->pg);
    world->pg = open_again(world);
    assert_int_equal(ask(world->pg, "SELECT count(*) FROM t"), 0);
}

static void fails_to_open(const char *url, enum error_code code, const char *word)
{
    struct error err = {0};
    assert_null(pg_open(url, "unit test", &err));
    if (err.code != code || strstr(err.text, word) == NULL || strstr(err.text, "sesame") != NULL)
        fail_msg("%s: code %d, %s", url, err.code, err.text);
}

static void a_log_in_that_fails(void **state)
{
    (void)state;
    const char *url = getenv("TELEHAUL_TEST_POSTGRES");
    const char *host = strrchr(url, '@');
    char changed[TEST_POSTGRES_URL_BYTES];
    snprintf(changed, sizeof(changed), "postgresql://postgres:sesame%s", host);
    fails_to_open(changed, ERR_DENIED, "password authentication failed");
    snprintf(changed, sizeof(changed), "postgresql://nobody_here:sesame%s", host);
    fails_to_open(changed, ERR_DENIED, "28P01");
    snprintf(changed, sizeof(changed), "postgresql://postgres%s?passfile=/nonexistent", host);
    fails_to_open(changed, ERR_DENIED, "no password supplied");
    snprintf(changed, sizeof(changed), "%sxx", url);
    fails_to_open(changed, ERR_IO, "does not exist");
}

static void a_server_that_is_not_there(void **state)
{
    (void)state;
    fails_to_open("postgresql://postgres:sesame@127.0.0.1:9/postgres", ERR_UNREACHABLE, "refused");
    fails_to_open("postgresql:///postgres?host=/nonexistent", ERR_UNREACHABLE, "socket");
    fails_to_open("postgresql://postgres:sesame%zz@127.0.0.1/x", ERR_USAGE,
                  "postgresql://postgres:***@127.0.0.1/x");
    fails_to_open("postgresql://postgres:ses/ame@127.0.0.1/x", ERR_USAGE, ":***@127.0.0.1");
    fails_to_open("postgresql://postgres:s@same@127.0.0.1/x", ERR_USAGE, ":***@127.0.0.1");
    fails_to_open("postgresql://127.0.0.1:9/x?application_name=a@b", ERR_UNREACHABLE, "refused");
    fails_to_open("host=127.0.0.1 password=x", ERR_USAGE, "no PostgreSQL URL");
}

static int listen_anywhere(char url[TEST_POSTGRES_URL_BYTES])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, TEST_POSTGRES_URL_BYTES,
             "postgresql://a:sesame@127.0.0.1:%d/b?sslmode=disable&gssencmode=disable",
             ntohs(address.sin_port));
    return fd;
}

/* Takes connections and says nothing. */
static void a_server_that_does_not_answer(void **state)
{
    (void)state;
    char url[TEST_POSTGRES_URL_BYTES];
    SCOPE_FD int fd = listen_anywhere(url);
    fails_to_open(url, ERR_UNREACHABLE, "no answer");
}

/* context: where it listens. The connection stays open until its client has gone. */
static void *let_in_and_say_no_more(void *context)
{
    static const char welcome[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I";
    char text[256];
    SCOPE_FD int fd = accept(*(const int *)context, NULL, NULL);
    if (read(fd, text, sizeof(text)) > 0 && write(fd, welcome, sizeof(welcome) - 1) > 0)
        while (read(fd, text, sizeof(text)) > 0)
            continue;
    return NULL;
}

static void a_server_that_falls_silent_behind_the_log_in(void **state)
{
    (void)state;
    pthread_t thread;
    char url[TEST_POSTGRES_URL_BYTES];
    SCOPE_FD int fd = listen_anywhere(url);
    assert_int_equal(pthread_create(&thread, NULL, let_in_and_say_no_more, &fd), 0);
    fails_to_open(url, ERR_UNREACHABLE, "no answer");
    pthread_join(thread, NULL);
}

static void passwords_are_hidden(void **state)
{
    (void)state;
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"postgresql://u:sesame@h/db", "postgresql://u:***@h/db"},
        {"postgresql://u:s:e@s@ame@h:5432/db?sslmode=require",
         "postgresql://u:***@h:5432/db?sslmode=require"},
        {"postgres://:sesame@h", "postgres://:***@h"},
        {"postgresql://u@h:5432/db", "postgresql://u@h:5432/db"},
        {"postgresql://h:5432/db?user=u&password=sesame&x=y",
         "postgresql://h:5432/db?user=u&password=***&x=y"},
        {"postgresql://h/db?pass%77ord=sesame", "postgresql://h/db?pass%77ord=***"},
        {"postgresql://h/db?sslpassword=sesame", "postgresql://h/db?sslpassword=***"},
        {"postgresql://", "postgresql://"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char shown[100];
        pg_hide_password(cases[i].url, shown, sizeof(shown));
        assert_string_equal(shown, cases[i].shown);
    }
    char small[20];
    pg_hide_password(cases[0].url, small, sizeof(small));
    assert_string_equal(small, "postgresql://u:***@");
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(values_go_in_and_come_out),
        IN_A_WORLD(the_session_is_utc_and_utf8),
        IN_A_WORLD(errors_have_our_codes),
        IN_A_WORLD(transactions),
        IN_A_WORLD(a_failed_transaction_is_not_committed),
        IN_A_WORLD(copies_in),
        IN_A_WORLD(copies_out),
        IN_A_WORLD(another_thread_cancels),
        IN_A_WORLD(another_thread_breaks_the_connection),
        IN_A_WORLD(a_broken_connection_is_said_to_be),
        IN_A_WORLD(a_log_in_that_fails),
        cmocka_unit_test(a_server_that_is_not_there),
        cmocka_unit_test(a_server_that_does_not_answer),
        cmocka_unit_test(a_server_that_falls_silent_behind_the_log_in),
        cmocka_unit_test(passwords_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
