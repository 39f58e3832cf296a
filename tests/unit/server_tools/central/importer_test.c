#include "tests/unit/server_tools/central/import_world.h"

static void every_row_arrives_once(void **state)
{
    struct world *world = *state;
    enum { ROWS = 2 * CENTRAL_BATCH_ROWS + 345 };
    make_archive(world, 1, ROWS, "");
    assert_imports(world, ROWS, ROWS);
    assert_int_equal(cursor_of(world), ROWS);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM measurements"), ROWS);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM channel_config"), CHANNELS);
    assert_int_equal(ask(&world->store, "SELECT CAST(sum(value * 4) AS bigint) FROM measurements"),
                     (int64_t)ROWS * (ROWS + 1) / 2);
    assert_int_equal(
        ask(&world->store,
            "SELECT CAST(value * 4 AS bigint) FROM measurements JOIN channel_config USING (vehicle_id,"
            " channel_id) WHERE name = 'channel_7' AND {time} = 1771754401000000"),
        32);
    assert_imports(world, ROWS, 0);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM measurements"), ROWS);
}

static void an_overlap_adds_what_is_new(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 1000, "");
    assert_imports(world, 1000, 1000);
    make_archive(world, 501, 1500, "");
    assert_imports(world, 1000, 500);
    assert_int_equal(cursor_of(world), 1500);
    make_archive(world, 1, 1000, "");
    assert_imports(world, 1000, 0);
    assert_int_equal(cursor_of(world), 1500);
}

static void a_gap_is_fine(void **state)
{
    struct world *world = *state;
    make_archive(world, 5001, 6000, "");
    assert_imports(world, 1000, 1000);
    assert_int_equal(cursor_of(world), 6000);
}

static void by_time_the_cursor_moves_only_without_a_gap(void **state)
{
    struct world *world = *state;
    static const char since[] = "\"since\":\"2026-02-22T00:00:00Z\",";
    make_archive(world, 501, 1000, since);
    assert_imports(world, 500, 500);
    assert_int_equal(cursor_of(world), 0);
    make_archive(world, 1, 600, "");
    assert_imports(world, 600, 500);
    make_archive(world, 501, 1000, since);
    assert_imports(world, 500, 0);
    assert_int_equal(cursor_of(world), 1000);
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    write_lines(&lines, 1001, 1010); /* 1011 is not there: its time was before `since` */
    write_lines(&lines, 1012, 1020);
    write_archive(world, buf_view(&lines));
    write_json(world, 1001, 1020, 19, since);
    assert_imports(world, 19, 19);
    assert_int_equal(cursor_of(world), 1000);
}

static void by_seq_the_cursor_moves_only_without_a_gap(void **state)
{
    struct world *world = *state;
    make_archive(world, 501, 1000, "\"after\":500,");
    assert_imports(world, 500, 500);
    assert_int_equal(cursor_of(world), 0);
    make_archive(world, 1, 500, "\"after\":0,");
    assert_imports(world, 500, 500);
    assert_int_equal(cursor_of(world), 500);
    make_archive(world, 510, 1000, "\"after\":500,"); /* seqs between are somebody else's */
    assert_imports(world, 491, 0);
    assert_int_equal(cursor_of(world), 1000);
}

static void without_a_json_no_cursor_moves(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 100, "");
    assert_int_equal(remove(world->json.text), 0);
    assert_refused(world, ERR_USAGE, "--client-id");
    struct import_result result;
    assert_true(import(world, "press-1", &result, NULL));
    assert_int_equal(result.added, 100);
    assert_int_equal(result.last_seq, 100);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM sync_cursor"), 0);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM vehicles WHERE client_id = 'press-1'"), 1);
    assert_false(import(world, "../press", &result, NULL));
}

static void an_empty_archive_is_fine(void **state)
{
    struct world *world = *state;
    write_archive(world, VIEW_LITERAL(""));
    write_json(world, 0, 0, 0, "");
    assert_imports(world, 0, 0);
    assert_int_equal(cursor_of(world), 0);
}

static void a_damaged_file_reaches_nothing(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 2 * CENTRAL_BATCH_ROWS, "");
    world->packed.data[world->packed.size / 2] ^= 1;
    assert_true(file_replace(world->archive.text, buf_view(&world->packed), 0640, NULL));
    assert_refused(world, ERR_INPUT, "SHA-256");
    world->packed.size -= 10;
    assert_true(file_replace(world->archive.text, buf_view(&world->packed), 0640, NULL));
    assert_refused(world, ERR_INPUT, "bytes long");
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM measurements"), 0);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM vehicles"), 0);
    assert_int_equal(cursor_of(world), 0);
}

static void a_bad_line_stops_at_the_last_whole_batch(void **state)
{
    struct world *world = *state;
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    write_lines(&lines, 1, CENTRAL_BATCH_ROWS + 10);
    buf_append_text(&lines, "{\"seq\":nonsense}\n");
    write_archive(world, buf_view(&lines));
    write_json(world, 1, CENTRAL_BATCH_ROWS + 10, CENTRAL_BATCH_ROWS + 11, "");
    assert_refused(world, ERR_INPUT, "line 100011: ");
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM measurements"), CENTRAL_BATCH_ROWS);
    assert_int_equal(cursor_of(world), CENTRAL_BATCH_ROWS);
}

static void a_wrong_count_is_noticed_before_the_end(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 100, "");
    write_json(world, 1, 101, 101, "");
    assert_refused(world, ERR_INPUT, "100 lines");
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM measurements"), 0);
}

/* ---- readings of a table: no seq, a cursor of microseconds ---- */

static void write_table_archive(struct world *world, int64_t after_us, int64_t first, int64_t last)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    unsigned char sum[SHA256_BYTES];
    for (int64_t i = first; i <= last; i++) {
        char time[RFC3339_US_BYTES];
        rfc3339_format_us(time, START_US + i * US_PER_S);
        buf_printf(&lines, "{\"time\":\"%s\",\"channel\":\"t\",\"value\":1}\n", time);
    }
    write_archive(world, buf_view(&lines));
    struct archive_info info = {.present = true,
                                .client_id = "tractor-7",
                                .store_id = STORE,
                                .period_start_us = START_US + first * US_PER_S,
                                .period_end_us = START_US + last * US_PER_S,
                                .created_us = START_US + 1000 * US_PER_S};
    struct archive_file *readings = &info.files[ARCHIVE_READINGS];
    *readings = (struct archive_file){.present = true,
                                      .after = after_us,
                                      .first_seq = -1,
                                      .last_seq = -1,
                                      .count = last - first + 1,
                                      .bytes = (int64_t)world->packed.size};
    sha256_of(buf_view(&world->packed), sum);
    text_hex_encode(readings->sha256, sum, sizeof(sum));
    archive_info_write(&info, &text);
    assert_true(file_replace(world->json.text, buf_view(&text), 0640, NULL));
}

static void a_table_is_counted_by_time(void **state)
{
    struct world *world = *state;
    write_table_archive(world, START_US + 50 * US_PER_S, 51, 60); /* over a gap */
    assert_int_equal(imported(world).added, 10);
    assert_int_equal(readings_cursor(world), 0);
    write_table_archive(world, 0, 1, 55);
    assert_int_equal(imported(world).added, 50);
    assert_int_equal(readings_cursor(world), START_US + 55 * US_PER_S);
    write_table_archive(world, START_US + 55 * US_PER_S, 40, 2000); /* the last are of a time to come */
    assert_int_equal(imported(world).added, 1940);
    assert_int_equal(readings_cursor(world), START_US + 1000 * US_PER_S);
}

static void an_archive_of_zstd(void **state)
{
    struct world *world = *state;
    struct import_result result;
    struct path path;
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    SCOPE_BUF struct buf packed = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    write_lines(&lines, 1, 5000);
    pack_as(PACK_ZSTD, buf_view(&lines), &packed);
    assert_true(path_join(&path, world->store.folder.path, "other-tool.zst", NULL));
    assert_true(file_replace(path.text, buf_view(&packed), 0640, NULL));
    assert_true(import_archive(world->store.central, path.text, "x", NULL, NULL, &result, NULL));
    assert_int_equal(result.added, 5000);
    assert_int_equal(remove(path.text), 0);
}

static void put_json(struct world *world, const char *text)
{
    assert_true(file_replace(world->json.text, view_of(text), 0640, NULL));
}

static void a_json_that_is_wrong_is_refused(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 100, "");
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"stream\":\"alarms\"}",
        "{\"stream\":\"readings\",\"client_id\":\"../x\",\"store_id\":\"s\",\"sha256\":\"00\"}",
        "{\"stream\":\"readings\",\"client_id\":\"x\",\"store_id\":\"s\",\"sha256\":\"00\"}",
        "{\"stream\":\"readings\",\"client_id\":\"x\",\"client_id\":\"y\"}",
        "nonsense",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        put_json(world, texts[i]);
        assert_refused(world, ERR_INPUT, ".json");
    }
}

static void what_is_no_archive_is_refused(void **state)
{
    struct world *world = *state;
    struct import_result result;
    struct error err = {0};
    assert_false(import(world, "x", &result, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(file_replace(world->archive.text, VIEW_LITERAL("no gzip"), 0640, NULL));
    assert_false(import(world, "x", &result, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(file_replace(world->archive.text, VIEW_LITERAL(""), 0640, NULL));
    assert_false(import(world, "x", &result, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(
        import_archive(world->store.central, world->store.folder.path, "x", NULL, NULL, &result, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static void a_store_that_refuses_ends_it(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 6 * CENTRAL_BATCH_ROWS, "");
    store_run(&world->store, "DROP TABLE measurements");
    assert_refused(world, ERR_IO, "measurements");
    assert_int_equal(cursor_of(world), 0);
}

struct told {
    int calls;
    int64_t lines, bytes_done, bytes_total;
};

static void tell(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total)
{
    struct told *told = context;
    told->calls++;
    assert_true(lines >= told->lines && bytes_done >= told->bytes_done);
    *told = (struct told){told->calls, lines, bytes_done, bytes_total};
}

static void progress_ends_with_all(void **state)
{
    struct world *world = *state;
    make_archive(world, 1, 200000, "");
    struct told told = {0};
    struct import_result result;
    assert_true(import_archive(world->store.central, world->archive.text, NULL, tell, &told, &result, NULL));
    assert_true(told.calls > 0);
    assert_int_equal(told.lines, 200000);
    assert_int_equal(told.bytes_done, world->packed.size);
    assert_int_equal(told.bytes_total, world->packed.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(every_row_arrives_once),
        IN_BOTH(an_overlap_adds_what_is_new),
        IN_BOTH(a_gap_is_fine),
        IN_BOTH(by_time_the_cursor_moves_only_without_a_gap),
        IN_BOTH(by_seq_the_cursor_moves_only_without_a_gap),
        IN_BOTH(without_a_json_no_cursor_moves),
        IN_BOTH(an_empty_archive_is_fine),
        IN_BOTH(a_damaged_file_reaches_nothing),
        IN_BOTH(a_bad_line_stops_at_the_last_whole_batch),
        IN_BOTH(a_wrong_count_is_noticed_before_the_end),
        IN_BOTH(a_table_is_counted_by_time),
        IN_BOTH(an_archive_of_zstd),
        IN_BOTH(a_json_that_is_wrong_is_refused),
        IN_BOTH(what_is_no_archive_is_refused),
        IN_BOTH(a_store_that_refuses_ends_it),
        IN_BOTH(progress_ends_with_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
