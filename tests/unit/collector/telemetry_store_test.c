#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/telemetry_store.h"

static char source_folder[1024]; /* the tests are started there */

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/telemetry_store_test.XXXXXX");
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

/* seq 1.. count, channels 1 and 2 in turn, times 1000, 1001 ... */
static sqlite3 *make_store(const char *path, const char *store_id, int count)
{
    struct error err;
    char sql[512];
    struct path schema_path;
    SCOPE_BUF struct buf schema = BUF_LIMIT(65536);
    assert_true(path_join(&schema_path, source_folder, "migrations/appliance/0001_telemetry.sql", &err));
    assert_true(file_read_path(schema_path.text, &schema, &err));
    sqlite3 *db = db_open(path, DB_CREATE, &err);
    assert_non_null(db);
    assert_true(db_exec(db, buf_text(&schema), &err));
    snprintf(sql, sizeof(sql),
             "INSERT INTO meta VALUES ('store_id', '%s'), ('next_seq', %d);"
             "INSERT INTO channels VALUES (1, 'a', 'm', -1, 1, 'first'), (2, 'b', NULL, NULL, NULL, NULL);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO readings SELECT i, 999 + i, 2 - i %% 2, i * 0.5 FROM n WHERE i <= %d",
             store_id, count + 1, count, count);
    assert_true(db_exec(db, sql, &err));
    return db;
}

static size_t read_all(struct store_reader *reader, const struct store_range *range, int64_t after,
                       size_t chunk_rows, struct store_row *out)
{
    struct error err;
    size_t total = 0;
    for (size_t count = 1; count > 0; total += count) {
        assert_true(store_range_read(reader, range, after, out + total, chunk_rows, &count, &err));
        assert_true(count <= chunk_rows);
        if (count > 0)
            after = out[total + count - 1].seq;
    }
    return total;
}

static void a_range_is_read_whole_in_order_in_chunks_of_any_size(void **state)
{
    (void)state;
    struct error err;
    struct store_range range;
    struct store_row rows[1100];
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 1000);
    assert_non_null(db);
    assert_true(db_exec(db,
                        "DELETE FROM readings WHERE seq BETWEEN 100 AND 350; DELETE FROM readings WHERE"
                        " seq = 7; UPDATE readings SET value = NULL WHERE seq = 8",
                        &err));
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_string_equal(store_reader_id(reader), "id-1");
    assert_true(store_range_after(reader, 0, 0, &range, &err));
    assert_int_equal(range.count, 748);
    assert_int_equal(range.first_seq, 1);
    assert_int_equal(range.last_seq, 1000);
    assert_int_equal(range.first_time_us, 1000);
    assert_int_equal(range.last_time_us, 1999);
    for (size_t chunk = 1; chunk < 1100; chunk = chunk * 2 + 1) {
        assert_int_equal(read_all(reader, &range, 0, chunk, rows), 748);
        for (size_t i = 1; i < 748; i++)
            assert_true(rows[i].seq > rows[i - 1].seq);
        assert_int_equal(rows[5].seq, 6);
        assert_int_equal(rows[5].time_us, 1005);
        assert_int_equal(rows[5].channel_id, 2);
        assert_true(rows[5].value == 3.0);
        assert_int_equal(rows[6].seq, 8);
        assert_true(isnan(rows[6].value));
    }
}

static void a_range_by_cursor_begins_behind_it(void **state)
{
    (void)state;
    struct error err;
    struct store_range range;
    struct store_row rows[100];
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 50);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_true(store_range_after(reader, 30, 0, &range, &err));
    assert_int_equal(range.count, 20);
    assert_int_equal(range.first_seq, 31);
    assert_int_equal(read_all(reader, &range, 0, 7, rows), 20);
    assert_int_equal(rows[0].seq, 31);
    assert_true(store_range_after(reader, 30, 5, &range, &err));
    assert_int_equal(range.count, 5);
    assert_int_equal(range.last_seq, 35);
    assert_int_equal(read_all(reader, &range, 33, 7, rows), 2);
    assert_true(store_range_after(reader, 50, 0, &range, &err));
    assert_int_equal(range.count, 0);
    assert_int_equal(range.first_time_us, INT64_MIN);
    assert_int_equal(read_all(reader, &range, 0, 7, rows), 0);
    assert_true(store_range_after(reader, INT64_MAX, 3, &range, &err));
    assert_int_equal(range.count, 0);
}

static void a_range_by_time_is_strictly_later_also_when_the_clock_went_back(void **state)
{
    (void)state;
    struct error err;
    struct store_range range;
    struct store_row rows[100];
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 50);
    assert_non_null(db);
    assert_true(db_exec(db, "UPDATE readings SET time_us = time_us - 500 WHERE seq > 45", &err));
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_true(store_range_since(reader, 1039, 0, &range, &err));
    assert_int_equal(range.count, 5);
    assert_int_equal(range.first_seq, 41);
    assert_int_equal(range.last_seq, 45);
    assert_true(store_range_since(reader, 0, 0, &range, &err));
    assert_int_equal(range.count, 50);
    assert_true(store_range_since(reader, 600, 43, &range, &err));
    assert_int_equal(range.count, 43);
    assert_int_equal(range.last_seq, 43);
    assert_true(store_range_since(reader, 600, 49, &range, &err));
    assert_int_equal(range.count, 45);
    assert_int_equal(read_all(reader, &range, 0, 8, rows), 45);
    assert_int_equal(rows[44].seq, 45);
    assert_true(store_range_since(reader, 5000, 9, &range, &err));
    assert_int_equal(range.count, 0);
}

static void what_comes_after_the_range_was_fixed_is_not_in_it(void **state)
{
    (void)state;
    struct error err;
    struct store_range range;
    struct store_row rows[100];
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 10);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_true(store_range_after(reader, 0, 0, &range, &err));
    assert_true(db_exec(db, "INSERT INTO readings VALUES (11, 5000, 1, 1), (12, 5001, 1, 1)", &err));
    assert_int_equal(read_all(reader, &range, 0, 100, rows), 10);
    /* and nothing is held between the calls: the WAL can be emptied */
    int log = -1;
    int done = -1;
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log, &done), SQLITE_OK);
    struct stat status;
    assert_int_equal(stat("telemetry.db-wal", &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void the_state_tells_the_ends(void **state)
{
    (void)state;
    struct error err;
    struct store_state now;
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 10);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_true(store_reader_state(reader, &now, &err));
    assert_int_equal(now.next_seq, 11);
    assert_int_equal(now.readings, 10);
    assert_int_equal(now.first_time_us, 1000);
    assert_int_equal(now.last_time_us, 1009);
    assert_true(db_exec(db, "DELETE FROM readings", &err));
    assert_true(store_reader_state(reader, &now, &err));
    assert_int_equal(now.next_seq, 11);
    assert_int_equal(now.readings, 0);
    assert_int_equal(now.last_time_us, INT64_MIN);
}

static void the_newest_of_each_channel_follows_what_is_written(void **state)
{
    (void)state;
    struct error err;
    size_t count = 0;
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 10);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    struct store_row *rows = NULL;
    assert_true(store_latest(reader, &rows, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].channel_id, 1);
    assert_int_equal(rows[0].seq, 9);
    assert_int_equal(rows[1].seq, 10);
    free(rows);
    assert_true(db_exec(db, "INSERT INTO readings VALUES (11, 900, 1, NULL), (12, 900, 3, 5)", &err));
    assert_true(store_latest(reader, &rows, &count, &err));
    assert_int_equal(count, 3);
    assert_int_equal(rows[0].seq, 11);
    assert_true(isnan(rows[0].value));
    assert_int_equal(rows[2].channel_id, 3);
    free(rows);
    assert_true(db_exec(db, "DELETE FROM readings WHERE seq <= 11", &err));
    assert_true(store_latest(reader, &rows, &count, &err));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].channel_id, 3);
    free(rows);
}

static void channels_come_by_id_with_what_is_known(void **state)
{
    (void)state;
    struct error err;
    size_t count = 0;
    struct store_channel *channels = NULL;
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 1);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_true(store_channels(reader, &channels, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(channels[0].name, "a");
    assert_string_equal(channels[0].unit, "m");
    assert_true(channels[0].phys_min == -1);
    assert_string_equal(channels[0].description, "first");
    assert_string_equal(channels[1].unit, "");
    assert_true(isnan(channels[1].phys_max));
    free(channels);
}

static void a_replaced_store_is_noticed_and_the_new_one_found(void **state)
{
    (void)state;
    struct error err;
    SCOPE_DB sqlite3 *db = make_store("telemetry.db", "id-1", 3);
    assert_non_null(db);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", &err);
    assert_non_null(reader);
    assert_false(store_reader_is_stale(reader));
    SCOPE_DB sqlite3 *second = make_store("telemetry-2.db", "id-2", 1);
    assert_non_null(second);
    write_file("current_store", "telemetry-2.db\n");
    assert_true(store_reader_is_stale(reader));
    SCOPE_STORE_READER struct store_reader *other = store_reader_open(".", &err);
    assert_non_null(other);
    assert_string_equal(store_reader_id(other), "id-2");
    assert_false(store_reader_is_stale(other));
}

static void a_name_that_leads_elsewhere_is_corrupt(void **state)
{
    (void)state;
    struct error err;
    struct path path;
    const char *const names[] = {"",
                                 "../telemetry.db",
                                 "telemetry-0.db",
                                 "telemetry-.db",
                                 "telemetry-2.db/..",
                                 "telemetry-2x.db",
                                 "telemetry-99999999999.db",
                                 "/etc/passwd"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        write_file("current_store", names[i]);
        assert_false(store_current_path(".", &path, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
    }
}

static void no_store_yet_an_empty_file_and_another_database_are_told_apart(void **state)
{
    (void)state;
    struct error err;
    assert_null(store_reader_open(".", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(access("telemetry.db", F_OK), -1);
    write_file("telemetry.db", "");
    write_file("telemetry.db-wal", "what a damaged store left");
    assert_null(store_reader_open(".", &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(access("telemetry.db-wal", F_OK), 0);
    unlink("telemetry.db");
    unlink("telemetry.db-wal");
    sqlite3 *db = db_open("telemetry.db", DB_CREATE, &err);
    assert_true(db_exec(db, "CREATE TABLE something (x)", &err));
    db_close(db);
    assert_null(store_reader_open(".", &err));
    assert_int_equal(err.code, ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    if (getcwd(source_folder, sizeof(source_folder)) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(a_range_is_read_whole_in_order_in_chunks_of_any_size),
        TEST(a_range_by_cursor_begins_behind_it),
        TEST(a_range_by_time_is_strictly_later_also_when_the_clock_went_back),
        TEST(what_comes_after_the_range_was_fixed_is_not_in_it),
        TEST(the_state_tells_the_ends),
        TEST(the_newest_of_each_channel_follows_what_is_written),
        TEST(channels_come_by_id_with_what_is_known),
        TEST(a_replaced_store_is_noticed_and_the_new_one_found),
        TEST(a_name_that_leads_elsewhere_is_corrupt),
        TEST(no_store_yet_an_empty_file_and_another_database_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
