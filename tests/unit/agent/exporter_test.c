#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/exporter.h"
#include "agent/readings_source.h"
#include "common/wire/record.h"

enum {
    MANY_ROWS = 3 * STORE_CHUNK_ROWS + 17,
    HUGE_ROWS = 20 * STORE_CHUNK_ROWS, /* more than the compressor keeps before it gives the first piece */
    TEXT_LIMIT_BYTES = 8 << 20,
};

static char schema[4096];
static char folder[] = "/tmp/exporter_test.XXXXXX";

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

/* seq 1 to count, channels 1 and 2 in turn. */
static sqlite3 *make_store(int count)
{
    char sql[1024];
    remove_store();
    sqlite3 *db = db_open("telemetry.db", DB_CREATE, NULL);
    assert_non_null(db);
    assert_true(db_exec(db, schema, NULL));
    snprintf(sql, sizeof(sql),
             "INSERT INTO meta VALUES ('store_id', 'id-1'), ('next_seq', %d);"
             "INSERT INTO channels(channel_id, name) VALUES (1, 'plain'), (2, 'a \"quoted\\name');"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO readings SELECT i, 1771754400000000 + i, 2 - i %% 2, i * 0.5 FROM n WHERE i <= %d;"
             "UPDATE readings SET value = NULL WHERE seq = 2",
             count + 1, count, count);
    assert_true(db_exec(db, sql, NULL));
    return db;
}

static struct exporter *open_as(enum pack_format format, int64_t after, int64_t limit)
{
    struct store_range range;
    struct store_reader *reader = store_reader_open(".", NULL);
    assert_non_null(reader);
    assert_true(store_range_after(reader, after, limit, &range, NULL));
    struct line_source *source = readings_source_new(reader, &range, NULL);
    assert_non_null(source);
    struct exporter *exporter = exporter_new(source, range.count, format, NULL);
    assert_non_null(exporter);
    return exporter;
}

static struct exporter *open_export(int64_t after, int64_t limit)
{
    return open_as(PACK_GZIP, after, limit);
}

/* Reads it whole in pieces of this size. */
static void take_all(struct exporter *exporter, size_t piece_bytes, struct buf *out)
{
    struct error err = {0};
    for (;;) {
        char *room = buf_reserve(out, piece_bytes);
        assert_non_null(room);
        ssize_t size = exporter_read(exporter, room, piece_bytes, &err);
        assert_true(size >= 0);
        if (size == 0)
            break;
        buf_commit(out, (size_t)size);
    }
    assert_true(exporter_is_whole(exporter));
    assert_int_equal(exporter_bytes(exporter), (int64_t)out->size);
}

static void unzip(const struct buf *zipped, struct buf *out)
{
    struct unpacker *unpacker = unpacker_new(NULL);
    struct view in = buf_view(zipped);
    size_t size = 1;
    while (in.size > 0 || size > 0) {
        char *room = buf_reserve(out, 65536);
        assert_non_null(room);
        assert_true(unpacker_read(unpacker, &in, room, 65536, &size, NULL));
        buf_commit(out, size);
    }
    assert_true(unpacker_at_end(unpacker));
    unpacker_free(unpacker);
}

static void assert_lines(const char *at, int64_t first, int64_t last)
{
    for (int64_t seq = first; seq <= last; seq++) {
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        struct record_reading reading;
        assert_true(record_read_reading((struct view){at, (size_t)(end - at)}, &reading, NULL));
        assert_int_equal(reading.seq, seq);
        assert_int_equal(reading.time_us, INT64_C(1771754400000000) + seq);
        assert_true(view_is(reading.channel, seq % 2 == 1 ? "plain" : "a \"quoted\\name"));
        assert_true(seq == 2 ? reading.value != reading.value : reading.value == (double)seq * 0.5);
        at = end + 1;
    }
    assert_int_equal(*at, '\0');
}

static void every_row_is_a_line(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(MANY_ROWS);
    static const size_t pieces[] = {1000000, 4096, 37, 1};
    for (size_t i = 0; i < 2 * COUNT_OF(pieces); i++) {
        SCOPE_BUF struct buf zipped = BUF_LIMIT(TEXT_LIMIT_BYTES);
        SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_LIMIT_BYTES);
        struct exporter *exporter = open_as(i % 2 == 0 ? PACK_GZIP : PACK_ZSTD, 0, 0);
        take_all(exporter, pieces[i / 2], &zipped);
        exporter_free(exporter);
        unzip(&zipped, &text);
        assert_lines(buf_text(&text), 1, MANY_ROWS);
    }
}

static void rows_that_come_meanwhile_are_for_the_next(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(100);
    struct exporter *exporter = open_export(40, 50);
    assert_true(db_exec(db, "INSERT INTO readings VALUES (101, 1, 1, 1)", NULL));
    SCOPE_BUF struct buf zipped = BUF_LIMIT(TEXT_LIMIT_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_LIMIT_BYTES);
    take_all(exporter, 4096, &zipped);
    exporter_free(exporter);
    unzip(&zipped, &text);
    assert_lines(buf_text(&text), 41, 90);
}

static void nothing_is_a_whole_export_too(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(10);
    SCOPE_BUF struct buf zipped = BUF_LIMIT(TEXT_LIMIT_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_LIMIT_BYTES);
    struct exporter *exporter = open_export(10, 0);
    take_all(exporter, 4096, &zipped);
    exporter_free(exporter);
    assert_true(zipped.size > 0);
    unzip(&zipped, &text);
    assert_int_equal(text.size, 0);
}

static void rows_that_vanish_break_it_off(void **state)
{
    (void)state;
    static const char *const removals[] = {"DELETE FROM readings WHERE seq = 70000",
                                           "DELETE FROM readings WHERE seq > 70000", "DELETE FROM readings"};
    for (size_t i = 0; i < COUNT_OF(removals); i++) {
        SCOPE_DB sqlite3 *db = make_store(HUGE_ROWS);
        struct exporter *exporter = open_export(0, 0);
        struct error err = {0};
        char piece[4096];
        ssize_t size = exporter_read(exporter, piece, sizeof(piece), &err);
        assert_true(size > 0);
        assert_true(db_exec(db, removals[i], NULL));
        while (size > 0)
            size = exporter_read(exporter, piece, sizeof(piece), &err);
        assert_int_equal(size, -1);
        assert_int_equal(err.code, ERR_CHANGED);
        assert_int_equal(exporter_read(exporter, piece, sizeof(piece), &err), -1); /* and stays so */
        assert_false(exporter_is_whole(exporter));
        exporter_free(exporter);
    }
}

static void left_in_the_middle(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(HUGE_ROWS);
    char piece[4096];
    for (int pieces = 0; pieces < 20; pieces++) {
        struct exporter *exporter = open_export(0, 0);
        for (int i = 0; i < pieces; i++)
            assert_true(exporter_read(exporter, piece, sizeof(piece), NULL) > 0);
        assert_false(exporter_is_whole(exporter));
        exporter_free(exporter);
    }
}

static void a_channel_that_is_not_there_breaks_it_off(void **state)
{
    (void)state;
    SCOPE_DB sqlite3 *db = make_store(10);
    assert_true(db_exec(db, "UPDATE readings SET channel_id = 3 WHERE seq = 7", NULL));
    struct exporter *exporter = open_export(0, 0);
    struct error err = {0};
    char piece[4096];
    assert_int_equal(exporter_read(exporter, piece, sizeof(piece), &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);
    exporter_free(exporter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_a_line),
        cmocka_unit_test(rows_that_come_meanwhile_are_for_the_next),
        cmocka_unit_test(nothing_is_a_whole_export_too),
        cmocka_unit_test(rows_that_vanish_break_it_off),
        cmocka_unit_test(left_in_the_middle),
        cmocka_unit_test(a_channel_that_is_not_there_breaks_it_off),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
