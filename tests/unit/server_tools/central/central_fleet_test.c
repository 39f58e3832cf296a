/* A fleet's database brought up to date, and what is said of it. What the roles may do: tests/integration/
 * test_central_roles.py and test_row_security.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/central/central_fleet.h"
#include "tests/unit/server_tools/central/tractor.h"

static int make_database(void **state)
{
    struct test_postgres *database = calloc(1, sizeof(*database));
    assert_true(test_postgres_make(database));
    *state = database;
    return 0;
}

static int drop_database(void **state)
{
    bool dropped = test_postgres_drop(*state); /* false: a connection was left open */
    free(*state);
    return dropped ? 0 : -1;
}

static void everything_is_made_once(void **state)
{
    struct test_postgres *database = *state;
    struct central_migrate_report report = {0};
    struct error err = {0};
    if (!central_migrate_fleet(database->url, clock_system(), &report, &err))
        fail_msg("%s", err.text);
    assert_true(report.known >= 2);
    assert_int_equal(report.applied, report.known);
    assert_string_equal(report.missing, "");
    assert_true(central_migrate_fleet(database->url, clock_system(), &report, NULL));
    assert_int_equal(report.applied, 0);
}

static void what_sync_client_made_is_taken_over(void **state)
{
    struct test_postgres *database = *state;
    struct central_migrate_report report = {0};
    struct central *central = central_open(database->url, clock_system(), NULL);
    int64_t vehicle_id = vehicle_named(central, "tractor-7");
    assert_true(central_migrate_fleet(database->url, clock_system(), &report, NULL));
    assert_int_equal(report.applied, 0);
    assert_string_equal(report.missing, "");
    assert_int_equal(vehicle_named(central, "tractor-7"), vehicle_id);
    central_close(central);
}

static void urls_that_lead_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum error_code code;
    } cases[] = {{"postgresql://127.0.0.1:9/none", ERR_UNREACHABLE}, {"data_storage/central.db", ERR_USAGE}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct central_migrate_report report = {.applied = 77};
        struct error err = {0};
        assert_false(central_migrate_fleet(cases[i].url, clock_system(), &report, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(report.applied, 77);
    }
}

static void a_migration_that_differs(void **state)
{
    struct test_postgres *database = *state;
    struct central_migrate_report report = {0};
    struct error err = {0};
    assert_true(central_migrate_fleet(database->url, clock_system(), &report, NULL));
    struct pg *pg = pg_open(database->url, "unit test", NULL);
    assert_true(pg_exec(pg, "UPDATE schema_migrations SET sha256 = 'x' WHERE name = '0002_fleet.sql'", NULL));
    pg_close(pg);
    assert_false(central_migrate_fleet(database->url, clock_system(), &report, &err));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_non_null(strstr(err.text, "0002_fleet.sql"));
}

static void the_report(void **state)
{
    (void)state;
    struct central_migrate_report report = {.applied = 2, .known = 5, .missing = "no \"roles\"\ndo this"};
    static const char *const wanted[] = {
        "2 of 5 migrations were applied now; the schema is up to date\n"
        "roles and rights are not complete:\nno \"roles\"\ndo this\n",
        "{\"applied\":2,\"migrations\":5,\"missing\":[\"no \\\"roles\\\"\",\"do this\"]}\n"};
    for (int json = 0; json < 2; json++) {
        SCOPE_BUF struct buf out = BUF_LIMIT(1000);
        central_migrate_describe(&report, json == 1, &out);
        assert_string_equal(buf_text(&out), wanted[json]);
    }
    SCOPE_BUF struct buf out = BUF_LIMIT(1000);
    report.missing[0] = '\0';
    central_migrate_describe(&report, true, &out);
    assert_string_equal(buf_text(&out), "{\"applied\":2,\"migrations\":5,\"missing\":[]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_made_once, make_database, drop_database),
        cmocka_unit_test_setup_teardown(what_sync_client_made_is_taken_over, make_database, drop_database),
        cmocka_unit_test(urls_that_lead_nowhere),
        cmocka_unit_test_setup_teardown(a_migration_that_differs, make_database, drop_database),
        cmocka_unit_test(the_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
