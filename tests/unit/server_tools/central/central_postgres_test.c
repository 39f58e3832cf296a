/* What only PostgreSQL has: partitions, other writers at the same time, a connection that breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "tests/unit/server_tools/central/tractor.h"

static struct pg *open_pg(const struct store *store)
{
    struct error err = {0};
    struct pg *pg = pg_open(store->url, "unit test", &err);
    if (pg == NULL)
        fail_msg("%s", err.text);
    return pg;
}

static bool add(struct store *store, int64_t last_seq, struct central_row *rows, size_t count, int64_t *added,
                struct error *err)
{
    return central_add(store->central, store->vehicle_id, STORE, last_seq, rows, count, added, err);
}

static int64_t cursor_of(struct store *store)
{
    int64_t seq = -1;
    assert_true(central_cursor(store->central, store->vehicle_id, STORE, "readings", &seq, NULL));
    return seq;
}

/* ---- partitions ---- */

static void a_month_has_a_partition(void **state)
{
    struct store *store = *state;
    struct central_row rows[] = {{us_of("2026-02-28T23:59:59.999999Z"), 1, 1},
                                 {us_of("2026-03-01T00:00:00Z"), 1, 2},
                                 {us_of("2031-12-31T23:59:59Z"), 1, 3},
                                 {us_of("1999-12-31T23:59:59Z"), 1, 4},
                                 {us_of("2100-01-01T00:00:00Z"), 1, 5}};
    int64_t added;
    assert_true(add(store, 1, rows, COUNT_OF(rows), &added, NULL));
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measurements'::regclass"), 5);
    static const char *const tables[] = {"measurements_before_2000", "measurements_2026_02",
                                         "measurements_2026_03", "measurements_2031_12",
                                         "measurements_from_2100"};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char sql[100];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(ask(store, sql), 1);
    }
}

/* As a mad clock would do it. */
static void a_batch_may_touch_every_month_there_is(void **state)
{
    struct store *store = *state;
    enum { ROWS = 3000, STEP_DAYS = 14 };
    SCOPE_FREE struct central_row *rows = calloc(ROWS, sizeof(*rows));
    int64_t added = -1;
    for (int i = 0; i < ROWS; i++)
        rows[i] = (struct central_row){
            us_of("1995-01-01T00:00:00Z") + i * STEP_DAYS * INT64_C(86400) * US_PER_S, 1, i};
    struct error err = {0};
    if (!add(store, 1, rows, ROWS, &added, &err))
        fail_msg("%s", err.text);
    assert_int_equal(added, ROWS);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measurements'::regclass"), 1202);
    assert_true(add(store, 1, rows, ROWS, &added, NULL));
    assert_int_equal(added, 0);
}

static void a_partition_that_was_dropped_is_made_again(void **state)
{
    struct store *store = *state;
    struct central_row row = {us_of("2026-02-01T00:00:00Z"), 1, 1};
    int64_t added;
    assert_true(add(store, 1, &row, 1, &added, NULL));
    store_run(store, "DROP TABLE measurements_2026_02");
    assert_true(add(store, 1, &row, 1, &added, NULL));
    assert_int_equal(added, 1);
}

static void a_table_in_a_partition_s_place_is_named(void **state)
{
    struct store *store = *state;
    struct central_row row = {us_of("2026-02-01T00:00:00Z"), 1, 1};
    int64_t added;
    struct error err = {0};
    store_run(store, "CREATE TABLE measurements_2026_02 (LIKE measurements)");
    assert_false(add(store, 1, &row, 1, &added, &err));
    assert_non_null(strstr(err.text, "measurements_2026_02"));
    assert_int_equal(cursor_of(store), 0);
    store_run(store, "DROP TABLE measurements_2026_02");
    assert_true(add(store, 1, &row, 1, &added, NULL));
}

static void more_than_is_worth_reading_is_staged(void **state)
{
    struct store *store = *state;
    struct central_row rows[] = {{1000000, 1, 1}, {1000001, 1, 2}, {2000000000000, 1, 3}};
    int64_t added = -1;
    store_run(store, "INSERT INTO measurements SELECT vehicle_id, 1, to_timestamp(n), n FROM vehicles,"
                     " generate_series(1, 410000) AS n");
    assert_true(add(store, 9, rows, COUNT_OF(rows), &added, NULL));
    assert_int_equal(added, 2); /* second 1 was there */
    assert_int_equal(cursor_of(store), 9);
    assert_int_equal(ask(store, "SELECT count(*) FROM measurements"), 410002);
    assert_true(add(store, 9, rows, COUNT_OF(rows), &added, NULL));
    assert_int_equal(added, 0);
}

/* ---- others at the same time ---- */

/* Holds back what waits for its uncommitted row, then does this to it. */
struct other {
    struct store *store;
    struct pg *pg;
    const char *sql; /* once somebody waits */
};

static void *act_when_somebody_waits(void *context)
{
    struct other *other = context;
    SCOPE_PG struct pg *watch = open_pg(other->store);
    int64_t waiting = 0;
    while (waiting == 0) {
        SCOPE_PG_RESULT struct pg_result *result =
            pg_query(watch,
                     "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND "
                     "datname = current_database()",
                     NULL, 0, false, NULL);
        if (result == NULL || !pg_i64(result, 0, 0, &waiting, NULL))
            return context;
    }
    return pg_exec(other->pg, other->sql, NULL) ? NULL : context;
}

/* A row of another's that is not committed yet, in the middle of the batch. */
static struct pg *insert_uncommitted(const struct store *store)
{
    struct pg *pg = open_pg(store);
    assert_true(pg_begin(pg, NULL));
    assert_true(pg_exec(
        pg, "INSERT INTO measurements SELECT vehicle_id, 1, '2026-02-22T10:00:02Z', 99 FROM vehicles", NULL));
    return pg;
}

static size_t three_seconds(struct central_row rows[3])
{
    for (int i = 0; i < 3; i++)
        rows[i] = (struct central_row){us_of("2026-02-22T10:00:01Z") + i * (int64_t)US_PER_S, 1, i + 1};
    return 3;
}

static void rows_of_somebody_else_in_the_middle_of_it(void **state)
{
    struct store *store = *state;
    struct central_row rows[3];
    size_t count = three_seconds(rows);
    int64_t added = -1;
    void *failed;
    pthread_t thread;
    struct central_row first = {us_of("2026-02-01T00:00:00Z"), 2, 1};
    assert_true(add(store, 1, &first, 1, &added, NULL));
    SCOPE_PG struct pg *pg = insert_uncommitted(store);
    struct other other = {store, pg, "COMMIT"};
    assert_int_equal(pthread_create(&thread, NULL, act_when_somebody_waits, &other), 0);
    assert_true(add(store, 30, rows, count, &added, NULL));
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(added, 2);
    assert_int_equal(cursor_of(store), 30);
    assert_int_equal(ask(store, "SELECT CAST(sum(value) AS bigint) FROM measurements WHERE channel_id = 1"),
                     1 + 99 + 3);
}

static void rows_of_somebody_else_who_gives_up(void **state)
{
    struct store *store = *state;
    struct central_row rows[3];
    size_t count = three_seconds(rows);
    int64_t added = -1;
    void *failed;
    pthread_t thread;
    struct central_row first = {us_of("2026-02-01T00:00:00Z"), 2, 1};
    assert_true(add(store, 1, &first, 1, &added, NULL));
    SCOPE_PG struct pg *pg = insert_uncommitted(store);
    struct other other = {store, pg, "ROLLBACK"};
    assert_int_equal(pthread_create(&thread, NULL, act_when_somebody_waits, &other), 0);
    assert_true(add(store, 30, rows, count, &added, NULL));
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(added, 3);
}

static void a_connection_that_breaks_leaves_nothing_half(void **state)
{
    struct store *store = *state;
    struct central_row rows[3];
    size_t count = three_seconds(rows);
    int64_t added = -1;
    void *failed;
    pthread_t thread;
    struct error err = {0};
    struct central_row first = {us_of("2026-02-01T00:00:00Z"), 2, 1};
    assert_true(add(store, 1, &first, 1, &added, NULL));
    struct pg *pg = insert_uncommitted(store);
    struct other other = {
        store, pg,
        "SELECT pg_terminate_backend(pid, 100000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database(); ROLLBACK"};
    assert_int_equal(pthread_create(&thread, NULL, act_when_somebody_waits, &other), 0);
    added = -1;
    assert_false(add(store, 30, rows, count, &added, &err));
    pthread_join(thread, &failed);
    assert_null(failed);
    pg_close(pg);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_int_equal(added, -1);
    assert_false(add(store, 30, rows, count, &added, &err)); /* the connection stays broken */
    assert_int_equal(err.code, ERR_UNREACHABLE);
    reopen(store);
    assert_int_equal(ask(store, "SELECT count(*) FROM measurements"), 1);
    assert_int_equal(cursor_of(store), 1);
    assert_true(add(store, 30, rows, count, &added, NULL));
    assert_int_equal(added, 3);
}

/* ---- one importer a vehicle ---- */

static void *lock_and_unlock(void *context)
{
    struct store *store = context;
    SCOPE_CENTRAL struct central *central = central_open(store->url, &store->clock.clock, NULL);
    if (central == NULL || !central_lock(central, store->vehicle_id, NULL))
        return context;
    central_unlock(central, store->vehicle_id);
    return NULL;
}

static void wait_until_somebody_waits(const struct store *store)
{
    SCOPE_PG struct pg *pg = open_pg(store);
    int64_t waiting = 0;
    while (waiting == 0) {
        SCOPE_PG_RESULT struct pg_result *result =
            pg_query(pg,
                     "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
                     " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()",
                     NULL, 0, false, NULL);
        assert_true(result != NULL && pg_i64(result, 0, 0, &waiting, NULL));
    }
}

static void a_second_importer_waits(void **state)
{
    struct store *store = *state;
    pthread_t thread;
    void *failed;
    assert_true(central_lock(store->central, store->vehicle_id, NULL));
    assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, store), 0);
    wait_until_somebody_waits(store);
    central_unlock(store->central, store->vehicle_id);
    pthread_join(thread, &failed);
    assert_null(failed);
}

/* As kill -9 does: the session ends without a word. */
static void the_lock_of_one_who_is_gone_is_free(void **state)
{
    struct store *store = *state;
    pthread_t thread;
    void *failed;
    assert_true(central_lock(store->central, store->vehicle_id, NULL));
    assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, store), 0);
    wait_until_somebody_waits(store);
    store_run(store,
              "SELECT pg_terminate_backend(pid, 100000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
              " WHERE locktype = 'advisory' AND granted AND datname = current_database()");
    pthread_join(thread, &failed);
    assert_null(failed);
    central_unlock(store->central, store->vehicle_id); /* no harm */
}

static void waiting_has_an_end(void **state)
{
    struct store *store = *state;
    char url[2 * TEST_POSTGRES_URL_BYTES];
    struct error err = {0};
    snprintf(url, sizeof(url), "%s?options=-c%%20lock_timeout%%3D10", store->database.url);
    SCOPE_CENTRAL struct central *second = central_open(url, &store->clock.clock, NULL);
    assert_non_null(second);
    assert_true(central_lock(store->central, store->vehicle_id, NULL));
    assert_false(central_lock(second, store->vehicle_id, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(central_lock(second, vehicle_named(second, "press-1"), NULL)); /* another vehicle is free */
    central_unlock(store->central, store->vehicle_id);
    assert_true(central_lock(second, store->vehicle_id, NULL));
}

/* ---- opening ---- */

static void *open_and_close(void *context)
{
    const struct store *store = context;
    struct error err = {0};
    struct central *central = central_open(store->url, &store->clock.clock, &err);
    if (central == NULL)
        fprintf(stderr, "%s\n", err.text);
    central_close(central);
    return central == NULL ? context : NULL;
}

static void several_may_make_the_tables_at_once(void **state)
{
    struct store *store = *state;
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    central_close(store->central);
    store->central = NULL;
    store_run(store, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, store), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM schema_migrations WHERE name = '0001_central.sql'"
                                " AND length(sha256) = 64 AND version <> '' AND applied_at <= now()"),
                     1);
}

static void a_changed_migration_is_refused(void **state)
{
    struct store *store = *state;
    struct error err = {0};
    store_run(store, "INSERT INTO schema_migrations VALUES ('9999_of_a_later_version.sql', 'x', now(), '9')");
    reopen(store); /* one that is not known is no error */
    store_run(store, "UPDATE schema_migrations SET sha256 = 'x'");
    assert_null(central_open(store->url, &store->clock.clock, &err));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_non_null(strstr(err.text, "0001_central.sql"));
}

static void a_role_without_create_can_open_it(void **state)
{
    struct store *store = *state;
    char url[2 * TEST_POSTGRES_URL_BYTES];
    store_run(store,
              "DROP ROLE IF EXISTS unit_reader; CREATE ROLE unit_reader; REVOKE CREATE ON SCHEMA public "
              "FROM public;"
              "GRANT SELECT ON ALL TABLES IN SCHEMA public TO unit_reader");
    snprintf(url, sizeof(url), "%s?options=-c%%20role%%3Dunit_reader", store->database.url);
    struct central *central = central_open(url, &store->clock.clock, NULL);
    assert_non_null(central);
    int64_t rows = -1;
    int64_t channels = -1;
    int64_t id;
    struct error err = {0};
    assert_true(central_count(central, store->vehicle_id, &rows, &channels, NULL));
    assert_int_equal(rows, 0);
    assert_false(central_channel(central, store->vehicle_id, VIEW_LITERAL("rpm"), &id, &err));
    assert_int_equal(err.code, ERR_DENIED);
    central_close(central);
    store_run(store, "DROP OWNED BY unit_reader; DROP ROLE unit_reader");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_POSTGRES(a_month_has_a_partition),
        IN_POSTGRES(a_batch_may_touch_every_month_there_is),
        IN_POSTGRES(a_partition_that_was_dropped_is_made_again),
        IN_POSTGRES(a_table_in_a_partition_s_place_is_named),
        IN_POSTGRES(more_than_is_worth_reading_is_staged),
        IN_POSTGRES(rows_of_somebody_else_in_the_middle_of_it),
        IN_POSTGRES(rows_of_somebody_else_who_gives_up),
        IN_POSTGRES(a_connection_that_breaks_leaves_nothing_half),
        IN_POSTGRES(a_second_importer_waits),
        IN_POSTGRES(the_lock_of_one_who_is_gone_is_free),
        IN_POSTGRES(waiting_has_an_end),
        IN_POSTGRES(several_may_make_the_tables_at_once),
        IN_POSTGRES(a_changed_migration_is_refused),
        IN_POSTGRES(a_role_without_create_can_open_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
