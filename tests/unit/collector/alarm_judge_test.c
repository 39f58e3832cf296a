#include "tests/unit/collector/fixture.h"

#include "collector/alarm_judge.h"

/* Channels 0 to 3: both limits, a high one, a low one, none. */
static const char *const four_channels[] = {"both alarm_low=-10 alarm_high=10 hysteresis=2",
                                            "high alarm_high=100 severity=critical",
                                            "low alarm_low=0 severity=info", "none unit=m", NULL};

/* Everything that was told, as text: "+0high@5 " is raised, "-0high@7 " is over. */
struct story {
    struct alarm_judge *judge;
    struct channel_table *channels;
    char told[1024];
};

static void told(void *context, const struct alarm *alarm, double value)
{
    struct story *story = context;
    size_t used = strlen(story->told);
    bool over = alarm->ended_us != INT64_MIN;
    assert_true(!isnan(value));
    snprintf(story->told + used, sizeof(story->told) - used, "%c%u%s@%lld ", over ? '-' : '+', alarm->channel,
             alarm_side_name(alarm->side), (long long)(over ? alarm->ended_us : alarm->raised_us));
}

static struct story story_of(void)
{
    struct story story = {.channels = channels_of(four_channels)};
    story.judge = alarm_judge_new(story.channels, NULL);
    assert_non_null(story.judge);
    return story;
}

static void story_clear(struct story *story)
{
    alarm_judge_free(story->judge);
    channel_table_free(story->channels);
}

static void give(struct story *story, uint32_t channel, double value, int64_t time_us)
{
    const struct reading reading = {.time_us = time_us, .value = value, .channel = channel};
    const struct alarm_sink sink = {told, story};
    assert_true(alarm_judge_readings(story->judge, &reading, 1, &sink));
}

/* What waits, as text: "0high 5-7 " is whole, "#5 0high 5- " is known to the store and lasts. */
static const char *waiting(struct story *story)
{
    static char text[1024];
    size_t count;
    size_t used = 0;
    const struct alarm *alarms = alarm_judge_waiting(story->judge, &count);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char id[24] = "";
        char end[24] = "";
        if (alarms[i].stored)
            snprintf(id, sizeof(id), "#%lld ", (long long)alarms[i].alarm_id);
        if (alarms[i].ended_us != INT64_MIN)
            snprintf(end, sizeof(end), "%lld", (long long)alarms[i].ended_us);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u%s %lld-%s ", id, alarms[i].channel,
                                 alarm_side_name(alarms[i].side), (long long)alarms[i].raised_us, end);
    }
    return text;
}

/* As the writer does it: a new one's id is 1000 and its time. */
static void store(struct story *story)
{
    size_t count;
    struct alarm *alarms = alarm_judge_waiting(story->judge, &count);
    for (size_t i = 0; i < count; i++)
        alarms[i].given_id = alarms[i].alarm_id != 0 ? alarms[i].alarm_id : 1000 + alarms[i].raised_us;
    alarm_judge_stored(story->judge);
}

static void every_crossing_is_found_and_none_is_invented(void **state)
{
    (void)state;
    const struct {
        uint32_t channel;
        double values[12]; /* at 1, 2, 3 ...; INFINITY ends them */
        const char *told;
    } table[] = {
        {0, {0, 9.9, 10, 12, 8, 7.9, 0, INFINITY}, "+0high@3 -0high@6 "},
        {0, {8.5, 9, 9.9, 8.5, INFINITY}, ""},
        {0, {10, 9, 10, 8, 11, 7, 10, INFINITY}, "+0high@1 -0high@6 +0high@7 "},
        {0, {-9.9, -10, -8, -7.9, INFINITY}, "+0low@2 -0low@4 "},
        {0, {11, -11, 11, INFINITY}, "+0high@1 -0high@2 +0low@2 -0low@3 +0high@3 "},
        {0, {NAN, 11, NAN, NAN, 9, NAN, 0, NAN, INFINITY}, "+0high@2 -0high@7 "},
        {1, {99.9, 100, 99.9, 100, INFINITY}, "+1high@2 -1high@3 +1high@4 "},
        {1, {-1e300, INFINITY}, ""},
        {2, {1, 0, 0, 1e-9, -1, INFINITY}, "+2low@2 -2low@4 +2low@5 "},
        {3, {1e300, -1e300, NAN, INFINITY}, ""},
        {77, {1e300, INFINITY}, ""}, /* a channel without a CHANNEL line */
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct story story = story_of();
        for (int j = 0; !isinf(table[i].values[j]); j++)
            give(&story, table[i].channel, table[i].values[j], j + 1);
        assert_string_equal(story.told, table[i].told);
        story_clear(&story);
    }
}

static void what_waits_stands_there_once_with_all_that_is_known(void **state)
{
    (void)state;
    struct story story = story_of();
    give(&story, 0, 11, 1);
    give(&story, 1, 100, 2);
    assert_string_equal(waiting(&story), "0high 1- 1high 2- ");
    give(&story, 0, 0, 3); /* came and went before the store was told */
    give(&story, 0, 12, 4);
    assert_string_equal(waiting(&story), "0high 1-3 1high 2- 0high 4- ");
    store(&story);
    assert_string_equal(waiting(&story), "");
    give(&story, 1, 0, 5);
    give(&story, 0, 0, 6);
    give(&story, 0, 13, 7);
    assert_string_equal(waiting(&story), "#1002 1high 2-5 #1004 0high 4-6 0high 7- ");
    store(&story);
    give(&story, 0, 0, 8);
    assert_string_equal(waiting(&story), "#1007 0high 7-8 ");
    story_clear(&story);
}

static void an_alarm_never_ends_before_it_began(void **state)
{
    (void)state;
    struct story story = story_of();
    give(&story, 1, 200, 1000);
    give(&story, 1, 0, 5); /* the clock was set back */
    assert_string_equal(waiting(&story), "1high 1000-1000 ");
    story_clear(&story);
}

static void what_lasts_is_counted_with_the_worst_of_it(void **state)
{
    (void)state;
    struct story story = story_of();
    assert_int_equal(alarm_judge_summary(story.judge).open, 0);
    give(&story, 2, -1, 1);
    assert_int_equal(alarm_judge_summary(story.judge).worst, ALARM_INFO);
    give(&story, 1, 100, 2);
    give(&story, 0, 10, 3);
    assert_int_equal(alarm_judge_summary(story.judge).open, 3);
    assert_int_equal(alarm_judge_summary(story.judge).worst, ALARM_CRITICAL);
    give(&story, 1, 0, 4);
    assert_int_equal(alarm_judge_summary(story.judge).open, 2);
    assert_int_equal(alarm_judge_summary(story.judge).worst, ALARM_WARNING);
    story_clear(&story);
}

static void another_store_is_told_of_what_lasts_and_of_what_it_missed(void **state)
{
    (void)state;
    struct story story = story_of();
    give(&story, 0, 11, 1);
    give(&story, 1, 100, 2);
    store(&story);
    give(&story, 2, -1, 3);
    give(&story, 1, 0, 4); /* the old store never heard of this end */
    assert_string_equal(waiting(&story), "2low 3- #1002 1high 2-4 ");
    alarm_judge_new_store(story.judge);
    assert_string_equal(waiting(&story), "2low 3- 1high 2-4 0high 1- ");
    size_t count;
    const struct alarm *alarms = alarm_judge_waiting(story.judge, &count);
    assert_int_equal(alarms[0].alarm_id, 0);
    assert_int_equal(alarms[1].alarm_id, 1002); /* a server knows it by that already */
    assert_int_equal(alarms[2].alarm_id, 1001);
    store(&story);
    give(&story, 0, 0, 5);
    assert_string_equal(waiting(&story), "#1001 0high 1-5 ");
    assert_int_equal(alarm_judge_summary(story.judge).open, 1);
    story_clear(&story);
}

static void what_lasted_in_the_last_run_goes_on(void **state)
{
    (void)state;
    struct story story = story_of();
    const struct alarm lasting = {.alarm_id = 70, .raised_us = 70, .channel = 1, .side = ALARM_HIGH};
    const struct alarm no_limit = {.alarm_id = 80, .raised_us = 80, .channel = 1, .side = ALARM_LOW};
    const struct alarm no_channel = {.alarm_id = 90, .raised_us = 90, .channel = CHANNEL_NONE};
    assert_true(alarm_judge_adopt(story.judge, &lasting));
    assert_true(alarm_judge_adopt(story.judge, &lasting)); /* a second try at opening the store */
    assert_false(alarm_judge_adopt(story.judge, &no_limit));
    assert_false(alarm_judge_adopt(story.judge, &no_channel));
    assert_int_equal(alarm_judge_summary(story.judge).open, 1);
    assert_true(alarm_judge_end(story.judge, &no_limit, 100, NULL));
    assert_true(alarm_judge_end(story.judge, &no_channel, 5, NULL));
    give(&story, 1, 100, 101);
    assert_string_equal(story.told, "");
    give(&story, 1, 99, 102);
    assert_string_equal(story.told, "-1high@102 ");
    size_t count;
    const struct alarm *waits = alarm_judge_waiting(story.judge, &count);
    assert_int_equal(count, 3);
    assert_int_equal(waits[0].ended_us, 100);
    assert_int_equal(waits[1].ended_us, 90);
    assert_int_equal(waits[2].alarm_id, 70);
    alarm_judge_new_store(story.judge); /* of those without a limit it need not know */
    assert_string_equal(waiting(&story), "1high 70-102 ");
    story_clear(&story);
}

static void one_raised_before_the_store_was_read_stays(void **state)
{
    (void)state;
    struct story story = story_of();
    const struct alarm stored = {.alarm_id = 70, .raised_us = 70, .channel = 1, .side = ALARM_HIGH};
    give(&story, 1, 100, 101);
    assert_false(alarm_judge_adopt(story.judge, &stored));
    assert_true(alarm_judge_end(story.judge, &stored, 100, NULL));
    assert_string_equal(waiting(&story), "1high 101- #70 1high 70-100 ");
    story_clear(&story);
}

/* What may be lost is what came and went; ends of stored ones and what lasts never are. */
static void what_waits_is_bounded_and_the_least_is_lost(void **state)
{
    (void)state;
    struct story story = story_of();
    const int turns = 2 * ALARMS_WAITING_MAX;
    size_t count;
    give(&story, 0, 11, 1);
    give(&story, 1, 100, 2);
    store(&story);
    give(&story, 0, 0, 3);   /* the end of a stored one */
    give(&story, 0, -11, 4); /* one that lasts */
    for (int i = 0; i < turns; i++) {
        story.told[0] = '\0';
        give(&story, 2, -1, 10 + 2 * i);
        give(&story, 2, 1, 11 + 2 * i);
    }
    struct alarm_summary summary = alarm_judge_summary(story.judge);
    const struct alarm *alarms = alarm_judge_waiting(story.judge, &count);
    assert_true(count <= ALARMS_WAITING_MAX);
    assert_int_equal(summary.lost, turns + 2 - (int)count);
    assert_true(count > ALARMS_WAITING_MAX / 2);
    assert_int_equal(alarms[0].alarm_id, 1001);
    assert_int_equal(alarms[0].ended_us, 3);
    assert_int_equal(alarms[1].side, ALARM_LOW);
    assert_int_equal(alarms[count - 1].ended_us, 11 + 2 * (turns - 1));
    assert_int_equal(alarms[2].raised_us, 10 + 2 * (turns + 2 - (int)count));
    assert_int_equal(summary.open, 2);
    give(&story, 0, 0, 9000000); /* the one that lasts is still found in its place */
    alarms = alarm_judge_waiting(story.judge, &count);
    assert_int_equal(alarms[1].ended_us, 9000000);
    story_clear(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_crossing_is_found_and_none_is_invented),
        cmocka_unit_test(what_waits_stands_there_once_with_all_that_is_known),
        cmocka_unit_test(an_alarm_never_ends_before_it_began),
        cmocka_unit_test(what_lasts_is_counted_with_the_worst_of_it),
        cmocka_unit_test(another_store_is_told_of_what_lasts_and_of_what_it_missed),
        cmocka_unit_test(what_lasted_in_the_last_run_goes_on),
        cmocka_unit_test(one_raised_before_the_store_was_read_stays),
        cmocka_unit_test(what_waits_is_bounded_and_the_least_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
