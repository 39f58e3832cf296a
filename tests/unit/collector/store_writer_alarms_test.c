#include "tests/unit/collector/fixture.h"

#include <time.h>

static const char *const limits[] = {"hot unit=K alarm_high=100 severity=critical", "cold alarm_low=0", NULL};

/* A writer with a judge, as the recorder has it. */
struct stage {
    struct channel_table *channels;
    struct alarm_judge *judge;
    struct store_writer *writer;
};

static struct stage stage_of(const struct fixture *fixture)
{
    struct error err;
    size_t ended;
    struct stage stage = {.channels = channels_of(limits)};
    stage.judge = alarm_judge_new(stage.channels, &err);
    assert_non_null(stage.judge);
    struct store_writer_spec spec = fixture_spec(fixture);
    spec.alarms = stage.judge;
    stage.writer = store_writer_open(&spec, &err);
    assert_non_null(stage.writer);
    assert_true(store_writer_load_channels(stage.writer, stage.channels, &err));
    assert_true(store_writer_load_alarms(stage.writer, stage.channels, &ended, &err));
    assert_int_equal(ended, 0);
    return stage;
}

/* As after kill -9: no checkpoint. */
static void stage_clear(struct stage *stage)
{
    store_writer_abandon(stage->writer);
    alarm_judge_free(stage->judge);
    channel_table_free(stage->channels);
}

static void ignore(void *context, const struct alarm *alarm, double value)
{
    (void)context;
    (void)alarm;
    (void)value;
}

static struct reading judged(struct stage *stage, const char *channel, double value, int64_t time_us)
{
    const struct alarm_sink sink = {ignore, NULL};
    struct reading reading = reading_of(stage->channels, channel, value, time_us);
    assert_true(alarm_judge_readings(stage->judge, &reading, 1, &sink));
    return reading;
}

static bool write_tick(struct stage *stage, const struct reading *readings, size_t count, struct error *err)
{
    return store_writer_write(stage->writer, stage->channels, readings, count, err);
}

static void alarms_are_in_the_transaction_of_their_readings(void **state)
{
    struct error err;
    struct stage stage = stage_of(*state);
    const struct reading first[] = {judged(&stage, "hot", 150, 100), judged(&stage, "cold", -1, 100),
                                    judged(&stage, "hot", 0, 200)};
    assert_true(write_tick(&stage, first, 3, &err));
    assert_int_equal(query("telemetry.db",
                           "SELECT count(*) FROM alarms JOIN channels USING (channel_id) WHERE"
                           " name = 'hot' AND alarm_id = 100 AND seq = 4 AND raised_us = 100 AND"
                           " resolved_us = 200 AND severity = 'critical' AND side = 'high' AND"
                           " message = 'hot is 150 K, above its limit of 100 K'"),
                     1);
    assert_int_equal(query("telemetry.db",
                           "SELECT count(*) FROM alarms JOIN channels USING (channel_id) WHERE"
                           " name = 'cold' AND alarm_id = 101 AND seq = 5 AND raised_us = 100 AND"
                           " resolved_us IS NULL AND severity = 'warning' AND side = 'low'"),
                     1);
    struct reading end = judged(&stage, "cold", 5, 300);
    assert_true(write_tick(&stage, &end, 1, &err));
    assert_int_equal(
        query("telemetry.db", "SELECT seq FROM alarms WHERE alarm_id = 101 AND resolved_us = 300"), 7);
    assert_int_equal(query("telemetry.db", "SELECT value FROM meta WHERE key = 'next_seq'"), 8);
    assert_int_equal(store_writer_next_seq(stage.writer), 8);
    stage_clear(&stage);
}

static void alarms_of_a_tick_that_fails_come_again_as_they_were(void **state)
{
    enum { MANY = 3000 };
    struct error err;
    struct stage stage = stage_of(*state);
    struct reading one = judged(&stage, "cold", -1, 50);
    assert_true(write_tick(&stage, &one, 1, &err));
    int64_t pages = query("telemetry.db", "PRAGMA page_count");
    char limit[64];
    snprintf(limit, sizeof(limit), "PRAGMA max_page_count=%lld", (long long)pages);
    assert_true(db_exec(store_writer_db(stage.writer), limit, &err));
    struct reading many[MANY];
    many[0] = judged(&stage, "cold", 5, 60);
    for (int i = 1; i < MANY; i++)
        many[i] = judged(&stage, "hot", i % 2 == 0 ? 0 : 100 + i, 1000 + i);
    for (int turn = 0; turn < 2; turn++) {
        assert_false(write_tick(&stage, many, MANY, &err));
        assert_int_equal(err.code, ERR_SPACE);
        assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms WHERE resolved_us IS NULL"), 1);
        assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings"), 1);
    }
    assert_true(db_exec(store_writer_db(stage.writer), "PRAGMA max_page_count=100000", &err));
    assert_true(write_tick(&stage, many, MANY, &err));
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings"), MANY + 1);
    assert_int_equal(query("telemetry.db", "SELECT resolved_us FROM alarms WHERE alarm_id = 50"), 60);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms WHERE alarm_id = raised_us AND"
                                           " (resolved_us = raised_us + 1 OR raised_us = 3999)"),
                     MANY / 2);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms WHERE resolved_us IS NULL"), 1);
    assert_int_equal(query("telemetry.db", "SELECT max(seq) FROM alarms"),
                     store_writer_next_seq(stage.writer) - 1);
    stage_clear(&stage);
}

static void what_lasts_is_known_after_a_restart(void **state)
{
    struct error err;
    size_t count;
    struct stage stage = stage_of(*state);
    struct reading begin = judged(&stage, "hot", 150, 100);
    assert_true(write_tick(&stage, &begin, 1, &err));
    stage_clear(&stage);
    stage = stage_of(*state);
    assert_int_equal(alarm_judge_summary(stage.judge).open, 1);
    judged(&stage, "hot", 160, 200);
    alarm_judge_waiting(stage.judge, &count);
    assert_int_equal(count, 0);
    struct reading end = judged(&stage, "hot", 1, 300);
    assert_true(write_tick(&stage, &end, 1, &err));
    assert_int_equal(query("telemetry.db",
                           "SELECT count(*) FROM alarms WHERE alarm_id = 100 AND resolved_us = 300"
                           " AND message = 'hot is 150 K, above its limit of 100 K'"),
                     1);
    stage_clear(&stage);
}

static void many_that_are_raised_at_one_time_have_ids_of_their_own(void **state)
{
    enum { MANY = 20000 };
    struct error err;
    struct stage stage = stage_of(*state);
    struct reading last = {0};
    for (int i = 0; i < MANY; i++)
        last = judged(&stage, "hot", i % 2 == 0 ? 200 : 0, 7);
    clock_t before = clock();
    assert_true(write_tick(&stage, &last, 1, &err));
    /* each searched anew would be fifty million inserts */
    assert_true(clock() - before < 60 * CLOCKS_PER_SEC);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms WHERE alarm_id BETWEEN 7 AND 10006"),
                     MANY / 2);
    stage_clear(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alarms_are_in_the_transaction_of_their_readings),
        TEST(alarms_of_a_tick_that_fails_come_again_as_they_were),
        TEST(what_lasts_is_known_after_a_restart),
        TEST(many_that_are_raised_at_one_time_have_ids_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
