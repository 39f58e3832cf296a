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
    struct error err;
    (void)state;
    for (size_t i = 0; i < 200; i++)
        memcpy(message + 1 + 2 * i, "é", 3);
    snprintf(text, sizeof(text),
             "{\"alarms\":[{\"alarm_id\":5,\"channel_id\":null,\"severity\":\"critical\",\"message\":\"%s\","
             "\"raised_at\":\"2026-02-22T10:00:00Z\",\"resolved_at\":null}]}",
             message);
    assert_true(outbound_alarms_read(view_of(text), &alarms, &count, &err));
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
    assert_true(outbound_alarms_read(view_of(text), &alarms, &count, &err));
    assert_int_equal(strlen(alarms[0].message), 254);
    assert_int_equal(alarms[0].resolved_us - alarms[0].raised_us, 1000000);
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
        "{\"channels\":[]}",
        "{\"alarms\":[{\"alarm_id\":1}]}",
        "{\"alarms\":[{\"alarm_id\":\"1\",\"raised_at\":\"2026-02-22T10:00:00Z\"}]}",
        "{\"alarms\":[{\"alarm_id\":1,\"raised_at\":null}]}",
        "{\"alarms\":[{\"alarm_id\":1,\"raised_at\":\"2026-02-22T10:00:00Z\"},"
        "{\"alarm_id\":1,\"raised_at\":\"2026-02-22T10:00:00Z\"}]}",
    };
    struct job_channel *channel = NULL;
    struct job_alarm *alarm = NULL;
    size_t count;
    struct error err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(channels); i++)
        if (outbound_channels_read(view_of(channels[i]), &channel, &count, &err))
            fail_msg("taken: %s", channels[i]);
    for (size_t i = 0; i < COUNT_OF(alarms); i++)
        if (outbound_alarms_read(view_of(alarms[i]), &alarm, &count, &err))
            fail_msg("taken: %s", alarms[i]);
    assert_null(channel);
    assert_null(alarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_read),        cmocka_unit_test(what_is_no_status),
        cmocka_unit_test(channels_come_by_number), cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(what_is_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
