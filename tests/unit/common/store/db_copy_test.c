#include "common/store/db_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/store/db.h"
#include "tests/harness/test_folder.h"

static int set_up(void **state)
{
    struct test_folder *folder = calloc(1, sizeof(*folder));
    if (folder != NULL && test_folder_make(folder)) {
        *state = folder;
        return 0;
    }
    free(folder);
    return -1;
}

static int tear_down(void **state)
{
    test_folder_remove(*state);
    free(*state);
    return 0;
}

static int64_t count(const char *path)
{
    int64_t rows = -1;
    SCOPE_DB sqlite3 *db = db_open(path, DB_READ, NULL);
    assert_non_null(db);
    assert_true(db_query_i64(db, "SELECT count(*) FROM t", -1, &rows, NULL));
    return rows;
}

/* What stands only in the write-ahead log is copied too, and an open writer is in nobody's way. */
static void a_copy_has_what_is_committed(void **state)
{
    struct path from = test_folder_path(*state, "from.db");
    struct path to = test_folder_path(*state, "to.db");
    SCOPE_DB sqlite3 *writer = db_open(from.text, DB_CREATE, NULL);
    assert_true(db_exec(writer,
                        "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                        " WHERE i < 5000) INSERT INTO t SELECT randomblob(100) FROM n",
                        NULL));
    assert_true(db_begin(writer, NULL));
    assert_true(db_exec(writer, "INSERT INTO t VALUES (1)", NULL));
    assert_true(test_folder_write(*state, "to.db", ""));
    struct error err = {.code = ERR_NONE};
    assert_true(db_copy(from.text, to.text, &err));
    assert_true(db_commit(writer, NULL));
    assert_int_equal(count(to.text), 5000);
    assert_int_equal(count(from.text), 5001);
}

static void what_is_no_database_is_not_copied(void **state)
{
    struct path from = test_folder_path(*state, "from.db");
    struct path to = test_folder_path(*state, "to.db");
    struct error err;
    assert_false(db_copy(from.text, to.text, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(test_folder_write(*state, "from.db", "no database, and long enough to be looked at as one"));
    assert_true(test_folder_write(*state, "to.db", ""));
    assert_false(db_copy(from.text, to.text, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
}

static void a_link_is_no_place_for_a_copy(void **state)
{
    struct path from = test_folder_path(*state, "from.db");
    struct path to = test_folder_path(*state, "to.db");
    SCOPE_DB sqlite3 *writer = db_open(from.text, DB_CREATE, NULL);
    assert_true(db_exec(writer, "CREATE TABLE t (x)", NULL));
    assert_true(test_folder_write(*state, "victim", ""));
    assert_int_equal(symlink("victim", to.text), 0);
    assert_false(db_copy(from.text, to.text, NULL));
    assert_true(test_folder_has(*state, "victim", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_has_what_is_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_not_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_is_no_place_for_a_copy, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
