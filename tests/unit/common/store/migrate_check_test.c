#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/attr.h"
#include "common/store/migrate.h"

static const struct migration before = {
    "0001_first.sql",
    VIEW_LITERAL("CREATE TABLE readings (seq INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL);"
                 "CREATE TABLE keyed (a TEXT PRIMARY KEY, b) WITHOUT ROWID;"
                 "CREATE INDEX by_name ON readings (name);"
                 "CREATE VIEW newest AS SELECT max(seq) AS seq FROM readings;"),
    "aa"};

#define COUNTED "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);"

/* "": it only adds; else what is said against it. */
static const char *verdict(const char *sql, struct error *err)
{
    const struct migration added = {"0002_new.sql", view_of(sql), "bb"};
    *err = (struct error){.text = ""};
    if (migrate_check(&before, 1, &added, 1, err))
        return "";
    if (err->code != ERR_INPUT)
        fail_msg("%s: %s", sql, err->text);
    assert_non_null(err->reason);
    assert_string_equal(err->reason, "bad_migration");
    assert_non_null(strstr(err->text, "0002_new.sql"));
    return err->text;
}

static void what_only_adds_is_taken(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "",
        "-- nothing but a remark",
        "CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT UNIQUE, CHECK (y <> ''))",
        "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2); UPDATE t SET x = 3; DELETE FROM t WHERE x = 3",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO t (x) VALUES (1)",
        "CREATE TABLE t (x TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; INSERT INTO t VALUES ('a')",
        "CREATE TABLE t AS SELECT name, avg(value) AS mean FROM readings GROUP BY name",
        "CREATE TABLE IF NOT EXISTS t (x); CREATE TABLE IF NOT EXISTS readings (x)",
        "CREATE TABLE p (x PRIMARY KEY); CREATE TABLE c (x REFERENCES p (x))",
        "CREATE VIEW v AS SELECT upper(name) FROM readings",
        "CREATE INDEX by_value ON readings (value, seq DESC) WHERE value > 0",
        "CREATE TABLE t (x); CREATE INDEX i ON t (lower(x))",
        "ALTER TABLE readings ADD COLUMN unit TEXT; UPDATE readings SET unit = upper(name)",
        "ALTER TABLE readings ADD COLUMN kind INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE keyed ADD COLUMN c; UPDATE keyed SET c = b",
        "CREATE TABLE t (x); INSERT INTO t SELECT seq FROM readings WHERE name = 'DROP TABLE readings'",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        " SELECT count(*) FROM n",
        "CREATE TABLE t (x); ALTER TABLE t ADD COLUMN y",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        struct error err;
        if (strcmp(verdict(scripts[i], &err), "") != 0)
            fail_msg("%s: %s", scripts[i], err.text);
    }
}

struct row {
    const char *sql, *said;
};

static void what_does_more_than_add_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"ATTACH 'x.db' AS x", "attaches"},
        {"ATTACH ':memory:' AS x; CREATE TABLE x.t (y)", "attaches"},
        {"DETACH main", "detaches"},
        {"PRAGMA writable_schema=1", "writable_schema"},
        {"PRAGMA foreign_keys=OFF", "foreign_keys"},
        {"SELECT load_extension('x')", "load_extension"},
        {"CREATE TABLE t AS SELECT load_extension('x')", "load_extension"},
        {"COMMIT", "transaction"},
        {"CREATE TABLE t (x); COMMIT; CREATE TABLE u (x)", "transaction"},
        {"ROLLBACK", "transaction"},
        {"BEGIN", "transaction"},
        {"END", "transaction"},
        {"SAVEPOINT s", "savepoint"},
        {"DROP TABLE readings", "drops the table readings"},
        {"DROP VIEW newest", "drops the view newest"},
        {"DROP INDEX by_name", "drops the index by_name"},
        {"CREATE TABLE t (x); DROP TABLE t", "drops the table t"},
        {"ALTER TABLE readings RENAME TO old", "renames"},
        {"ALTER TABLE keyed RENAME TO old", "renames"},
        {"ALTER TABLE readings RENAME COLUMN value TO valued", "renames"},
        {"ALTER TABLE readings DROP COLUMN value", "drops the column value"},
        {"ALTER TABLE readings RENAME TO old; CREATE TABLE readings (seq INTEGER PRIMARY KEY)", "renames"},
        {"DELETE FROM readings", "deletes from readings"},
        {"delete from ReadingS where 0", "deletes from readings"},
        {"UPDATE readings SET value = 0", "rewrites a column of readings"},
        {"UPDATE readings SET rowid = 7", "rewrites a column of readings"},
        {"UPDATE readings SET seq = 7", "rewrites a column of readings"},
        {"UPDATE keyed SET a = 'x'", "rewrites a column of keyed"},
        {"ALTER TABLE readings ADD COLUMN x; UPDATE readings SET x = 1, value = 1", "rewrites"},
        {"INSERT INTO readings (name) VALUES ('x')", "adds rows to readings"},
        {"REPLACE INTO readings (seq, name) VALUES (1, 'x')", "adds rows to readings"},
        {"CREATE TABLE IF NOT EXISTS readings (x); DELETE FROM readings", "deletes from readings"},
        {COUNTED "UPDATE sqlite_sequence SET seq = 1000", "rewrites a column of sqlite_sequence"},
        {COUNTED "DELETE FROM sqlite_sequence", "deletes from sqlite_sequence"},
        {"UPDATE sqlite_master SET sql = ''", "may not be modified"},
        {"INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, '')", "may not be modified"},
        {"DELETE FROM sqlite_master", ""},
        {"DELETE FROM schema_migrations", "deletes from schema_migrations"},
        {"UPDATE schema_migrations SET sha256 = ''", "rewrites a column of schema_migrations"},
        {"CREATE TRIGGER t AFTER INSERT ON readings BEGIN SELECT 1; END", "makes the trigger"},
        {"CREATE TEMP TRIGGER t AFTER INSERT ON readings BEGIN SELECT 1; END", "temporary trigger"},
        {"CREATE TABLE t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM readings; END", "trigger"},
        {"CREATE VIRTUAL TABLE t USING fts5(x)", "virtual table"},
        {"CREATE TEMP TABLE t (x)", "database: temp"},
        {"CREATE TEMP VIEW v AS SELECT 1", "database: temp"},
        {"CREATE UNIQUE INDEX i ON readings (value)", "unique index i"},
        {"CREATE TABLE t (x); CREATE UNIQUE INDEX i ON t (x)", "unique index i"},
        {"CREATE INDEX i ON readings (json(name))", "indexes a function"},
        {"CREATE INDEX i ON readings (value) WHERE abs(value) > 0", "indexes a function"},
        {"ALTER TABLE readings ADD COLUMN x INTEGER DEFAULT 0 CHECK (x = 1 AND value < 5)", "CHECK"},
        {"ALTER TABLE readings ADD COLUMN x INTEGER CHECK (value < 5)", "CHECK"},
        {"ALTER TABLE readings ADD COLUMN x AS (abs(value))", "generated column x"},
        {"ALTER TABLE readings ADD COLUMN x REFERENCES keyed (a)", "foreign key rows of readings"},
        {"CREATE TABLE t (x REFERENCES readings (seq))", "foreign key rows of readings"},
        {"CREATE TABLE t (x REFERENCES READINGS)", "foreign key rows of"},
        {"ANALYZE", "analyzes"},
        {"VACUUM", ""},
        {"VACUUM INTO 'x.db'", ""},
        {"this is no SQL", "syntax error"},
        {"CREATE TABLE readings (x)", "already exists"},
        {"ALTER TABLE nowhere ADD COLUMN x", "no such table"},
        {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
         "come to no end"},
        {"CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
         " INSERT INTO t SELECT zeroblob(100000) FROM n",
         "full"},
        {"CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000000))", "too big"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err;
        const char *said = verdict(rows[i].sql, &err);
        if (said[0] == '\0' || strstr(said, rows[i].said) == NULL)
            fail_msg("%s: expected `%s`, found `%s`", rows[i].sql, rows[i].said, said);
    }
}

static void a_nul_byte_hides_nothing(void **state)
{
    (void)state;
    struct error err;
    const struct migration added = {"0002_new.sql", VIEW_LITERAL("SELECT 1;\0DROP TABLE readings"), "bb"};
    assert_false(migrate_check(NULL, 0, &added, 1, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "bad_migration");
    assert_non_null(strstr(err.text, "NUL"));
}

static void one_builds_on_the_other(void **state)
{
    (void)state;
    struct error err;
    struct migration added[] = {{"0002_a.sql", VIEW_LITERAL("CREATE TABLE t (x)"), "bb"},
                                {"0003_b.sql", VIEW_LITERAL("ALTER TABLE t ADD COLUMN y"), "cc"}};
    assert_true(migrate_check(&before, 1, added, 2, &err));
    /* what another added is not this one's own */
    added[1].sql = VIEW_LITERAL("DELETE FROM t");
    assert_false(migrate_check(&before, 1, added, 2, &err));
    assert_non_null(strstr(err.text, "0003_b.sql"));
}

static void one_that_was_there_and_differs_is_refused(void **state)
{
    (void)state;
    struct error err;
    const struct migration edited = {before.name, VIEW_LITERAL("CREATE TABLE t (x)"), "bb"};
    assert_false(migrate_check(&before, 1, &edited, 1, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "bad_migration");
}

static void a_number_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct error err;
    const struct migration other = {"0001_other.sql", VIEW_LITERAL("CREATE TABLE t (x)"), "bb"};
    assert_false(migrate_check(&before, 1, &other, 1, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "bad_migration");
    assert_non_null(strstr(err.text, "its number is taken by 0001_first.sql"));
    /* the very one: it is there already, and is tried all the same */
    assert_true(migrate_check(&before, 1, &before, 1, &err));
    const struct migration bad = {"0002_bad.sql", VIEW_LITERAL("DELETE FROM readings"), "bb"};
    const struct migration both[] = {before, bad};
    assert_false(migrate_check(both, 2, &bad, 1, &err));
    assert_non_null(strstr(err.text, "deletes from readings"));
}

static void what_is_applied_runs_under_the_same_guard(void **state)
{
    (void)state;
    struct error err;
    sqlite3 *opened = NULL;
    assert_int_equal(sqlite3_open(":memory:", &opened), SQLITE_OK);
    SCOPE_DB sqlite3 *db = opened;
    assert_true(migrate_db(db, &before, 1, "1", clock_system(), &err));
    assert_true(db_exec(db, "INSERT INTO readings (name) VALUES ('x')", &err));
    const struct migration bad = {"0002_b.sql", VIEW_LITERAL("CREATE TABLE t (x); DELETE FROM readings"),
                                  "bb"};
    assert_false(migrate_db_adding(db, &bad, 1, "2", clock_system(), &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "bad_migration");
    const struct migration good = {"0002_b.sql", VIEW_LITERAL("CREATE TABLE t (x)"), "cc"};
    assert_true(migrate_db_adding(db, &good, 1, "2", clock_system(), &err));
    int64_t rows;
    assert_true(db_query_i64(db, "SELECT count(*) FROM readings", -1, &rows, &err));
    assert_int_equal(rows, 1);
    /* afterwards the connection is as free as before */
    assert_true(db_exec(db, "DELETE FROM readings; DROP TABLE t", &err));
}

static void of_several_all_are_applied_or_none(void **state)
{
    (void)state;
    struct error err;
    sqlite3 *opened = NULL;
    assert_int_equal(sqlite3_open(":memory:", &opened), SQLITE_OK);
    SCOPE_DB sqlite3 *db = opened;
    const struct migration both[] = {
        {"0002_b.sql", VIEW_LITERAL("CREATE TABLE t (x)"), "bb"},
        {"0003_c.sql", VIEW_LITERAL("DROP TABLE readings"), "cc"},
    };
    const struct migration third = {"0003_c.sql", VIEW_LITERAL("CREATE TABLE u (x)"), "dd"};
    assert_true(migrate_db(db, &before, 1, "1", clock_system(), &err));
    assert_false(migrate_db_adding(db, both, 2, "2", clock_system(), &err));
    int64_t rows;
    assert_true(db_query_i64(db, "SELECT count(*) FROM sqlite_master WHERE name = 't'", -1, &rows, &err));
    assert_int_equal(rows, 0);
    const struct migration good[] = {both[0], third};
    assert_true(migrate_db_adding(db, good, 2, "2", clock_system(), &err));
    assert_true(db_query_i64(db, "SELECT count(*) FROM schema_migrations", -1, &rows, &err));
    assert_int_equal(rows, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_adds_is_taken),
        cmocka_unit_test(what_does_more_than_add_is_refused),
        cmocka_unit_test(a_nul_byte_hides_nothing),
        cmocka_unit_test(one_builds_on_the_other),
        cmocka_unit_test(one_that_was_there_and_differs_is_refused),
        cmocka_unit_test(a_number_that_is_taken_is_refused),
        cmocka_unit_test(what_is_applied_runs_under_the_same_guard),
        cmocka_unit_test(of_several_all_are_applied_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
