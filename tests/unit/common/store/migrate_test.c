#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "common/store/migrate.h"

static struct clock_fake fake;

static sqlite3 *memory(void)
{
    struct error err;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_true(db_exec(db, "PRAGMA foreign_keys=ON", &err));
    clock_fake_init(&fake, 1771754700LL * US_PER_S, 0);
    return db;
}

static struct migration migration(const char *name, const char *sql, const char *sha256)
{
    return (struct migration){name, view_of(sql), sha256};
}

static int64_t count(sqlite3 *db, const char *sql)
{
    struct error err;
    int64_t value = -1;
    if (!db_query_i64(db, sql, -1, &value, &err))
        return -2;
    return value;
}

static void they_are_applied_once_each_in_order_of_name(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    const struct migration both[] = {
        migration("0002_more.sql", "-- fills\nALTER TABLE t ADD COLUMN y; INSERT INTO t VALUES (1, 2);",
                  "bb"),
        migration("0001_first.sql", "CREATE TABLE t (x);\n\n", "aa"),
    };
    assert_true(migrate_db(db, both, 2, "1.1.0", &fake.clock, &err));
    assert_true(migrate_db(db, both, 2, "1.2.0", &fake.clock, &err));
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(count(db, "SELECT count(*) FROM schema_migrations WHERE version = '1.1.0'"
                               " AND applied_at = '2026-02-22T10:05:00Z' AND sha256 IN ('aa', 'bb')"),
                     2);
}

static void one_that_was_applied_and_differs_is_refused(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    struct migration one = migration("0001_first.sql", "CREATE TABLE t (x);", "aa");
    assert_true(migrate_db(db, &one, 1, "1", &fake.clock, &err));
    one.sha256 = "ab";
    assert_false(migrate_db(db, &one, 1, "1", &fake.clock, &err));
    assert_int_equal(err.code, ERR_CHANGED);
    assert_non_null(strstr(err.text, "0001_first.sql"));
}

static void one_that_fails_leaves_nothing_of_itself(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    const struct migration two[] = {
        migration("0001_first.sql", "CREATE TABLE t (x);", "aa"),
        migration("0002_bad.sql",
                  "CREATE TABLE u (x); INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1);", "bb"),
    };
    assert_false(migrate_db(db, two, 2, "1", &fake.clock, &err));
    assert_non_null(strstr(err.text, "0002_bad.sql"));
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 0);
    assert_int_equal(count(db, "SELECT count(*) FROM u"), -2);
    assert_int_equal(count(db, "SELECT count(*) FROM schema_migrations"), 1);
}

static void one_that_ends_its_transaction_is_refused(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    struct migration one = migration("0001_sly.sql", "CREATE TABLE t (x); COMMIT; CREATE TABLE u (x);", "aa");
    assert_false(migrate_db(db, &one, 1, "1", &fake.clock, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(count(db, "SELECT count(*) FROM u"), -2);
    assert_int_equal(count(db, "SELECT count(*) FROM schema_migrations"), 0);
}

static void a_ledger_row_of_a_newer_version_is_no_error(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    const struct migration both[] = {
        migration("0001_first.sql", "CREATE TABLE t (x);", "aa"),
        migration("0002_more.sql", "CREATE TABLE u (x);", "bb"),
    };
    assert_true(migrate_db(db, both, 2, "1.2.0", &fake.clock, &err));
    assert_true(migrate_db(db, both, 1, "1.1.0", &fake.clock, &err));
    assert_int_equal(count(db, "SELECT count(*) FROM schema_migrations"), 2);
}

static void the_text_need_not_end_in_nul(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = memory();
    struct migration one = {"0001_a.sql", {"CREATE TABLE t (x) garbage", 18}, "aa"};
    assert_true(migrate_db(db, &one, 1, "1", &fake.clock, &err));
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_applied_once_each_in_order_of_name),
        cmocka_unit_test(one_that_was_applied_and_differs_is_refused),
        cmocka_unit_test(one_that_fails_leaves_nothing_of_itself),
        cmocka_unit_test(one_that_ends_its_transaction_is_refused),
        cmocka_unit_test(a_ledger_row_of_a_newer_version_is_no_error),
        cmocka_unit_test(the_text_need_not_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
