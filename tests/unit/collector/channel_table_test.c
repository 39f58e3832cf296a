#include "tests/unit/collector/fixture.h"

static struct channel_table *configured(const char *line)
{
    struct error err;
    char lines[1][CONFIG_TEXT_BYTES];
    unsigned numbers[1] = {7};
    snprintf(lines[0], sizeof(lines[0]), "%s", line);
    const struct config_lines config = {lines, numbers, 1};
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    if (channel_table_configure(table, &config, &err))
        return table;
    channel_table_free(table);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "config.txt:7: CHANNEL"));
    return NULL;
}

static uint32_t find(struct channel_table *table, const char *name)
{
    struct sample sample = sample_of(name, 1, 1);
    return channel_table_find(table, &sample);
}

/* Nothing is left when it cannot. */
static void load(struct channel_table *table, const struct store_channel *row)
{
    struct error err;
    bool loaded = channel_table_load(table, row, &err);
    if (!loaded)
        channel_table_free(table);
    assert_true(loaded);
}

static void one_name_is_one_channel(void **state)
{
    (void)state;
    struct error err;
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    assert_int_equal(find(table, "a"), 0);
    assert_int_equal(find(table, "b"), 1);
    assert_int_equal(find(table, "a"), 0);
    assert_int_equal(channel_table_count(table), 2);
    assert_string_equal(channel_table_at(table, 0)->known.unit, "m");
    assert_true(channel_table_is_dirty(table));
    channel_table_committed(table);
    assert_false(channel_table_is_dirty(table));
    channel_table_free(table);
}

static void there_are_at_most_as_many_as_a_store_takes(void **state)
{
    (void)state;
    struct error err;
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    char name[32];
    for (uint32_t i = 0; i < STORE_CHANNELS_MAX; i++) {
        snprintf(name, sizeof(name), "channel_%u", i);
        assert_int_equal(find(table, name), i);
    }
    assert_int_equal(find(table, "one_more"), CHANNEL_NONE);
    assert_int_equal(find(table, "channel_5000"), 5000);
    channel_table_free(table);
}

static void a_name_that_is_none_makes_no_channel(void **state)
{
    (void)state;
    struct error err;
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    char is_long[200];
    memset(is_long, 'x', sizeof(is_long));
    is_long[128] = '\0';
    assert_int_equal(find(table, ""), CHANNEL_NONE);
    assert_int_equal(find(table, "line\nbreak"), CHANNEL_NONE);
    assert_int_equal(find(table, "\xff\xfe"), CHANNEL_NONE);
    assert_int_equal(find(table, is_long), CHANNEL_NONE);
    is_long[127] = '\0';
    assert_int_equal(find(table, is_long), 0);
    channel_table_free(table);
}

static void a_channel_line_stands_above_what_the_input_says(void **state)
{
    (void)state;
    struct channel_table *table = configured(
        "\"rpm of it\" unit=\"1/min\" phys_min=-2 scale=0.5 offset=3 alarm_high=5 severity=warning");
    assert_non_null(table);
    const struct channel *channel = channel_table_at(table, find(table, "rpm of it"));
    assert_string_equal(channel->known.unit, "1/min");
    assert_true(channel->known.phys_min == -2);
    assert_true(channel->known.phys_max == 9);
    assert_true(channel->scale == 0.5 && channel->offset == 3);
    channel_table_free(table);
}

static void a_bad_channel_line_is_refused_with_its_number(void **state)
{
    (void)state;
    assert_null(configured("a scale=fast"));
    assert_null(configured("a phys_min"));
    assert_null(configured("a colour=red"));
    assert_null(configured("a phys_max=inf"));
    assert_null(configured(""));
}

static void a_line_s_limits_are_read_and_must_make_sense(void **state)
{
    (void)state;
    struct channel_table *table =
        configured("\"temp{host=a}\" alarm_low=-5 alarm_high=100.5 hysteresis=2 severity=critical");
    assert_non_null(table);
    uint32_t index = channel_table_index_of(table, view_of("temp{host=a}"));
    assert_int_equal(index, 0);
    assert_int_equal(channel_table_index_of(table, view_of("temp")), CHANNEL_NONE);
    const struct alarm_limits *limits = &channel_table_at(table, index)->limits;
    assert_true(limits->at[ALARM_LOW] == -5 && limits->at[ALARM_HIGH] == 100.5 && limits->hysteresis == 2);
    assert_int_equal(limits->severity, ALARM_CRITICAL);
    channel_table_free(table);
    assert_null(configured("a alarm_low=5 alarm_high=4"));
    assert_null(configured("a alarm_high=4 hysteresis=-1"));
    assert_null(configured("a alarm_high=4 severity=loud"));
}

/* The first samples come before the store is open: what they said must not be lost to what it had. */
static void what_an_input_says_stands_above_what_the_store_had(void **state)
{
    (void)state;
    struct error err;
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    const struct store_channel row = {.channel_id = 7,
                                      .name = "a",
                                      .unit = "km",
                                      .phys_min = 1,
                                      .phys_max = NAN,
                                      .description = "another length"};
    uint32_t index = find(table, "a");
    load(table, &row);
    const struct channel *channel = channel_table_at(table, index);
    assert_string_equal(channel->known.unit, "m");
    assert_string_equal(channel->known.description, "a length");
    assert_true(isnan(channel->known.phys_min) && channel->known.phys_max == 9);
    assert_int_equal(channel->known.channel_id, 7);
    assert_true(channel->dirty && channel->stored);
    channel_table_committed(table);
    assert_true(channel_table_load(table, &channel->known, &err)); /* as it is now: no news */
    assert_false(channel_table_is_dirty(table));
    channel_table_free(table);
}

static void another_store_gives_its_own_numbers(void **state)
{
    (void)state;
    struct error err;
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    const struct store_channel row = {
        .channel_id = 7, .name = "a", .unit = "m", .phys_min = NAN, .phys_max = NAN};
    assert_true(channel_table_load(table, &row, &err));
    assert_false(channel_table_is_dirty(table));
    find(table, "a");
    assert_true(channel_table_is_dirty(table)); /* phys_max and description are news */
    channel_table_committed(table);
    channel_table_forget_numbers(table);
    assert_int_equal(channel_table_at(table, 0)->known.channel_id, 0);
    assert_true(channel_table_at(table, 0)->dirty);
    channel_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_is_one_channel),
        cmocka_unit_test(there_are_at_most_as_many_as_a_store_takes),
        cmocka_unit_test(a_name_that_is_none_makes_no_channel),
        cmocka_unit_test(a_channel_line_stands_above_what_the_input_says),
        cmocka_unit_test(a_bad_channel_line_is_refused_with_its_number),
        cmocka_unit_test(a_line_s_limits_are_read_and_must_make_sense),
        cmocka_unit_test(what_an_input_says_stands_above_what_the_store_had),
        cmocka_unit_test(another_store_gives_its_own_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
