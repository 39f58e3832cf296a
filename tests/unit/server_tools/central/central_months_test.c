/* Months made ahead and when readings come, and dropped when they are old; all as a role that owns nothing
 * but the right to call the database's functions would do it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/central/central_months.h"
#include "tests/unit/server_tools/central/tractor.h"

static struct pg *open_pg(const struct store *store)
{
    struct error err = {0};
    struct pg *pg = pg_open(store->url, "unit test", &err);
    if (pg == NULL)
        fail_msg("%s", err.text);
    return pg;
}

static bool has(struct store *store, const char *table)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measurements'::regclass"
             " AND inhrelid = to_regclass('%s')",
             table);
    return ask(store, sql) == 1;
}

static int64_t count_of_parts(struct store *store)
{
    return ask(store, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measurements'::regclass");
}

static void keep(struct store *store, const char *now, int months)
{
    struct error err = {0};
    SCOPE_PG struct pg *pg = open_pg(store);
    if (!central_keep_months(pg, us_of(now), months, &err))
        fail_msg("%s", err.text);
}

static void this_month_and_two_more(void **state)
{
    struct store *store = *state;
    keep(store, "2025-12-31T23:59:59Z", 0);
    assert_int_equal(count_of_parts(store), 2 + 3);
    assert_true(has(store, "measurements_2025_12"));
    assert_true(has(store, "measurements_2026_01"));
    assert_true(has(store, "measurements_2026_02"));
    keep(store, "2026-01-01T00:00:00Z", 0);
    assert_int_equal(count_of_parts(store), 2 + 4);
    keep(store, "2026-01-01T00:00:00Z", 0);
    assert_int_equal(count_of_parts(store), 2 + 4);
}

/* What the years that share a partition need is there already. */
static void a_clock_gone_mad_makes_no_months(void **state)
{
    struct store *store = *state;
    keep(store, "1970-01-01T00:00:00Z", 0);
    keep(store, "2100-01-01T00:00:00Z", 0);
    keep(store, "2150-06-01T00:00:00Z", 0);
    assert_int_equal(count_of_parts(store), 2);
    keep(store, "2099-12-31T00:00:00Z", 0);
    assert_int_equal(count_of_parts(store), 3);
}

static void rows_make_their_months(void **state)
{
    struct store *store = *state;
    const struct central_row rows[] = {{us_of("2020-02-29T23:59:59.999999Z"), 1, 1},
                                       {us_of("2020-03-01T00:00:00Z"), 1, 1},
                                       {us_of("1999-12-31T23:59:59Z"), 1, 1},
                                       {us_of("2100-01-01T00:00:00Z"), 1, 1}};
    SCOPE_PG struct pg *pg = open_pg(store);
    assert_true(central_prepare_months(pg, rows, COUNT_OF(rows), NULL));
    assert_int_equal(count_of_parts(store), 2 + 2);
    assert_true(has(store, "measurements_2020_02"));
    assert_true(has(store, "measurements_2020_03"));
    assert_true(central_prepare_months(pg, rows, 0, NULL));
}

static void old_months_go_and_young_ones_stay(void **state)
{
    struct store *store = *state;
    keep(store, "2024-01-15T00:00:00Z", 0); /* 2024-01 to 2024-03 */
    keep(store, "2025-01-15T00:00:00Z", 0); /* 2025-01 to 2025-03 */
    keep(store, "2025-03-31T23:59:59Z", 0); /* 2025-03 to 2025-05 */
    keep(store, "2025-03-31T23:59:59Z", 13);
    assert_false(has(store, "measurements_2024_01"));
    assert_true(has(store, "measurements_2024_02"));
    keep(store, "2025-04-01T00:00:00Z", 2);
    assert_false(has(store, "measurements_2025_01"));
    assert_true(has(store, "measurements_2025_02")); /* over for one month and not for two */
    assert_true(has(store, "measurements_before_2000"));
    assert_true(has(store, "measurements_from_2100"));
}

/* Told that it is 2098, the server's own clock counts: else everything would be gone. */
static void a_clock_that_is_ahead_drops_nothing_young(void **state)
{
    struct store *store = *state;
    int64_t now_us = clock_utc_us(clock_system());
    SCOPE_PG struct pg *pg = open_pg(store);
    assert_true(central_keep_months(pg, now_us, 0, NULL));
    int64_t parts = count_of_parts(store);
    assert_true(central_keep_months(pg, us_of("2098-01-01T00:00:00Z"), 1, NULL));
    assert_int_equal(count_of_parts(store), parts + 3);
}

static void somebody_who_reads_for_long(void **state)
{
    struct store *store = *state;
    struct error err = {0};
    keep(store, "2020-01-15T00:00:00Z", 0);
    SCOPE_PG struct pg *reader = open_pg(store);
    SCOPE_PG struct pg *pg = open_pg(store);
    assert_true(pg_exec(reader, "BEGIN; SELECT count(*) FROM measurements", NULL));
    int64_t begun_us = clock_monotonic_us(clock_system());
    assert_false(central_keep_months(pg, us_of("2026-02-22T10:00:00Z"), 12, &err));
    assert_in_range(clock_monotonic_us(clock_system()) - begun_us, US_PER_S / 2, 30 * US_PER_S);
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.text, "12 months"));
    assert_true(has(store, "measurements_2020_01"));
    assert_true(pg_exec(reader, "COMMIT", NULL));
    assert_true(central_keep_months(pg, us_of("2026-02-22T10:00:00Z"), 12, NULL));
    assert_false(has(store, "measurements_2020_03"));
}

static void months_to_keep_that_are_none(void **state)
{
    struct store *store = *state;
    SCOPE_PG struct pg *pg = open_pg(store);
    static const int none[] = {-1, CENTRAL_MONTHS_KEPT_MAX + 1, INT32_MAX};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        struct error err = {0};
        assert_false(central_keep_months(pg, us_of("2026-02-22T10:00:00Z"), none[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_true(central_keep_months(pg, us_of("2026-02-22T10:00:00Z"), CENTRAL_MONTHS_KEPT_MAX, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(this_month_and_two_more, set_up_postgres, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_gone_mad_makes_no_months, set_up_postgres, tear_down),
        cmocka_unit_test_setup_teardown(rows_make_their_months, set_up_postgres, tear_down),
        cmocka_unit_test_setup_teardown(old_months_go_and_young_ones_stay, set_up_postgres, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_is_ahead_drops_nothing_young, set_up_postgres,
                                        tear_down),
        cmocka_unit_test_setup_teardown(somebody_who_reads_for_long, set_up_postgres, tear_down),
        cmocka_unit_test_setup_teardown(months_to_keep_that_are_none, set_up_postgres, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
