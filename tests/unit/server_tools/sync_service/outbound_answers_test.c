#include "server_tools/sync_service/outbound_answers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_status_is_read(void **state)
{
    struct outbound_status status;
    struct error err;
    (void)state;
    assert_true(outbound_status_read(
        VIEW_LITERAL(
            "{\"name\":\"Truck\\n01\",\"software_version\":\"1.1.0\",\"time\":\"2026-02-22T10:00:00Z\","
            "\"uptime_s\":5,\"db_ok\":false,\"last_reading_at\":null,\"readings\":7,\"new\":[{}]}"),
        &status, &err));
    assert_string_equal(status.name, "Truck?01"); /* one line stays one line */
    assert_string_equal(status.software_version, "1.1.0");
    assert_int_equal(status.time_us, 1771754400000000);
    assert_false(status.db_ok);
    assert_true(outbound_status_read(VIEW_LITERAL("{\"time\":\"2026-02-22T10:00:00Z\"}"), &status, &err));
    assert_string_equal(status.name, "");
    assert_true(status.db_ok);
}

static void expect_no_status(const char *text, const char *why)
{
    struct outbound_status status;
    struct error err;
    if (outbound_status_read(view_of(text), &status, &err))
        fail_msg("taken: %s", text);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s: `%s`, but not `%s`", text, err.text, why);
}

static void what_is_no_status(void **state)
{
    (void)state;
    expect_no_status("", "");
    expect_no_status("[]", "expected an object");
    expect_no_status("{}", "`time`");
    expect_no_status("{\"time\":1}", "`time`");
    expect_no_status("{\"time\":\"yesterday\"}", "`time`");
    expect_no_status("{\"time\":\"2026-02-22T10:00:00Z\",\"db_ok\":\"yes\"}", "`db_ok`");
    expect_no_status("{\"time\":\"2026-02-22T10:00:00Z\",\"name\":{}}", "`name`");
    expect_no_status("{\"time\":\"2026-02-22T10:00:00Z\",\"time\":\"2026-02-22T10:00:00Z\"}", "");
}

static void channels_come_by_number(void **state)
{
    struct job_channel *channels;
    size_t count;
    struct error err;
    (void)state;
    assert_true(outbound_channels_read(
        VIEW_LITERAL("{\"channels\":[{\"channel_id\":7,\"name\":\"b\",\"unit\":\"\\u00b0C\",\"phys_min\":-40,"
                     "\"phys_max\":null},{\"channel_id\":0,\"name\":\"a\"}]}"),
        &channels, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(channels[0].remote_id, 0);
    assert_string_equal(channels[0].name, "a");
    assert_true(isnan(channels[0].min_value) && isnan(channels[1].max_value));
    assert_string_equal(channels[1].unit, "°C");
    assert_true(channels[1].min_value == -40);
    free(channels);
    assert_true(outbound_channels_read(VIEW_LITERAL("{\"channels\":[]}"), &channels, &count, &err));
    assert_int_equal(count, 0);
    free(channels);
}

/* What the table cannot hold is cut behind a whole character. */
static void a_long_message_is_cut(void **state)
{
    char text[1024];
    char message[600] = "x";
    struct job_alarm *alarms;
    size_t count;
    struct outbound_left_out left_out;
    struct error err;
    (void)state;
    for (size_t i = 0; i < 200; i++)
        memcpy(message + 1 + 2 * i, "é", 3);
    snprintf(text, sizeof(text),
             "{\"alarms\":[{\"alarm_id\":5,\"channel_id\":null,\"severity\":\"critical\",\"message\":\"%s\","
             "\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":null}]}",
             message);
    assert_true(outbound_alarms_read(view_of(text), &alarms, &count, &left_out, &err));
    assert_int_equal(strlen(alarms[0].message), 255); /* 1 + 127 * 2 */
    assert_int_equal(alarms[0].remote_id, -1);
    assert_int_equal(alarms[0].resolved_us, INT64_MIN);
    free(alarms);
    memset(message, 'x', 256);
    message[256] = '\0';
    message[254] = '\xc3'; /* é over the end */
    message[255] = '\xa9';
    snprintf(text, sizeof(text),
             "{\"alarms\":[{\"alarm_id\":5,\"severity\":\"info\",\"message\":\"%s\","
             "\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":\"2026-02-22T10:00:01Z\"}]}",
             message);
    assert_true(outbound_alarms_read(view_of(text), &alarms, &count, &left_out, &err));
    assert_int_equal(strlen(alarms[0].message), 254);
    assert_int_equal(alarms[0].resolved_us - alarms[0].raised_us, 1000000);
    free(alarms);
}

/* However long it is: a text never keeps an alarm away. */
static void a_text_without_end_is_cut(void **state)
{
    enum { LONG_BYTES = 100 * 1000 };
    SCOPE_BUF struct buf text = BUF_LIMIT(2 * LONG_BYTES);
    struct job_alarm *alarms;
    size_t count;
    struct outbound_left_out left_out;
    struct error err;
    (void)state;
    buf_append_text(&text, "{\"alarms\":[{\"alarm_id\":5,\"raised_at\":\"2026-02-22T10:00:00Z\","
                           "\"severity\":\"a very very critical one\",\"message\":\"a\\u0000b\\n");
    while (text.size < LONG_BYTES)
        buf_append_text(&text, "\\ud83d\\ude9a"); /* a lorry, of 4 bytes */
    buf_append_text(&text, "\"}]}");
    assert_true(outbound_alarms_read(buf_view(&text), &alarms, &count, &left_out, &err));
    assert_int_equal(count, 1);
    assert_int_equal(left_out.count, 0);
    assert_int_equal(strlen(alarms[0].message), 4 + 62 * 4);
    assert_memory_equal(alarms[0].message, "a?b?\xf0\x9f\x9a\x9a", 8);
    assert_string_equal(alarms[0].severity, "a very very cri");
    free(alarms);
}

#define TIME  "\"raised_at\":\"2026-02-22T10:00:00Z\""
#define FIRST "{\"alarm_id\":1," TIME "}"
#define LAST  "{\"alarm_id\":2,\"severity\":\"critical\"," TIME "}"

static void one_alarm_does_not_block_the_others(void **state)
{
    static const struct {
        const char *element, *why;
    } cases[] = {
        {"1", "element 1: expected an object"},
        {"{\"alarm_id\":9}", "element 1: member `raised_at`"},
        {"{" TIME "}", "element 1: member `alarm_id`"},
        {"{\"alarm_id\":-1," TIME "}", "element 1: member `alarm_id`"},
        {"{\"alarm_id\":\"9\"," TIME "}", "element 1: member `alarm_id`"},
        {"{\"alarm_id\":9.5," TIME "}", "element 1: member `alarm_id`"},
        {"{\"alarm_id\":9223372036854775808," TIME "}", "element 1: member `alarm_id`"},
        {"{\"alarm_id\":9,\"raised_at\":null}", "element 1: member `raised_at`"},
        {"{\"alarm_id\":9,\"raised_at\":\"yesterday\"}", "element 1: member `raised_at`"},
        {"{\"alarm_id\":9,\"resolved_at\":5," TIME "}", "element 1: member `resolved_at`"},
        {"{\"alarm_id\":9,\"message\":5," TIME "}", "element 1: member `message`"},
        {"{\"alarm_id\":9,\"severity\":[]," TIME "}", "element 1: member `severity`"},
        {"{\"alarm_id\":9,\"channel_id\":-3," TIME "}", "element 1: member `channel_id`"},
        {"{\"alarm_id\":9,\"channel_id\":\"3\"," TIME "}", "element 1: member `channel_id`"},
        {FIRST, "alarm_id 1 comes twice"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[512];
        struct job_alarm *alarms;
        size_t count;
        struct outbound_left_out left_out;
        struct error err;
        snprintf(text, sizeof(text), "{\"alarms\":[" FIRST ",%s,%s," LAST "]}", cases[i].element,
                 cases[i].element);
        assert_true(outbound_alarms_read(view_of(text), &alarms, &count, &left_out, &err));
        assert_int_equal(count, 2);
        assert_int_equal(alarms[0].alarm_id, 1);
        assert_int_equal(alarms[1].alarm_id, 2);
        assert_string_equal(alarms[0].severity, "");
        assert_string_equal(alarms[1].severity, "critical");
        assert_int_equal(alarms[0].resolved_us, INT64_MIN);
        assert_int_equal(left_out.count, 2);
        if (strstr(left_out.first.text, cases[i].why) == NULL)
            fail_msg("%s: `%s`", cases[i].element, left_out.first.text);
        free(alarms);
    }
}

/* As in the table: an end once known is never taken back. */
static void of_one_alarm_that_comes_twice_the_latest_end_is_taken(void **state)
{
    struct job_alarm *alarms;
    size_t count;
    struct outbound_left_out left_out;
    struct error err;
    (void)state;
    assert_true(
        outbound_alarms_read(VIEW_LITERAL("{\"alarms\":[" FIRST ",{\"alarm_id\":1," TIME
                                          ",\"resolved_at\":\"2026-02-22T10:00:05Z\"},{\"alarm_id\":1," TIME
                                          ",\"resolved_at\":\"2026-02-22T10:00:03Z\"}]}"),
                             &alarms, &count, &left_out, &err));
    assert_int_equal(count, 1);
    assert_int_equal(alarms[0].resolved_us - alarms[0].raised_us, 5000000);
    assert_int_equal(left_out.count, 2);
    free(alarms);
}

static void what_is_no_list(void **state)
{
    static const char *const channels[] = {
        "{}",
        "{\"channels\":{}}",
        "{\"channels\":[1]}",
        "{\"channels\":[{\"name\":\"a\"}]}",
        "{\"channels\":[{\"channel_id\":1}]}",
        "{\"channels\":[{\"channel_id\":1,\"name\":\"\"}]}",
        "{\"channels\":[{\"channel_id\":-1,\"name\":\"a\"}]}",
        "{\"channels\":[{\"channel_id\":2147483648,\"name\":\"a\"}]}",
        "{\"channels\":[{\"channel_id\":1,\"name\":\"a\",\"phys_min\":\"0\"}]}",
        "{\"channels\":[{\"channel_id\":1,\"name\":\"a\"},{\"channel_id\":1,\"name\":\"b\"}]}",
    };
    static const char *const alarms[] = {
        "{\"channels\":[]}", "{\"alarms\":{}}",   "{\"alarms\":null}",
        "{\"alarms\":[{]}",  "{\"alarms\":[]} ]", "[]",
    };
    struct job_channel *channel = NULL;
    struct job_alarm *alarm = NULL;
    size_t count;
    struct outbound_left_out left_out;
    struct error err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(channels); i++)
        if (outbound_channels_read(view_of(channels[i]), &channel, &count, &err))
            fail_msg("taken: %s", channels[i]);
    for (size_t i = 0; i < COUNT_OF(alarms); i++)
        if (outbound_alarms_read(view_of(alarms[i]), &alarm, &count, &left_out, &err))
            fail_msg("taken: %s", alarms[i]);
    assert_null(channel);
    assert_null(alarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_read),
        cmocka_unit_test(what_is_no_status),
        cmocka_unit_test(channels_come_by_number),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(a_text_without_end_is_cut),
        cmocka_unit_test(one_alarm_does_not_block_the_others),
        cmocka_unit_test(of_one_alarm_that_comes_twice_the_latest_end_is_taken),
        cmocka_unit_test(what_is_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
