#include "collector/rollup.h"

#include "fixture.h"

enum { POINTS = 100 };

#define SECOND (INT64_C(1) * US_PER_S)
#define HOUR   (INT64_C(3600) * US_PER_S)

/* A store with a channel `wave` and another one besides, `step_us` apart. */
struct stage {
    struct channel_table *channels;
    struct store_writer *writer;
    struct store_reader *reader;
    int64_t wave;
};

static void open_stage(struct stage *stage, const struct fixture *fixture)
{
    const struct store_writer_spec spec = fixture_spec(fixture);
    struct error err;
    stage->channels = channel_table_new(&err);
    stage->writer = store_writer_open(&spec, &err);
    assert_non_null(stage->writer);
    stage->reader = store_reader_open(fixture->folder, &err);
    assert_non_null(stage->reader);
}

static void close_stage(struct stage *stage)
{
    store_reader_close(stage->reader);
    store_writer_close(stage->writer);
    channel_table_free(stage->channels);
}

static double wave_at(int i)
{
    return i % 50 - 25 + (i == 7777 ? 1000 : 0); /* one spike */
}

static void fill(struct stage *stage, int count, int64_t step_us)
{
    struct error err;
    struct reading *readings = calloc((size_t)count * 2, sizeof(*readings));
    assert_non_null(readings);
    for (int i = 0; i < count; i++) {
        readings[2 * i] = reading_of(stage->channels, "wave", wave_at(i), START_US + i * step_us);
        readings[2 * i + 1] = reading_of(stage->channels, "other", 1e6, START_US + i * step_us);
    }
    assert_true(store_writer_write(stage->writer, stage->channels, readings, (size_t)count * 2, &err));
    stage->wave = channel_table_at(stage->channels, readings[0].channel)->known.channel_id;
    free(readings);
}

static void roll_up(struct stage *stage)
{
    struct error err;
    bool behind = true;
    while (behind)
        assert_true(rollup_step(stage->writer, &behind, &err));
}

static struct history ask(struct stage *stage, int64_t from_us, int64_t to_us,
                          struct history_point points[POINTS])
{
    struct history history;
    struct error err;
    if (!store_history(stage->reader, stage->wave, from_us, to_us, points, POINTS, &history, &err))
        fail_msg("%s", err.text);
    return history;
}

static void gives_single_readings_of_a_short_range(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    open_stage(&stage, *state);
    fill(&stage, 1000, SECOND);
    struct history history = ask(&stage, START_US + 10 * SECOND, START_US + 110 * SECOND, points);
    assert_int_equal(history.step_us, 0);
    assert_int_equal(history.count, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(points[i].time_us, START_US + (10 + i) * SECOND);
        assert_true(points[i].min == wave_at(10 + i) && points[i].max == wave_at(10 + i));
    }
    close_stage(&stage);
}

static void greatest_of(const struct history *history, const struct history_point *points, double *min,
                        double *max)
{
    *min = INFINITY;
    *max = -INFINITY;
    for (size_t i = 0; i < history->count; i++) {
        *min = fmin(*min, points[i].min);
        *max = fmax(*max, points[i].max);
        assert_true(i == 0 || points[i].time_us > points[i - 1].time_us);
    }
}

/* The spike is one reading of 20,000, and is seen whether it is folded or not. */
static void loses_no_spike(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    double min;
    double max;
    open_stage(&stage, *state);
    fill(&stage, 20000, SECOND);
    for (int folded = 0; folded < 2; folded++) {
        struct history history = ask(&stage, START_US, START_US + 20000 * SECOND, points);
        greatest_of(&history, points, &min, &max);
        assert_true(history.step_us >= ROLLUP_US && history.step_us % ROLLUP_US == 0);
        assert_true(history.count > POINTS / 2 && history.count <= POINTS);
        assert_true(min == -25 && max == wave_at(7777));
        history = ask(&stage, START_US + 7000 * SECOND, START_US + 8000 * SECOND, points);
        greatest_of(&history, points, &min, &max);
        assert_true(history.step_us > 0 && history.step_us < ROLLUP_US);
        assert_true(min == -25 && max == wave_at(7777));
        roll_up(&stage);
    }
    close_stage(&stage);
}

/* What the collector has not folded yet is there as well. */
static void joins_roll_ups_and_newer_readings(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    double min;
    double max;
    struct error err;
    open_stage(&stage, *state);
    fill(&stage, 20000, SECOND);
    roll_up(&stage);
    const struct reading late = reading_of(stage.channels, "wave", -5000, START_US + 19990 * SECOND + 5);
    assert_true(store_writer_write(stage.writer, stage.channels, &late, 1, &err));
    struct history history = ask(&stage, START_US, START_US + 20000 * SECOND, points);
    greatest_of(&history, points, &min, &max);
    assert_true(min == -5000 && max == wave_at(7777));
    assert_true(points[history.count - 1].min == -5000);
    close_stage(&stage);
}

static void leaves_out_what_is_outside(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    double min;
    double max;
    open_stage(&stage, *state);
    fill(&stage, 20000, SECOND);
    roll_up(&stage);
    int64_t from_us = rollup_start_us(START_US + 7800 * SECOND);
    struct history history = ask(&stage, from_us, from_us + 10000 * SECOND, points);
    greatest_of(&history, points, &min, &max);
    assert_true(max == 24);
    assert_true(points[0].time_us == from_us);
    history = ask(&stage, START_US - 10 * HOUR, START_US - HOUR, points);
    assert_int_equal(history.count, 0);
    close_stage(&stage);
}

/* Two stretches far apart: nothing is made up between them. */
static void leaves_gaps(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    open_stage(&stage, *state);
    fill(&stage, 2, 20 * HOUR);
    roll_up(&stage);
    struct history history = ask(&stage, START_US - HOUR, START_US + 21 * HOUR, points);
    assert_int_equal(history.count, 2);
    assert_true(points[1].time_us - points[0].time_us > 19 * HOUR);
    close_stage(&stage);
}

/* A store of an older version, before its collector has migrated it. */
static void needs_no_roll_ups(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    struct error err;
    open_stage(&stage, *state);
    fill(&stage, 20000, SECOND);
    assert_true(db_exec(store_writer_db(stage.writer), "DROP TABLE rollups", &err));
    struct history history = ask(&stage, START_US, START_US + 20000 * SECOND, points);
    double min;
    double max;
    greatest_of(&history, points, &min, &max);
    assert_true(min == -25 && max == wave_at(7777));
    close_stage(&stage);
}

static void keeps_nulls(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    struct error err;
    open_stage(&stage, *state);
    fill(&stage, 1, SECOND);
    const struct reading null = reading_of(stage.channels, "wave", NAN, START_US + SECOND);
    assert_true(store_writer_write(stage.writer, stage.channels, &null, 1, &err));
    struct history history = ask(&stage, START_US, START_US + 60 * SECOND, points);
    assert_int_equal(history.count, 2);
    assert_true(isnan(points[1].min) && isnan(points[1].max));
    roll_up(&stage);
    history = ask(&stage, START_US, START_US + 100 * HOUR, points);
    assert_int_equal(history.count, 1);
    assert_true(points[0].min == -25 && points[0].max == -25);
    close_stage(&stage);
}

/* The reader's other queries go on as before. */
static void leaves_the_reader_as_it_was(void **state)
{
    struct stage stage;
    struct history_point points[POINTS];
    struct store_range range;
    struct store_row rows[10];
    size_t count = 0;
    struct error err;
    open_stage(&stage, *state);
    fill(&stage, 5, SECOND);
    ask(&stage, START_US, START_US + HOUR, points);
    assert_true(store_range_after(stage.reader, 0, 0, &range, &err));
    assert_true(store_range_read(stage.reader, &range, 0, rows, 10, &count, &err));
    assert_int_equal(count, 10);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_single_readings_of_a_short_range),
        TEST(loses_no_spike),
        TEST(joins_roll_ups_and_newer_readings),
        TEST(leaves_out_what_is_outside),
        TEST(leaves_gaps),
        TEST(needs_no_roll_ups),
        TEST(keeps_nulls),
        TEST(leaves_the_reader_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
