/* Alarms and channels that come with an archive. */
#include "tests/unit/server_tools/central/import_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(the_three_streams_arrive_once),      IN_BOTH(alarms_over_a_gap_leave_their_cursor),
        IN_BOTH(one_alarm_may_come_twice),           IN_BOTH(an_older_archive_brings_no_older_meaning),
        IN_BOTH(damage_to_any_file_reaches_nothing), IN_BOTH(alarms_are_not_given_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
