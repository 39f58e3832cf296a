#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "common/wire/alarm_record.h"

/* 2026-02-22T10:00:00.000000Z */
#define TEN_O_CLOCK_US INT64_C(1771754400000000)

enum { TEXT_LIMIT_BYTES = 64 * 1024 };

static const struct alarm_record hot = {
    .seq = 123456,
    .alarm_id = TEN_O_CLOCK_US,
    .channel = "coolant_temp",
    .severity = "warning",
    .message = "coolant_temp 112.5 is above 110 \"high\"",
    .raised_us = TEN_O_CLOCK_US,
    .resolved_us = INT64_MIN,
};
#define HOT_BEGIN                                                                                            \
    "{\"seq\":123456,\"alarm_id\":1771754400000000,\"channel\":\"coolant_temp\",\"severity\":\"warning\","   \
    "\"message\":\"coolant_temp 112.5 is above 110 \\\"high\\\"\",\"raised_at\":\"2026-02-22T10:00:00."      \
    "000000Z\","

static void assert_writes_alarm(const struct alarm_record *alarm, const char *expected)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    assert_true(alarm_record_write(alarm, &out));
    assert_string_equal(buf_text(&out), expected);
}

static void an_alarm_is_the_contract_s_line(void **state)
{
    (void)state;
    assert_writes_alarm(&hot, HOT_BEGIN "\"resolved_at\":null}\n");
    struct alarm_record resolved = hot;
    resolved.resolved_us = TEN_O_CLOCK_US + 1;
    assert_writes_alarm(&resolved, HOT_BEGIN "\"resolved_at\":\"2026-02-22T10:00:00.000001Z\"}\n");
}

static void assert_same_alarm(const struct alarm_record *a, const struct alarm_record *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->alarm_id, b->alarm_id);
    assert_string_equal(a->channel, b->channel);
    assert_string_equal(a->severity, b->severity);
    assert_string_equal(a->message, b->message);
    assert_int_equal(a->raised_us, b->raised_us);
    assert_int_equal(a->resolved_us, b->resolved_us);
}

static void read_back_alarm(const struct alarm_record *alarm, struct alarm_record *again)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    struct error err = {0};
    assert_true(alarm_record_write(alarm, &out));
    assert_int_equal(out.data[out.size - 1], '\n');
    if (!alarm_record_read((struct view){out.data, out.size - 1}, again, &err))
        fail_msg("%s", err.text);
}

static void an_alarm_reads_back(void **state)
{
    (void)state;
    struct alarm_record again;
    read_back_alarm(&hot, &again);
    assert_same_alarm(&hot, &again);
    struct alarm_record odd = {.seq = INT64_MAX, .alarm_id = INT64_MIN, .channel = "\"", .resolved_us = -1};
    memset(odd.message, '\\', sizeof(odd.message) - 1);
    memset(odd.severity, '"', sizeof(odd.severity) - 1);
    read_back_alarm(&odd, &again);
    assert_same_alarm(&odd, &again);
}

/* What the store holds may be damaged; the line is one all the same. */
static void texts_that_are_none_are_written_so_that_they_read(void **state)
{
    (void)state;
    struct alarm_record alarm = hot;
    struct alarm_record again;
    snprintf(alarm.message, sizeof(alarm.message), "line\nbreak \xd1");
    read_back_alarm(&alarm, &again);
    assert_string_equal(again.message, "line?break ?");
    memset(alarm.message, 0xff, sizeof(alarm.message) - 1);
    memset(alarm.severity, 1, sizeof(alarm.severity) - 1);
    read_back_alarm(&alarm, &again);
    assert_int_equal(strlen(again.message), sizeof(again.message) - 1);

    struct channel_record channel = {.channel = "c", .phys_min = NAN, .phys_max = INFINITY};
    memset(channel.unit, 0x80, sizeof(channel.unit) - 1);
    memset(channel.description, 0x1f, sizeof(channel.description) - 1);
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    assert_true(channel_record_write(&channel, &out));
    assert_true(channel_record_read((struct view){out.data, out.size - 1}, &channel, NULL));
    assert_true(isnan(channel.phys_max));
}

static void a_channel_without_a_name_is_no_line(void **state)
{
    (void)state;
    struct alarm_record alarm = hot;
    struct channel_record channel = {.channel = ""};
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    snprintf(alarm.channel, sizeof(alarm.channel), "a\nb");
    assert_false(alarm_record_write(&alarm, &out));
    assert_false(channel_record_write(&channel, &out));
    assert_int_equal(out.size, 0);
}

static void a_buffer_that_is_full_is_told(void **state)
{
    (void)state;
    struct channel_record channel = {.channel = "c"};
    SCOPE_BUF struct buf out = BUF_LIMIT(60);
    assert_false(alarm_record_write(&hot, &out));
    buf_clear(&out);
    assert_false(channel_record_write(&channel, &out));
}

static void a_channel_is_the_contract_s_line(void **state)
{
    (void)state;
    static const struct channel_record rpm = {
        .channel = "engine_rpm", .unit = "1/min", .phys_min = 0, .phys_max = 8000.5, .description = "speed"};
    static const char line[] = "{\"channel\":\"engine_rpm\",\"unit\":\"1/min\",\"phys_min\":0,\"phys_max\":"
                               "8000.5,\"description\":\"speed\"}\n";
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    struct channel_record again;
    assert_true(channel_record_write(&rpm, &out));
    assert_string_equal(buf_text(&out), line);
    assert_true(channel_record_read((struct view){line, sizeof(line) - 2}, &again, NULL));
    assert_string_equal(again.channel, rpm.channel);
    assert_string_equal(again.unit, rpm.unit);
    assert_string_equal(again.description, rpm.description);
    assert_true(again.phys_min == rpm.phys_min && again.phys_max == rpm.phys_max);
}

static void what_has_no_bounds_is_null(void **state)
{
    (void)state;
    static const struct channel_record bare = {.channel = "c", .phys_min = NAN, .phys_max = -INFINITY};
    static const char line[] =
        "{\"channel\":\"c\",\"unit\":\"\",\"phys_min\":null,\"phys_max\":null,\"description\":\"\"}\n";
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    struct channel_record again;
    assert_true(channel_record_write(&bare, &out));
    assert_string_equal(buf_text(&out), line);
    assert_true(channel_record_read((struct view){line, sizeof(line) - 2}, &again, NULL));
    assert_true(isnan(again.phys_min) && isnan(again.phys_max));
}

#define ALARM(seq, channel, rest) "{\"seq\":" seq ",\"alarm_id\":1,\"channel\":" channel "," rest "}"
#define SAID                      "\"severity\":\"alarm\",\"message\":\"m\""
#define TIMES                     "\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":null"

static void refuses_what_is_no_alarm(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "[]",
        "null",
        "{}",
        ALARM("-1", "\"c\"", SAID "," TIMES),
        ALARM("1.5", "\"c\"", SAID "," TIMES),
        ALARM("\"1\"", "\"c\"", SAID "," TIMES),
        ALARM("9223372036854775808", "\"c\"", SAID "," TIMES),
        ALARM("1", "\"\"", SAID "," TIMES),
        ALARM("1", "\"a\\nb\"", SAID "," TIMES),
        ALARM("1", "1", SAID "," TIMES),
        ALARM("1", "\"c\"", TIMES),
        ALARM("1", "\"c\"", SAID),
        ALARM("1", "\"c\"", SAID ",\"raised_at\":\"2026-02-22T10:00:00Z\""),
        ALARM("1", "\"c\"", SAID ",\"raised_at\":null,\"resolved_at\":null"),
        ALARM("1", "\"c\"", SAID ",\"raised_at\":\"yesterday\",\"resolved_at\":null"),
        ALARM("1", "\"c\"", SAID ",\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":\"\""),
        ALARM("1", "\"c\"", SAID ",\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":5"),
        ALARM("1", "\"c\"", SAID "," TIMES ",\"unit\":\"x\""),
        ALARM("1", "\"c\"", SAID "," TIMES "," SAID),
        ALARM("1", "\"c\"", "\"severity\":\"sixteen letters!\",\"message\":\"m\"," TIMES),
        ALARM("1", "\"c\"", "\"severity\":\"a\\u001b[31m\",\"message\":\"m\"," TIMES),
        ALARM("1", "\"c\"", "\"severity\":\"a\",\"message\":\"m\\u007f\"," TIMES),
        ALARM("1", "\"c\"", "\"severity\":\"a\",\"message\":\"m\\u0000\"," TIMES),
        ALARM("1", "\"c\"", "\"severity\":\"a\",\"message\":null," TIMES),
        ALARM("1", "\"c\"", SAID "," TIMES) "\n{}",
    };
    struct alarm_record alarm = {.seq = 77};
    assert_true(alarm_record_read(view_of(ALARM("1", "\"c\"", SAID "," TIMES)), &alarm, NULL));
    alarm.seq = 77;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct error err = {0};
        if (alarm_record_read(view_of(lines[i]), &alarm, &err))
            fail_msg("%s was taken for an alarm", lines[i]);
        assert_int_equal(err.code, ERR_INPUT);
        assert_true(err.text[0] != '\0');
    }
    assert_int_equal(alarm.seq, 77);
}

#define CHANNEL(bounds) "{\"channel\":\"c\",\"unit\":\"V\"," bounds "\"description\":\"d\"}"

static void refuses_what_is_no_channel(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "{}",
        CHANNEL(""),
        CHANNEL("\"phys_min\":0,"),
        CHANNEL("\"phys_min\":0,\"phys_max\":\"1\","),
        CHANNEL("\"phys_min\":0,\"phys_max\":1e999,"),
        CHANNEL("\"phys_min\":NaN,\"phys_max\":1,"),
        CHANNEL("\"phys_min\":0,\"phys_max\":1,\"scale\":1,"),
        CHANNEL("\"phys_min\":0,\"phys_max\":1,\"unit\":\"V\","),
        "{\"channel\":\"\",\"unit\":\"V\",\"phys_min\":0,\"phys_max\":1,\"description\":\"d\"}",
        "{\"channel\":\"c\",\"unit\":\"\\u000a\",\"phys_min\":0,\"phys_max\":1,\"description\":\"d\"}",
        "{\"unit\":\"V\",\"phys_min\":0,\"phys_max\":1,\"description\":\"d\"}",
    };
    struct channel_record channel;
    assert_true(channel_record_read(view_of(CHANNEL("\"phys_min\":0,\"phys_max\":1,")), &channel, NULL));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct error err = {0};
        if (channel_record_read(view_of(lines[i]), &channel, &err))
            fail_msg("%s was taken for a channel", lines[i]);
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static void a_line_that_is_no_alarm_may_have_a_seq(void **state)
{
    (void)state;
    static const char *const passed[] = {
        "{\"seq\":7}",
        ALARM("7", "5", SAID "," TIMES),
        "{\"message\":null,\"seq\":7,\"raised_at\":\"yesterday\"}",
    };
    static const char *const blocking[] = {
        "", "7", "{}", "{\"seq\":7", "{\"seq\":-7}", "{\"seq\":\"7\"}", "{\"seq\":7,\"place\":1}",
    };
    int64_t seq = 0;
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        struct alarm_record alarm;
        seq = 0;
        assert_false(alarm_record_read(view_of(passed[i]), &alarm, NULL));
        assert_true(alarm_record_seq(view_of(passed[i]), &seq));
        assert_int_equal(seq, 7);
    }
    for (size_t i = 0; i < COUNT_OF(blocking); i++)
        if (alarm_record_seq(view_of(blocking[i]), &seq))
            fail_msg("%s has a seq", blocking[i]);
}

static void a_line_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char line[INFO_LINE_MAX_BYTES];
    static const char alarm[] = ALARM("1", "\"c\"", SAID "," TIMES);
    memset(line, ' ', sizeof(line));
    memcpy(line, alarm, sizeof(alarm) - 1);
    struct alarm_record read;
    struct channel_record channel;
    struct error err = {0};
    assert_true(alarm_record_read((struct view){line, sizeof(line) - 1}, &read, NULL));
    assert_false(alarm_record_read((struct view){line, sizeof(line)}, &read, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(channel_record_read((struct view){line, sizeof(line)}, &channel, &err));
}

static void the_longest_lines_fit(void **state)
{
    (void)state;
    struct alarm_record alarm = {.seq = INT64_MAX, .alarm_id = INT64_MIN};
    struct channel_record channel = {.phys_min = -1.7976931348623157e308, .phys_max = 5e-324};
    memset(alarm.channel, '"', sizeof(alarm.channel) - 1);
    memset(alarm.severity, '"', sizeof(alarm.severity) - 1);
    memset(alarm.message, '"', sizeof(alarm.message) - 1);
    memset(channel.channel, '\\', sizeof(channel.channel) - 1);
    memset(channel.unit, '\\', sizeof(channel.unit) - 1);
    memset(channel.description, '\\', sizeof(channel.description) - 1);
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_LIMIT_BYTES);
    assert_true(alarm_record_write(&alarm, &out));
    assert_true(out.size <= INFO_LINE_MAX_BYTES);
    buf_reset(&out);
    assert_true(channel_record_write(&channel, &out));
    assert_true(out.size <= INFO_LINE_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_is_the_contract_s_line),
        cmocka_unit_test(an_alarm_reads_back),
        cmocka_unit_test(texts_that_are_none_are_written_so_that_they_read),
        cmocka_unit_test(a_channel_without_a_name_is_no_line),
        cmocka_unit_test(a_buffer_that_is_full_is_told),
        cmocka_unit_test(a_channel_is_the_contract_s_line),
        cmocka_unit_test(what_has_no_bounds_is_null),
        cmocka_unit_test(refuses_what_is_no_alarm),
        cmocka_unit_test(refuses_what_is_no_channel),
        cmocka_unit_test(a_line_that_is_no_alarm_may_have_a_seq),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(the_longest_lines_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
