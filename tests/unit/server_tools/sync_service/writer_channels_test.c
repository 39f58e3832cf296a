/* Which channel of the central store a machine's reading belongs to. Against PostgreSQL. */
#include "tests/unit/server_tools/sync_service/writer_world.h"

static int setup(void **state)
{
    struct world *world = world_make(3);
    world->writer = world_writer(world, world->database.url, 2);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static void name_channel(struct job_channel *channel, int32_t remote_id, const char *name, const char *unit)
{
    *channel = (struct job_channel){.remote_id = remote_id, .min_value = 0, .max_value = 100};
    snprintf(channel->name, sizeof(channel->name), "%s", name);
    snprintf(channel->unit, sizeof(channel->unit), "%s", unit);
}

/* A job that says what channels 7 and 8 are (NULL: no such channel), at a second before or after now. */
static struct write_job *describing(struct world *world, const char *seven, const char *eight, int64_t at_s)
{
    struct write_job *job = world_job(world, 1);
    job->channels = calloc(2, sizeof(*job->channels));
    assert_non_null(job->channels);
    if (seven != NULL)
        name_channel(&job->channels[job->channel_count++], 7, seven, "rpm");
    if (eight != NULL)
        name_channel(&job->channels[job->channel_count++], 8, eight, "bar");
    job->described_us = WORLD_NOW_US + at_s * SECOND_US;
    return job;
}

static struct write_job *reading(struct world *world, int64_t at_s)
{
    struct write_job *job = world_job(world, 1);
    world_rows(job, 2, at_s, 1);
    job->expect_new = true;
    return job;
}

/* "name=number:readings" of each channel, by channel_id. */
static const char *channels(struct world *world)
{
    return world_text(
        world, "SELECT string_agg(name || '=' || coalesce(remote_id::text, '') || ':' || (SELECT count(*)"
               " FROM measurements AS m WHERE m.vehicle_id = c.vehicle_id AND m.channel_id = c.channel_id),"
               " ' ' ORDER BY channel_id) FROM channel_config AS c WHERE vehicle_id = 1");
}

static void an_unknown_number_is_named_when_its_name_comes(void **state)
{
    struct world *world = *state;
    world_write(world, reading(world, -3));
    assert_string_equal(channels(world), "channel_7=7:1 channel_8=8:1");
    world_write(world, describing(world, "engine_rpm", NULL, -2));
    assert_string_equal(channels(world), "engine_rpm=7:1 channel_8=8:1");
    assert_string_equal(world_text(world, "SELECT concat_ws(' ', unit, min_value, max_value, synced_at)"
                                          " FROM channel_config WHERE name = 'engine_rpm'"),
                        "rpm 0 100 2026-02-22 09:59:58+00");
    world_write(world, reading(world, -1));
    assert_string_equal(channels(world), "engine_rpm=7:2 channel_8=8:2");
}

static void a_name_that_is_there_takes_the_number(void **state)
{
    struct world *world = *state;
    world_sql(world, "INSERT INTO channel_config (vehicle_id, channel_id, name) VALUES (1, 1, 'engine_rpm')");
    world_write(world, reading(world, -3));
    world_write(world, describing(world, "engine_rpm", "oil", -2));
    assert_string_equal(channels(world), "engine_rpm=7:0 channel_7=:1 oil=8:1");
    world_write(world, reading(world, -1));
    assert_string_equal(channels(world), "engine_rpm=7:1 channel_7=:1 oil=8:2");
}

static void a_number_that_means_another_name_is_another_channel(void **state)
{
    struct world *world = *state;
    world_write(world, describing(world, "engine_rpm", "oil", -10));
    world_write(world, reading(world, -9));
    world_write(world, describing(world, "oil", "engine_rpm", -8)); /* changed places */
    world_write(world, reading(world, -7));
    assert_string_equal(channels(world), "engine_rpm=8:2 oil=7:2");
    world_write(world, describing(world, "coolant", "engine_rpm", -6));
    world_write(world, reading(world, -5));
    assert_string_equal(channels(world), "engine_rpm=8:3 oil=:2 coolant=7:1");
}

static void a_channel_that_is_called_like_a_placeholder_is_none(void **state)
{
    struct world *world = *state;
    world_write(world, describing(world, NULL, "channel_7", -10));
    world_write(world, reading(world, -9));
    assert_string_equal(channels(world), "channel_7=8:1 channel_7_by_number=7:1");
    world_write(world, describing(world, "engine_rpm", "channel_7", -8));
    assert_string_equal(channels(world), "channel_7=8:1 engine_rpm=7:1");
}

static void what_changed_is_kept_and_what_did_not_costs_nothing(void **state)
{
    struct world *world = *state;
    world_write(world, describing(world, "engine_rpm", "oil", -10));
    const int64_t first = world_ask(world, "SELECT max(xmin::text::bigint) FROM channel_config");
    world_write(world, describing(world, "engine_rpm", "oil", -5));
    assert_int_equal(world_ask(world, "SELECT max(xmin::text::bigint) FROM channel_config"), first);
    struct write_job *job = describing(world, "engine_rpm", "oil", -4);
    snprintf(job->channels[1].unit, sizeof(job->channels[1].unit), "psi");
    world_write(world, job);
    assert_string_equal(
        world_text(world, "SELECT string_agg(concat_ws(' ', change_id, name, old.unit), ' ')"
                          " FROM channel_changes AS old JOIN channel_config USING (vehicle_id, channel_id)"),
        "1 oil bar");
    world_write(world,
                describing(world, "engine_rpm", "oil", 3700)); /* an hour later all is said once more */
    assert_int_equal(world_ask(world, "SELECT count(*) FROM channel_config"
                                      " WHERE synced_at = '2026-02-22T11:01:40Z'"),
                     2);
}

static char numbers_said[64]; /* "vehicle:number number;" of the jobs that have asked */

static void note_numbers(void *context, struct write_job *job, const struct error *err)
{
    size_t at = strlen(numbers_said);
    at += (size_t)snprintf(numbers_said + at, sizeof(numbers_said) - at, "%d:", (int)job->vehicle_id);
    for (size_t i = 0; i < job->number_count; i++)
        at += (size_t)snprintf(numbers_said + at, sizeof(numbers_said) - at, "%d ", (int)job->numbers[i]);
    snprintf(numbers_said + at, sizeof(numbers_said) - at, ";");
    world_job_done(context, job, err);
}

static struct write_job *asking(struct world *world, int64_t vehicle_id)
{
    struct write_job *job = world_job(world, vehicle_id);
    job->asks_numbers = true;
    job->done = note_numbers;
    return job;
}

static void whoever_asks_is_told_which_numbers_are_known(void **state)
{
    struct world *world = *state;
    world_write(world, describing(world, "engine_rpm", "oil", -2));
    world_sql(world, "INSERT INTO channel_config (vehicle_id, channel_id, remote_id, name) VALUES"
                     " (1, 9, 900, 'retired'), (1, 10, NULL, 'signed'), (3, 1, 5, 'brake')");
    numbers_said[0] = '\0';
    world_write(world, asking(world, 1));
    assert_string_equal(numbers_said, "1:900 8 7 ;"); /* those that were made last first */
    numbers_said[0] = '\0';
    writer_put(world->writer, world_job(world, 1)); /* it does not ask */
    writer_put(world->writer, asking(world, 2));
    writer_put(world->writer, asking(world, 3));
    world_run(world, 3);
    assert_int_equal(world->failed, 0);
    assert_non_null(strstr(numbers_said, "2:;"));
    assert_non_null(strstr(numbers_said, "3:5 ;"));
    assert_int_equal(strlen(numbers_said), strlen("2:;3:5 ;"));
    assert_string_equal(channels(world),
                        "engine_rpm=7:0 oil=8:0 retired=900:0 signed=:0"); /* none was made */
}

static void signed_readings_come_by_name(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct write_job *job = world_job(world, 2);
    int32_t index = -1;
    world_sql(world, "INSERT INTO channel_config (vehicle_id, channel_id, name) VALUES (2, 5, 'oil')");
    job->rows = calloc(2, sizeof(*job->rows));
    assert_non_null(job->rows);
    job->row_count = 2;
    assert_true(channel_book_by_name(job->book, VIEW_LITERAL("oil"), &index, &err));
    job->rows[0] = (struct central_row){WORLD_NOW_US, index, 1};
    assert_true(channel_book_by_name(job->book, VIEW_LITERAL("r\xc3\xa4\"der"), &index, &err));
    job->rows[1] = (struct central_row){WORLD_NOW_US, index, 2};
    job->progress.store_id = "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11";
    job->progress.cursor_seq = 12;
    job->progress.alarms_seq = 3;
    job->progress.live_after_seq = 20;
    job->progress.live_seq = 30;
    job->progress.synced = true;
    world_write(world, job);
    assert_string_equal(world_text(world,
                                   "SELECT string_agg(channel_id || name || value, ' ' ORDER BY channel_id)"
                                   " FROM channel_config JOIN measurements USING (vehicle_id, channel_id)"),
                        "5oil1 6r\xc3\xa4\"der2");
    assert_string_equal(world_text(world,
                                   "SELECT string_agg(stream || seq, ' ' ORDER BY stream) FROM sync_cursor"
                                   " WHERE vehicle_id = 2"),
                        "alarms3 readings12");
    assert_string_equal(
        world_text(world, "SELECT concat_ws(' ', live_after_seq, live_seq, last_sync_at)"
                          " FROM vehicle_sync JOIN vehicles USING (vehicle_id) WHERE vehicle_id = 2"),
        "20 30 2026-02-22 10:00:00+00");
    job = world_job(world, 2); /* nothing goes back, and the live range can end */
    job->progress.store_id = "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11";
    job->progress.cursor_seq = 11;
    world_write(world, job);
    assert_int_equal(world_ask(world, "SELECT seq FROM sync_cursor WHERE stream = 'readings'"), 12);
    assert_string_equal(world_text(world, "SELECT live_seq FROM vehicle_sync WHERE vehicle_id = 2"),
                        "(none)");
}

static void alarms_are_of_the_channel_that_they_name(void **state)
{
    struct world *world = *state;
    struct write_job *job = describing(world, "engine_rpm", NULL, -10);
    job->alarms = calloc(3, sizeof(*job->alarms));
    assert_non_null(job->alarms);
    job->alarm_count = 3;
    for (int i = 0; i < 3; i++) {
        job->alarms[i] = (struct job_alarm){.alarm_id = 100 + i,
                                            .remote_id = i == 2 ? -1 : 7 + i,
                                            .severity = "warning",
                                            .message = "made up",
                                            .raised_us = WORLD_NOW_US,
                                            .resolved_us = i == 0 ? WORLD_NOW_US + SECOND_US : INT64_MIN};
    }
    world_write(world, job);
    assert_int_equal(world->alarms_added, 3);
    assert_string_equal(world_text(world,
                                   "SELECT string_agg(concat_ws(' ', alarm_id, name, resolved_at), ', '"
                                   " ORDER BY alarm_id) FROM alarms_log"
                                   " LEFT JOIN channel_config USING (vehicle_id, channel_id)"),
                        "100 engine_rpm 2026-02-22 10:00:01+00, 101 channel_8, 102");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unknown_number_is_named_when_its_name_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_there_takes_the_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_that_means_another_name_is_another_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(a_channel_that_is_called_like_a_placeholder_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changed_is_kept_and_what_did_not_costs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_asks_is_told_which_numbers_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(signed_readings_come_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(alarms_are_of_the_channel_that_they_name, setup, teardown),
    };
    return cmocka_run_group_tests_name("writer_channels", tests, NULL, NULL);
}
