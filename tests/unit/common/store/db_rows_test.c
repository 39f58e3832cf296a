#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "common/store/db_rows.h"

struct row {
    int32_t small;
    double number;
    int64_t whole;
};

static const struct db_rows_column columns[] = {
    {"whole", DB_ROWS_I64, offsetof(struct row, whole)},
    {"small", DB_ROWS_I32, offsetof(struct row, small)},
    {"number", DB_ROWS_DOUBLE, offsetof(struct row, number)},
};

static int64_t ask(sqlite3 *db, const char *sql)
{
    int64_t value = -1;
    struct error err;
    if (!db_query_i64(db, sql, -77, &value, &err))
        fail_msg("%s", err.text);
    return value;
}

static sqlite3 *open_with(struct db_rows *rows)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_true(db_rows_register(db, "some_rows", rows, NULL));
    return db;
}

static void every_value_arrives(void **state)
{
    (void)state;
    static const struct row content[] = {{-5, 0.25, INT64_MIN}, {INT32_MAX, NAN, INT64_MAX}, {0, -0.5, 0}};
    struct db_rows rows = {columns, COUNT_OF(columns), sizeof(struct row), content, COUNT_OF(content)};
    SCOPE_DB sqlite3 *db = open_with(&rows);
    assert_int_equal(ask(db, "SELECT count(*) FROM some_rows"), 3);
    assert_int_equal(ask(db, "SELECT min(whole) FROM some_rows"), INT64_MIN);
    assert_int_equal(ask(db, "SELECT small FROM some_rows WHERE whole = 9223372036854775807"), INT32_MAX);
    assert_int_equal(ask(db, "SELECT count(*) FROM some_rows WHERE number IS NULL AND small > 0"), 1);
    assert_int_equal(ask(db, "SELECT sum(number * 4) FROM some_rows"), -1);
    assert_true(db_exec(db, "CREATE TABLE kept AS SELECT whole, small FROM some_rows", NULL));
    assert_int_equal(ask(db, "SELECT group_concat(small) = '-5,2147483647,0' FROM kept"), 1);
}

static void what_it_shows_may_change(void **state)
{
    (void)state;
    static const struct row content[] = {{1, 1, 1}, {2, 2, 2}};
    struct db_rows rows = {columns, COUNT_OF(columns), sizeof(struct row), NULL, 0};
    SCOPE_DB sqlite3 *db = open_with(&rows);
    assert_int_equal(ask(db, "SELECT count(*) FROM some_rows"), 0);
    rows.rows = content;
    rows.count = 2;
    assert_int_equal(ask(db, "SELECT sum(whole) FROM some_rows"), 3);
}

static void nobody_writes_to_it(void **state)
{
    (void)state;
    struct db_rows rows = {columns, COUNT_OF(columns), sizeof(struct row), NULL, 0};
    SCOPE_DB sqlite3 *db = open_with(&rows);
    assert_false(db_exec(db, "INSERT INTO some_rows VALUES (1, 2, 3)", NULL));
    assert_false(db_exec(db, "DELETE FROM some_rows", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_arrives),
        cmocka_unit_test(what_it_shows_may_change),
        cmocka_unit_test(nobody_writes_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
