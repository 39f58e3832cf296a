#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/info_source.h"
#include "common/base/text.h"
#include "common/wire/alarm_record.h"

enum { TEXT_LIMIT_BYTES = 8 << 20 };

static char folder[] = "/tmp/info_source_test.XXXXXX";
static char schema[4096];

static int make_folder(void **state)
{
    (void)state;
    FILE *file = fopen("migrations/appliance/0001_telemetry.sql", "r");
    if (file == NULL || fread(schema, 1, sizeof(schema) - 1, file) == 0)
        return 1;
    fclose(file);
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static void remove_store(void)
{
    static const char *const names[] = {"telemetry.db", "telemetry.db-wal", "telemetry.db-shm"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(names[i]);
}

static int remove_folder(void **state)
{
    (void)state;
    remove_store();
    return chdir("/") != 0 || rmdir(folder) != 0;
}

/* Alarms 1 to count with seq 2, 4, 6 ..., raised at 1000 * n, those with an even number resolved 500 later.
 */
static sqlite3 *make_store(int count)
{
    char sql[1024];
    remove_store();
    sqlite3 *db = db_open("telemetry.db", DB_CREATE, NULL);
    assert_non_null(db);
    assert_true(db_exec(db, schema, NULL));
    snprintf(sql, sizeof(sql),
             "INSERT INTO meta VALUES ('store_id', 'id-1'), ('next_seq', %d);"
             "INSERT INTO channels(channel_id, name, unit, phys_min) VALUES (5, 'rpm', '1/min', 0),"
             " (9, 'a \"quoted\\name', NULL, NULL);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO alarms SELECT i, 2 * i, 5 + 4 * (i %% 2), 'warning', 'm' || i, 1000 * i,"
             " CASE i %% 2 WHEN 0 THEN 1000 * i + 500 END FROM n WHERE i <= %d",
             2 * count + 1, count, count);
    assert_true(db_exec(db, sql, NULL));
    return db;
}

static struct line_source *alarms(int64_t after, int64_t since_us, int64_t limit, struct store_range *range)
{
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", NULL);
    assert_non_null(reader);
    struct line_source *source = alarms_source_new(reader, after, since_us, limit, range, NULL);
    assert_non_null(source);
    return source;
}

/* All lines, in pieces; ends the source. */
static void take_all(struct line_source *source, size_t piece_bytes, struct buf *out)
{
    size_t size;
    do {
        char *room = buf_reserve(out, piece_bytes);
        assert_non_null(room);
        assert_true(source->kind->read(source, room, piece_bytes, &size, NULL));
        assert_true(size <= piece_bytes && (size == 0 || room[size - 1] == '\n'));
        buf_commit(out, size);
    } while (size > 0);
    source->kind->free(source);
}

static void assert_alarms(struct line_source *source, int first, int last)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_LIMIT_BYTES);
    take_all(source, 2 * INFO_LINE_MAX_BYTES, &text);
    struct view rest = buf_view(&text);
    for (int number = first; number <= last; number++) {
        struct alarm_record alarm;
        char message[16];
        assert_true(alarm_record_read(text_cut(&rest, '\n'), &alarm, NULL));
        snprintf(message, sizeof(message), "m%d", number);
        assert_int_equal(alarm.alarm_id, number);
        assert_int_equal(alarm.seq, 2 * number);
        assert_string_equal(alarm.message, message);
        assert_string_equal(alarm.channel, number % 2 == 0 ? "rpm" : "a \"quoted\\name");
        assert_int_equal(alarm.resolved_us, number % 2 == 0 ? 1000 * number + 500 : INT64_MIN);
    }
    assert_int_equal(rest.size, 0);
}

static void alarms_by_after_since_and_limit(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(9);
    static const struct {
        int64_t after, since_us, limit;
        int first, last;
    } table[] = {
        {0, INT64_MIN, 0, 1, 9}, {6, INT64_MIN, 0, 4, 9}, {7, INT64_MIN, 2, 4, 5}, {0, 4499, 0, 4, 9},
        {0, 4500, 0, 5, 9},      {0, 4500, 1, 5, 5},      {0, INT64_MIN, 9, 1, 9}, {0, INT64_MIN, 8, 1, 8},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct store_range range;
        struct line_source *source = alarms(table[i].after, table[i].since_us, table[i].limit, &range);
        assert_int_equal(range.count, table[i].last - table[i].first + 1);
        assert_int_equal(range.first_seq, 2 * table[i].first);
        assert_int_equal(range.last_seq, 2 * table[i].last);
        assert_int_equal(range.first_time_us, 1000 * table[i].first + (table[i].first % 2 == 0 ? 500 : 0));
        assert_int_equal(range.last_time_us, 1000 * table[i].last + (table[i].last % 2 == 0 ? 500 : 0));
        assert_alarms(source, table[i].first, table[i].last);
    }
}

static void no_alarms(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(3);
    struct store_range range;
    struct line_source *source = alarms(6, INT64_MIN, 0, &range);
    assert_int_equal(range.count, 0);
    assert_alarms(source, 1, 0);
}

/* It has left the range by the time that it is sent; the line was fixed before. */
static void an_alarm_resolved_meanwhile_is_still_a_line(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(9);
    struct store_range range;
    struct line_source *source = alarms(0, INT64_MIN, 0, &range);
    assert_true(db_exec(db, "UPDATE alarms SET seq = 100, resolved_us = 1 WHERE alarm_id = 3", NULL));
    assert_alarms(source, 1, 9);
}

static void many_alarms_come_in_several_exports(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(2 * ALARMS_EXPORT_MAX + 5);
    struct store_range range = {.last_seq = 0};
    static const int64_t counts[] = {ALARMS_EXPORT_MAX, ALARMS_EXPORT_MAX, 5, 0};
    int last = 0;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct line_source *source = alarms(2 * last, INT64_MIN, i == 0 ? INT64_MAX : 0, &range);
        assert_int_equal(range.count, counts[i]);
        assert_alarms(source, last + 1, last + (int)counts[i]);
        last += (int)counts[i];
    }
}

static void an_alarm_of_no_channel_is_refused(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(9);
    assert_true(db_exec(db, "UPDATE alarms SET channel_id = 6 WHERE alarm_id = 3", NULL));
    struct store_range range;
    struct line_source *source = alarms(0, INT64_MIN, 0, &range);
    struct error err = {0};
    static char room[16 * INFO_LINE_MAX_BYTES];
    size_t size;
    assert_false(source->kind->read(source, room, sizeof(room), &size, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    source->kind->free(source);
}

static void every_channel_is_a_line(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(1);
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(".", NULL);
    size_t count = 0;
    struct line_source *source = channels_source_new(reader, &count, NULL);
    assert_non_null(source);
    assert_int_equal(count, 2);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_LIMIT_BYTES);
    take_all(source, INFO_LINE_MAX_BYTES, &text);
    assert_string_equal(buf_text(&text),
                        "{\"channel\":\"rpm\",\"unit\":\"1/min\",\"phys_min\":0,\"phys_max\":null,"
                        "\"description\":\"\"}\n"
                        "{\"channel\":\"a \\\"quoted\\\\name\",\"unit\":\"\",\"phys_min\":null,"
                        "\"phys_max\":null,\"description\":\"\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alarms_by_after_since_and_limit),
        cmocka_unit_test(no_alarms),
        cmocka_unit_test(an_alarm_resolved_meanwhile_is_still_a_line),
        cmocka_unit_test(many_alarms_come_in_several_exports),
        cmocka_unit_test(an_alarm_of_no_channel_is_refused),
        cmocka_unit_test(every_channel_is_a_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
