#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/db.h"

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/db_test.XXXXXX");
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
    free(*state);
    return chdir("/") != 0 || system(command) != 0;
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void a_new_database_is_private_wal_and_fully_synchronous(void **state)
{
    (void)state;
    struct error err;
    struct stat status;
    int64_t value = 0;
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    assert_non_null(db);
    assert_int_equal(stat("a.db", &status), 0);
    assert_int_equal(status.st_mode & 07, 0);
    assert_true(db_query_i64(db, "PRAGMA synchronous", -1, &value, &err));
    assert_int_equal(value, 2);
    SCOPE_STMT sqlite3_stmt *mode = db_prepare(db, "PRAGMA journal_mode", &err);
    assert_int_equal(db_step(mode, &err), DB_STEP_ROW);
    assert_string_equal(sqlite3_column_text(mode, 0), "wal");
}

static void opening_what_is_not_there_makes_nothing(void **state)
{
    (void)state;
    struct error err;
    assert_null(db_open("missing.db", DB_READ, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(db_open("missing.db", DB_WRITE, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(access("missing.db", F_OK), -1);
}

static void a_file_that_is_no_database_is_corrupt_and_left_alone(void **state)
{
    (void)state;
    struct error err;
    struct stat status;
    write_file("text.db", "This is a text file that somebody put here, longer than a header of SQLite is: "
                          "one hundred bytes and some more.");
    assert_null(db_open("text.db", DB_READ, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_null(db_open("text.db", DB_CREATE, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(stat("text.db", &status), 0);
    assert_int_equal(status.st_size, 111);
}

static void a_reader_cannot_write_and_sees_what_was_committed(void **state)
{
    (void)state;
    struct error err;
    int64_t value = 0;
    SCOPE_DB sqlite3 *writer = db_open("a.db", DB_CREATE, &err);
    assert_non_null(writer);
    assert_true(db_exec(writer, "CREATE TABLE t (x); INSERT INTO t VALUES (7)", &err));
    SCOPE_DB sqlite3 *reader = db_open("a.db", DB_READ, &err);
    assert_non_null(reader);
    assert_true(db_query_i64(reader, "SELECT x FROM t", -1, &value, &err));
    assert_int_equal(value, 7);
    assert_true(db_query_i64(reader, "SELECT x FROM t WHERE x > 7", -1, &value, &err));
    assert_int_equal(value, -1);
    assert_false(db_exec(reader, "INSERT INTO t VALUES (8)", &err));
}

static void closing_the_last_reader_leaves_the_wal_to_the_writer(void **state)
{
    (void)state;
    struct error err;
    struct stat status;
    sqlite3 *writer = db_open("a.db", DB_CREATE, &err);
    assert_true(db_exec(writer, "CREATE TABLE t (x); INSERT INTO t VALUES (7)", &err));
    sqlite3_db_config(writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    db_close(writer);
    sqlite3 *reader = db_open("a.db", DB_READ, &err);
    int64_t value = 0;
    assert_true(db_query_i64(reader, "SELECT x FROM t", -1, &value, &err));
    db_close(reader);
    assert_int_equal(stat("a.db-wal", &status), 0);
    assert_true(status.st_size > 0);
}

static void a_failed_statement_says_why_and_can_be_used_again(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    assert_true(db_exec(db, "CREATE TABLE t (x INTEGER PRIMARY KEY, y)", &err));
    SCOPE_STMT sqlite3_stmt *add = db_prepare(db, "INSERT INTO t VALUES (?1, ?2)", &err);
    sqlite3_bind_int(add, 1, 1);
    db_bind_view(add, 2, VIEW_LITERAL("one"));
    assert_true(db_run(add, &err));
    assert_false(db_run(add, &err));
    assert_non_null(strstr(err.text, "UNIQUE"));
    sqlite3_bind_int(add, 1, 2);
    assert_true(db_run(add, &err));
    assert_null(db_prepare(db, "SELECT x FROM nowhere", &err));
    assert_non_null(strstr(err.text, "nowhere"));
}

static void a_value_that_cannot_be_bound_stops_its_statement(void **state)
{
    (void)state;
    struct error err;
    int64_t count;
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    assert_true(db_exec(db, "CREATE TABLE t (x)", &err));
    SCOPE_STMT sqlite3_stmt *add = db_prepare(db, "INSERT INTO t VALUES (?1)", &err);
    db_bind_view(add, 1, (struct view){"", (size_t)INT_MAX + 1}); /* as without memory: it is not looked at */
    assert_false(db_run(add, &err));
    assert_int_equal(err.code, ERR_MEMORY);
    assert_true(db_query_i64(db, "SELECT count(*) FROM t", -1, &count, &err));
    assert_int_equal(count, 0);
    db_bind_view(add, 1, VIEW_LITERAL("one"));
    assert_true(db_run(add, &err));
    assert_true(db_query_i64(db, "SELECT count(*) FROM t WHERE x = 'one'", -1, &count, &err));
    assert_int_equal(count, 1);
}

static void a_text_is_copied_whole_or_refused(void **state)
{
    (void)state;
    struct error err;
    char text[4];
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    SCOPE_STMT sqlite3_stmt *row = db_prepare(db, "SELECT 'abc', 'abcd', NULL", &err);
    assert_int_equal(db_step(row, &err), DB_STEP_ROW);
    assert_true(db_column_copy(row, 0, text, sizeof(text), &err));
    assert_string_equal(text, "abc");
    assert_false(db_column_copy(row, 1, text, sizeof(text), &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_string_equal(text, "abc");
    assert_true(db_column_copy(row, 2, text, sizeof(text), &err));
    assert_string_equal(text, "");
}

static void a_full_database_is_a_lack_of_space(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    assert_true(db_exec(db, "CREATE TABLE t (x); PRAGMA max_page_count=3", &err));
    assert_true(db_begin(db, &err));
    assert_false(db_exec(db, "INSERT INTO t VALUES (zeroblob(100000))", &err));
    assert_int_equal(err.code, ERR_SPACE);
    db_rollback(db);
    db_rollback(db); /* no harm */
    assert_true(db_begin(db, &err));
    assert_true(db_commit(db, &err));
}

static void a_second_writer_is_told_that_it_is_busy(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *one = db_open("a.db", DB_CREATE, &err);
    SCOPE_DB sqlite3 *other = db_open("a.db", DB_WRITE, &err);
    assert_non_null(other);
    sqlite3_busy_timeout(other, 1);
    assert_true(db_begin(one, &err));
    assert_false(db_begin(other, &err));
    assert_int_equal(err.code, ERR_BUSY);
    db_rollback(one);
    assert_true(db_begin(other, &err));
    assert_true(db_commit(other, &err));
}

static void a_damaged_page_is_corrupt(void **state)
{
    (void)state;
    struct error err;
    sqlite3 *db = db_open("a.db", DB_CREATE, &err);
    assert_true(db_exec(db,
                        "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
                        " LIMIT 5000) INSERT INTO t SELECT i FROM n",
                        &err));
    db_close(db);
    int fd = open("a.db", O_WRONLY);
    char junk[4096];
    memset(junk, 0xa5, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 2 * 4096), sizeof(junk));
    close(fd);
    db = db_open("a.db", DB_READ, &err);
    assert_non_null(db);
    int64_t value;
    assert_false(db_query_i64(db, "SELECT sum(x) FROM t", 0, &value, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    db_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_database_is_private_wal_and_fully_synchronous),
        TEST(opening_what_is_not_there_makes_nothing),
        TEST(a_file_that_is_no_database_is_corrupt_and_left_alone),
        TEST(a_reader_cannot_write_and_sees_what_was_committed),
        TEST(closing_the_last_reader_leaves_the_wal_to_the_writer),
        TEST(a_failed_statement_says_why_and_can_be_used_again),
        TEST(a_value_that_cannot_be_bound_stops_its_statement),
        TEST(a_text_is_copied_whole_or_refused),
        TEST(a_full_database_is_a_lack_of_space),
        TEST(a_second_writer_is_told_that_it_is_busy),
        TEST(a_damaged_page_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
