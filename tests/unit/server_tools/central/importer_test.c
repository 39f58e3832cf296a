#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "common/pack/packer.h"
#include "common/store/db.h"
#include "common/wire/alarm_record.h"
#include "server_tools/central/importer.h"
#include "tests/unit/server_tools/central/stores.h"

enum { ARCHIVE_MAX_BYTES = 64 * 1024 * 1024, CHANNELS = 25 };

#define START_US INT64_C(1771754400000000)

struct world {
    struct store store; /* its folder holds the archive, too */
    struct path archive, json, alarms, channels;
    struct buf packed; /* the archive's bytes */
};

static int set_up(void **state, bool postgres)
{
    struct world *world = store_make(postgres, sizeof(*world));
    const struct test_folder *folder = &world->store.folder;
    world->packed.limit_bytes = ARCHIVE_MAX_BYTES;
    clock_fake_init(&world->store.clock, clock_utc_us(clock_system()), 0);
    world->archive = test_folder_path(folder, "20260222T100000Z.gz");
    world->json = test_folder_path(folder, "20260222T100000Z.json");
    world->alarms = test_folder_path(folder, "20260222T100000Z.alarms.gz");
    world->channels = test_folder_path(folder, "20260222T100000Z.channels.gz");
    *state = world;
    return 0;
}

static int set_up_sqlite(void **state)
{
    return set_up(state, false);
}

static int set_up_postgres(void **state)
{
    return set_up(state, true);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    buf_clear(&world->packed);
    store_remove(&world->store);
    return 0;
}

static void pack_as(enum pack_format format, struct view text, struct buf *out)
{
    struct packer *packer = packer_new(format, NULL);
    bool ended = false;
    while (!ended) {
        char *room = buf_reserve(out, 65536);
        assert_non_null(room);
        buf_commit(out, packer_write(packer, &text, true, room, 65536, &ended));
    }
    packer_free(packer);
}

static void pack(struct view text, struct buf *out)
{
    pack_as(PACK_GZIP, text, out);
}

/* What a machine's export holds: rows first..last, CHANNELS of them a second. */
static void write_lines(struct buf *out, int64_t first, int64_t last)
{
    struct record_writer writer;
    record_writer_init(&writer);
    for (int64_t seq = first; seq <= last; seq++) {
        char name[RECORD_CHANNEL_BYTES];
        int size = snprintf(name, sizeof(name), "channel_%d", (int)(seq % CHANNELS));
        char *room = buf_reserve(out, RECORD_LINE_MAX_BYTES);
        assert_non_null(room);
        buf_commit(out, record_write_reading(&writer, room, seq, START_US + seq / CHANNELS * US_PER_S,
                                             (struct view){name, (size_t)size}, (double)seq / 4));
    }
}

static void write_archive(struct world *world, struct view lines)
{
    buf_reset(&world->packed);
    pack(lines, &world->packed);
    assert_true(file_replace(world->archive.text, buf_view(&world->packed), 0640, NULL));
}

/* since: "" or `"since":"...",` or `"after":N,` */
static void write_json(struct world *world, int64_t first, int64_t last, int64_t count, const char *since)
{
    struct sha256 hash;
    char sum[SHA256_HEX_BYTES];
    sha256_start(&hash);
    sha256_add(&hash, world->packed.data, world->packed.size);
    sha256_finish_hex(&hash, sum);
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    buf_printf(
        &text,
        "{\"client_id\":\"tractor-7\",\"agent_id\":\"00\",\"store_id\":\"%s\",\"stream\":\"readings\",%s"
        "\"first_seq\":%lld,\"last_seq\":%lld,\"count\":%lld,\"bytes\":%zu,\"sha256\":\"%s\"}\n",
        STORE, since, (long long)first, (long long)last, (long long)count, world->packed.size, sum);
    assert_true(file_replace(world->json.text, buf_view(&text), 0640, NULL));
}

static void make_archive(struct world *world, int64_t first, int64_t last, const char *since)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    write_lines(&lines, first, last);
    write_archive(world, buf_view(&lines));
    write_json(world, first, last, last - first + 1, since);
}

static bool import(struct world *world, const char *client_id, struct import_result *result,
                   struct error *err)
{
    return import_archive(world->store.central, world->archive.text, client_id, NULL, NULL, result, err);
}

static void assert_imports(struct world *world, int64_t lines, int64_t added)
{
    struct import_result result = {0};
    struct error err = {0};
    if (!import(world, NULL, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.lines, lines);
    assert_int_equal(result.added, added);
    assert_int_equal(result.bytes, world->packed.size);
}

static void assert_refused(struct world *world, enum error_code code, const char *words)
{
    struct import_result result = {.lines = 77};
    struct error err = {0};
    assert_false(import(world, NULL, &result, &err));
    assert_int_equal(err.code, code);
    assert_int_equal(result.lines, 77);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static int64_t cursor_of(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE store_id = '" STORE "'");
}

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

/* ---- alarms and channels ---- */

static void write_small(const char *path, struct view lines, struct archive_file *file)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    unsigned char sum[SHA256_BYTES];
    const char *name = strrchr(path, '/') + 1;
    pack(lines, &packed);
    assert_true(file_replace(path, buf_view(&packed), 0640, NULL));
    sha256_of(buf_view(&packed), sum);
    text_hex_encode(file->sha256, sum, sizeof(sum));
    file->present = true;
    file->bytes = (int64_t)packed.size;
    memcpy(file->file, name, strlen(name) + 1);
}

/* One that raises each count, or, with the same ids, ends it. */
static void write_alarms(const struct world *world, int64_t first_seq, int64_t count, int64_t resolved_us,
                         struct archive_file *file)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    for (int64_t i = 0; i < count; i++) {
        struct alarm_record alarm = {.seq = first_seq + i,
                                     .alarm_id = START_US + i,
                                     .raised_us = START_US + i,
                                     .resolved_us = resolved_us,
                                     .severity = "warning",
                                     .message = "above 95"};
        snprintf(alarm.channel, sizeof(alarm.channel), "channel_%d", (int)(i % (CHANNELS + 1)));
        assert_true(alarm_record_write(&alarm, &lines));
    }
    file->first_seq = count > 0 ? first_seq : -1;
    file->last_seq = count > 0 ? first_seq + count - 1 : -1;
    file->count = count;
    write_small(world->alarms.text, buf_view(&lines), file);
}

static void write_channels(const struct world *world, const char *unit, struct archive_file *file)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    for (int i = 0; i < CHANNELS; i++) {
        struct channel_record channel = {.phys_min = 0, .phys_max = 100, .description = "made up"};
        snprintf(channel.channel, sizeof(channel.channel), "channel_%d", i);
        snprintf(channel.unit, sizeof(channel.unit), "%s", i == 3 ? unit : "bar");
        assert_true(channel_record_write(&channel, &lines));
    }
    file->count = CHANNELS;
    write_small(world->channels.text, buf_view(&lines), file);
}

/* Three files: readings first..last, alarms behind them. */
static void make_whole_archive(struct world *world, int64_t after, int64_t last, int64_t alarms_after,
                               int64_t alarms, const char *unit, int64_t created_us,
                               struct archive_info *info)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    unsigned char sum[SHA256_BYTES];
    *info = (struct archive_info){.present = true,
                                  .client_id = "tractor-7",
                                  .agent_id = "00",
                                  .store_id = STORE,
                                  .period_start_us = START_US,
                                  .period_end_us = START_US + US_PER_S,
                                  .created_us = created_us};
    struct archive_file *readings = &info->files[ARCHIVE_READINGS];
    write_lines(&lines, after + 1, last);
    write_archive(world, buf_view(&lines));
    sha256_of(buf_view(&world->packed), sum);
    *readings = (struct archive_file){.present = true,
                                      .after = after,
                                      .first_seq = after + 1,
                                      .last_seq = last,
                                      .count = last - after,
                                      .bytes = (int64_t)world->packed.size};
    text_hex_encode(readings->sha256, sum, sizeof(sum));
    info->files[ARCHIVE_ALARMS].after = alarms_after;
    write_alarms(world, last + 1, alarms, INT64_MIN, &info->files[ARCHIVE_ALARMS]);
    write_channels(world, unit, &info->files[ARCHIVE_CHANNELS]);
    archive_info_write(info, &text);
    assert_true(file_replace(world->json.text, buf_view(&text), 0640, NULL));
}

static struct import_result imported(struct world *world)
{
    struct import_result result = {0};
    struct error err = {0};
    if (!import(world, NULL, &result, &err))
        fail_msg("%s", err.text);
    return result;
}

static int64_t alarm_cursor(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE stream = 'alarms'");
}

static int64_t readings_cursor(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE stream = 'readings'");
}

static void the_three_streams_arrive_once(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    enum { ALARMS = 1234 };
    make_whole_archive(world, 0, 1000, 0, ALARMS, "bar", START_US, &info);
    struct import_result result = imported(world);
    assert_int_equal(result.added, 1000);
    assert_int_equal(result.alarms, ALARMS);
    assert_int_equal(result.alarms_added, ALARMS);
    assert_int_equal(result.channels_changed, 0);
    assert_int_equal(readings_cursor(world), 1000);
    assert_int_equal(alarm_cursor(world), 1000 + ALARMS);
    /* an alarm of a channel that nothing described makes it */
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM channel_config"), CHANNELS + 1);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM channel_config WHERE unit = 'bar'"), CHANNELS);
    result = imported(world);
    assert_int_equal(result.added, 0);
    assert_int_equal(result.alarms_added, 0);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM alarms_log WHERE {resolved} IS NULL"), ALARMS);
}

static void alarms_over_a_gap_leave_their_cursor(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    make_whole_archive(world, 0, 1000, 500, 3, "bar", START_US, &info);
    assert_int_equal(imported(world).alarms_added, 3);
    assert_int_equal(alarm_cursor(world), 0);
    assert_int_equal(readings_cursor(world), 1000);
}

static void one_alarm_may_come_twice(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    make_whole_archive(world, 0, 10, 0, 1, "bar", START_US, &info);
    for (int i = 0; i < 2; i++) {
        struct alarm_record alarm = {.seq = 11 + i,
                                     .alarm_id = 5,
                                     .channel = "channel_1",
                                     .severity = "warning",
                                     .raised_us = START_US,
                                     .resolved_us = i == 0 ? INT64_MIN : START_US + 7};
        assert_true(alarm_record_write(&alarm, &lines));
    }
    struct archive_file *alarms = &info.files[ARCHIVE_ALARMS];
    alarms->last_seq = 12;
    alarms->count = 2;
    write_small(world->alarms.text, buf_view(&lines), alarms);
    archive_info_write(&info, &text);
    assert_true(file_replace(world->json.text, buf_view(&text), 0640, NULL));
    assert_int_equal(imported(world).alarms_added, 1);
    assert_int_equal(ask(&world->store, "SELECT {resolved} FROM alarms_log"), START_US + 7);
}

static void an_older_archive_brings_no_older_meaning(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    make_whole_archive(world, 0, 100, 0, 0, "bar", START_US, &info);
    imported(world);
    make_whole_archive(world, 100, 200, 0, 0, "kPa", START_US + US_PER_S, &info);
    assert_int_equal(imported(world).channels_changed, 1);
    make_whole_archive(world, 0, 100, 0, 0, "bar", START_US, &info);
    assert_int_equal(imported(world).channels_changed, 0);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM channel_config WHERE unit = 'kPa'"), 1);
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM channel_changes"), 1);
}

static void damage_to_any_file_reaches_nothing(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    make_whole_archive(world, 0, 100, 0, 5, "bar", START_US, &info);
    const char *const files[] = {world->alarms.text, world->channels.text};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        SCOPE_BUF struct buf whole = BUF_LIMIT(ARCHIVE_MAX_BYTES);
        assert_true(file_read_path(files[i], &whole, NULL));
        whole.data[whole.size / 2] ^= 1;
        assert_true(file_replace(files[i], buf_view(&whole), 0640, NULL));
        assert_refused(world, ERR_INPUT, "SHA-256");
        whole.data[whole.size / 2] ^= 1;
        assert_int_equal(remove(files[i]), 0);
        assert_refused(world, ERR_NOT_FOUND, files[i]);
        assert_true(file_replace(files[i], buf_view(&whole), 0640, NULL));
    }
    assert_int_equal(ask(&world->store, "SELECT count(*) FROM vehicles"), 0);
    imported(world);
}

static void alarms_are_not_given_alone(void **state)
{
    struct world *world = *state;
    struct archive_info info;
    struct import_result result;
    struct error err = {0};
    make_whole_archive(world, 0, 100, 0, 5, "bar", START_US, &info);
    assert_false(import_archive(world->store.central, world->alarms.text, "x", NULL, NULL, &result, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "give the archive itself"));
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
        IN_BOTH(the_three_streams_arrive_once),
        IN_BOTH(alarms_over_a_gap_leave_their_cursor),
        IN_BOTH(one_alarm_may_come_twice),
        IN_BOTH(an_older_archive_brings_no_older_meaning),
        IN_BOTH(damage_to_any_file_reaches_nothing),
        IN_BOTH(alarms_are_not_given_alone),
        IN_BOTH(a_table_is_counted_by_time),
        IN_BOTH(an_archive_of_zstd),
        IN_BOTH(a_json_that_is_wrong_is_refused),
        IN_BOTH(what_is_no_archive_is_refused),
        IN_BOTH(a_store_that_refuses_ends_it),
        IN_BOTH(progress_ends_with_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
