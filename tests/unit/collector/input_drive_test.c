#include "tests/unit/collector/fixture.h"

#include "collector/drive_model.h"

/* Every sample's text, so that two runs can be compared byte by byte. */
struct record {
    struct buf text;
    size_t count;
    int64_t last_time_us;
};

static bool put(void *context, const struct sample *sample)
{
    struct record *record = context;
    buf_printf(&record->text, "%.*s=%.17g %s\n", VIEW_ARG(sample->channel), sample->value, sample->unit);
    record->count++;
    record->last_time_us = sample->time_us;
    return true;
}

static void *make(const struct fixture *fixture, const char *options, struct error *err)
{
    static struct input_env env;
    env = (struct input_env){.log = &fixture->log, .system_root = ""};
    void *input = input_drive.make(view_of(options), &env, err);
    if (input != NULL)
        assert_true(input_drive.start(input, err));
    return input;
}

static struct record run(const struct fixture *fixture, const char *options, int ticks, int64_t tick_us)
{
    struct error err;
    struct record record = {.text = BUF_LIMIT(64 * 1024 * 1024)};
    const struct sample_sink sink = {put, &record};
    void *input = make(fixture, options, &err);
    for (int i = 0; i < ticks; i++) {
        const struct input_tick tick = {START_US + i * tick_us, i == 0 ? 0 : tick_us};
        assert_true(input_drive.sample(input, &tick, &sink, &err));
    }
    input_drive.free(input);
    return record;
}

static void one_vehicle_has_25_channels_once_a_second(void **state)
{
    struct record record = run(*state, "", 10, US_PER_S);
    assert_int_equal(record.count, 250);
    assert_non_null(strstr(buf_text(&record.text), "engine_rpm="));
    assert_non_null(strstr(buf_text(&record.text), "gps_lat="));
    buf_clear(&record.text);
}

static void the_same_seed_gives_the_same_drive_whatever_the_tick(void **state)
{
    struct record one = run(*state, "seed=7 rate=10", 5, US_PER_S);
    struct record same = run(*state, "seed=7 rate=10", 41, 100 * 1000);
    struct record other = run(*state, "seed=8 rate=10", 41, 100 * 1000);
    assert_int_equal(one.count, 41 * 25); /* the first tick, then 10 a second */
    assert_string_equal(buf_text(&one.text), buf_text(&same.text));
    assert_string_not_equal(buf_text(&same.text), buf_text(&other.text));
    buf_clear(&one.text);
    buf_clear(&same.text);
    buf_clear(&other.text);
}

static void load_is_made_by_rate_and_channels(void **state)
{
    struct record record = run(*state, "rate=20 channels=200", 3, US_PER_S);
    assert_int_equal(record.count, 200 + 2 * 20 * 200);
    assert_int_equal(record.last_time_us, START_US + 2 * US_PER_S);
    assert_non_null(strstr(buf_text(&record.text), "gps_heading_8="));
    buf_clear(&record.text);
}

static void a_suspend_is_not_caught_up_for_hours(void **state)
{
    struct record record = run(*state, "", 2, 86400 * (int64_t)US_PER_S);
    assert_int_equal(record.count, 25 + 2 * 25);
    buf_clear(&record.text);
}

static void bad_options_are_refused(void **state)
{
    struct error err;
    static const char *const bad[] = {" rate=0",  " rate=fast", " channels=",     " colour=red",
                                      " seed=-1", " rate",      " channels=20001"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(make(*state, bad[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
}

static void every_value_is_plausible_for_a_whole_day(void **state)
{
    (void)state;
    double before[DRIVE_CHANNELS];
    double values[DRIVE_CHANNELS];
    drive_values(3, 0, before);
    for (int second = 1; second < 86400; second++) {
        drive_values(3, second, values);
        for (int i = 0; i < DRIVE_CHANNELS; i++) {
            const struct drive_channel *channel = &drive_channels[i];
            assert_true(values[i] >= channel->phys_min && values[i] <= channel->phys_max);
            double steps = values[i] / channel->resolution;
            assert_true(fabs(steps - round(steps)) < 1e-3);
        }
        assert_true(values[16] + 0.01 >= before[16]); /* no odometer runs back */
        assert_true(fabs(values[16] - before[16]) < 0.05);
        assert_true(fabs(values[21] - before[21]) < 0.001); /* nor does a vehicle leap */
        memcpy(before, values, sizeof(before));
    }
}

static void every_channel_says_that_it_is_made_up(void **state)
{
    (void)state;
    for (int i = 0; i < DRIVE_CHANNELS; i++)
        assert_non_null(strstr(drive_channels[i].description, "made up"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_vehicle_has_25_channels_once_a_second),
        TEST(the_same_seed_gives_the_same_drive_whatever_the_tick),
        TEST(load_is_made_by_rate_and_channels),
        TEST(a_suspend_is_not_caught_up_for_hours),
        TEST(bad_options_are_refused),
        TEST(every_value_is_plausible_for_a_whole_day),
        TEST(every_channel_says_that_it_is_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
