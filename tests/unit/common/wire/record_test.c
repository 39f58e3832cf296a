#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "common/wire/record.h"

/* 2026-02-22T10:00:00.000000Z */
#define TEN_O_CLOCK_US INT64_C(1771754400000000)

static struct view view_of_line(char *line, size_t size)
{
    assert_true(size > 0 && line[size - 1] == '\n');
    return (struct view){line, size - 1};
}

static void assert_writes(int64_t seq, int64_t time_us, const char *channel, double value,
                          const char *expected)
{
    struct record_writer writer;
    record_writer_init(&writer);
    SCOPE_BUF struct buf name = BUF_LIMIT(RECORD_LINE_MAX_BYTES);
    assert_true(record_escape_channel(view_of(channel), &name));
    char line[RECORD_LINE_MAX_BYTES + 1];
    size_t size = record_write_reading(&writer, line, seq, time_us, buf_view(&name), value);
    line[size] = '\0';
    assert_string_equal(line, expected);
}

static void writes_the_contract_s_line(void **state)
{
    (void)state;
    assert_writes(123456, TEN_O_CLOCK_US, "engine_rpm", 1523.25,
                  "{\"seq\":123456,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"engine_rpm\","
                  "\"value\":1523.25}\n");
    assert_writes(
        0, 1, "a \"b\" \\ \xd1\x97", -0.5,
        "{\"seq\":0,\"time\":\"1970-01-01T00:00:00.000001Z\",\"channel\":\"a \\\"b\\\" \\\\ \xd1\x97\","
        "\"value\":-0.5}\n");
    assert_writes(INT64_MAX, -1, "t", NAN,
                  "{\"seq\":9223372036854775807,\"time\":\"1969-12-31T23:59:59.999999Z\",\"channel\":\"t\","
                  "\"value\":null}\n");
    assert_writes(1, INT64_MIN, "t", INFINITY,
                  "{\"seq\":1,\"time\":\"0000-01-01T00:00:00.000000Z\",\"channel\":\"t\",\"value\":null}\n");
    assert_writes(
        1, INT64_MAX, "t", 1e308,
        "{\"seq\":1,\"time\":\"9999-12-31T23:59:59.999999Z\",\"channel\":\"t\",\"value\":1e+308}\n");
}

static void a_line_without_seq(void **state)
{
    (void)state;
    assert_writes(-1, TEN_O_CLOCK_US, "rpm", 1,
                  "{\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"rpm\",\"value\":1}\n");
}

static void the_longest_line_fits(void **state)
{
    (void)state;
    char name[RECORD_CHANNEL_BYTES];
    memset(name, '"', sizeof(name));
    struct view channel = {name, sizeof(name) - 1};
    assert_true(record_channel_name_ok(channel));
    SCOPE_BUF struct buf escaped = BUF_LIMIT(RECORD_LINE_MAX_BYTES);
    assert_true(record_escape_channel(channel, &escaped));
    struct record_writer writer;
    record_writer_init(&writer);
    char line[RECORD_LINE_MAX_BYTES];
    size_t size = record_write_reading(&writer, line, INT64_MAX, INT64_MAX, buf_view(&escaped),
                                       -1.7976931348623157e308);
    assert_true(size <= sizeof(line));
    struct record_reading reading;
    assert_true(record_read_reading(view_of_line(line, size), &reading, NULL));
    assert_true(view_equal(reading.channel, channel));
}

static void reads_what_it_wrote_at_any_time(void **state)
{
    (void)state;
    static const int64_t times[] = {
        0,
        1,
        -1,
        -1000000,
        999999,
        1000000,
        TEN_O_CLOCK_US,
        TEN_O_CLOCK_US + 999999,
        TEN_O_CLOCK_US + 1000000,
        INT64_C(-62167219200000000),
        INT64_C(253402300799999999),
        INT64_C(951782400000000),
        INT64_C(4107542399999999),
        INT64_C(-2203891200000000),
    };
    static const char *const channels[] = {"a", "engine_rpm", "\"", "back\\slash",
                                           "\xd1\x82\xd0\xb5\xd0\xbc\xd0\xbf"};
    static const double values[] = {0,       -0.0,  1,      0.1,   1523.25,
                                    1.0 / 3, 1e308, 5e-324, -1e-7, 9007199254740993.0};
    struct record_writer writer;
    record_writer_init(&writer);
    for (size_t i = 0; i < 14 * 5 * 10; i++) {
        int64_t time_us = times[i % 14];
        const char *channel = channels[i % 5];
        double value = values[i % 10];
        SCOPE_BUF struct buf name = BUF_LIMIT(RECORD_LINE_MAX_BYTES);
        assert_true(record_escape_channel(view_of(channel), &name));
        char line[RECORD_LINE_MAX_BYTES];
        size_t size = record_write_reading(&writer, line, (int64_t)i, time_us, buf_view(&name), value);
        struct record_reading reading;
        assert_true(record_read_reading(view_of_line(line, size), &reading, NULL));
        assert_int_equal(reading.seq, i);
        assert_int_equal(reading.time_us, time_us);
        assert_true(view_is(reading.channel, channel));
        assert_memory_equal(&reading.value, &value, sizeof(value));
    }
}

struct spelling {
    const char *line;
    int64_t seq, time_us;
    const char *channel;
    double value;
};

static void reads_other_spellings_of_the_same(void **state)
{
    (void)state;
    static const struct spelling spellings[] = {
        {"{\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"rpm\",\"value\":1}", -1, TEN_O_CLOCK_US,
         "rpm", 1},
        {" { \"value\" : 1.50 , \"channel\" : \"r\\u0070m\" , \"seq\" : 7 , \"time\" : "
         "\"2026-02-22T12:00:00+02:00\" } ",
         7, TEN_O_CLOCK_US, "rpm", 1.5},
        {"{\"seq\":7,\"time\":\"2026-02-22T10:00:00.5Z\",\"channel\":\"rpm\",\"value\":-1.5e3}", 7,
         TEN_O_CLOCK_US + 500000, "rpm", -1500},
        {"{\"seq\":7,\"time\":\"2026-02-22t10:00:00z\",\"channel\":\"a\\\\b\",\"value\":1E2}\r", 7,
         TEN_O_CLOCK_US, "a\\b", 100},
        {"{\"seq\":9223372036854775807,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":"
         "\"\\ud83d\\ude9c\",\"value\":0}",
         INT64_MAX, TEN_O_CLOCK_US, "\xf0\x9f\x9a\x9c", 0},
        {"{\"seq\":1,\"time\":\"2026-02-22T09:59:60Z\",\"channel\":\"leap\",\"value\":0}", 1, TEN_O_CLOCK_US,
         "leap", 0},
        {"{\"seq\":1,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"a}\",\"value\":0}", 1,
         TEN_O_CLOCK_US, "a}", 0},
    };
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        struct record_reading reading;
        struct error err = {0};
        if (!record_read_reading(view_of(spellings[i].line), &reading, &err))
            fail_msg("%s: %s", spellings[i].line, err.text);
        assert_int_equal(reading.seq, spellings[i].seq);
        assert_int_equal(reading.time_us, spellings[i].time_us);
        assert_true(view_is(reading.channel, spellings[i].channel));
        assert_true(reading.value == spellings[i].value);
    }
}

static void null_is_not_a_number(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"seq\":1,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"a\",\"value\":null}",
        "{\"seq\":1,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"a\",\"value\": null}",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct record_reading reading;
        assert_true(record_read_reading(view_of(lines[i]), &reading, NULL));
        assert_true(isnan(reading.value));
    }
}

#define TIME "\"time\":\"2026-02-22T10:00:00.000000Z\""

static void refuses_what_is_no_record(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "}",
        "{}",
        "null",
        "[]",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1}}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1} x",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":01}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1.}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1e999}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":\"1\"}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":true}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":NaN}",
        "{\"seq\":01," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":-1," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1.5," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":\"1\"," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":9223372036854775808," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":," TIME ",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\tb\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\\nb\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\\u0000b\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"\xff\xfe\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":5,\"value\":1}",
        "{\"seq\":1," TIME ",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\"}",
        "{\"seq\":1,\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1,\"value\":1}",
        "{\"seq\":1," TIME ",\"channel\":\"a\",\"value\":1,\"unit\":\"x\"}",
        "{\"seq\":1,\"time\":\"2026-02-29T10:00:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-13-01T10:00:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-00-01T10:00:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-02-22T24:00:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-02-22T10:60:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-02-22 10:00:00.000000Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-02-22T10:00:00.0000 0Z\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":\"2026-02-22T10:00:00\",\"channel\":\"a\",\"value\":1}",
        "{\"seq\":1,\"time\":1771754400,\"channel\":\"a\",\"value\":1}",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct record_reading reading;
        struct error err = {0};
        if (record_read_reading(view_of(lines[i]), &reading, &err))
            fail_msg("%s was taken for a record", lines[i]);
        assert_int_equal(err.code, ERR_INPUT);
        assert_true(err.text[0] != '\0');
    }
}

static void a_line_cut_anywhere_is_refused(void **state)
{
    (void)state;
    const struct view line = VIEW_LITERAL("{\"seq\":12," TIME ",\"channel\":\"ab\",\"value\":12.5}");
    struct record_reading reading;
    assert_true(record_read_reading(line, &reading, NULL));
    for (size_t size = 0; size < line.size; size++) {
        SCOPE_FREE char *cut = malloc(size + 1); /* so that a read past the end is noticed */
        memcpy(cut, line.data, size);
        assert_false(record_read_reading((struct view){cut, size}, &reading, NULL));
    }
}

static void a_line_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char line[RECORD_LINE_MAX_BYTES];
    memset(line, ' ', sizeof(line));
    static const char record[] = "{\"seq\":12," TIME ",\"channel\":\"ab\",\"value\":12.5}";
    memcpy(line, record, sizeof(record) - 1);
    struct record_reading reading;
    struct error err = {0};
    assert_true(record_read_reading((struct view){line, sizeof(line) - 1}, &reading, &err));
    assert_false(record_read_reading((struct view){line, sizeof(line)}, &reading, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static void channel_names(void **state)
{
    (void)state;
    char name[RECORD_CHANNEL_BYTES + 1];
    memset(name, 'x', sizeof(name));
    assert_true(record_channel_name_ok((struct view){name, RECORD_CHANNEL_BYTES - 1}));
    assert_false(record_channel_name_ok((struct view){name, RECORD_CHANNEL_BYTES}));
    assert_false(record_channel_name_ok(view_of("")));
    assert_false(record_channel_name_ok(view_of("a\nb")));
    assert_false(record_channel_name_ok(view_of("a\x7f")));
    assert_false(record_channel_name_ok(view_of("\xc0\x80")));
    assert_true(record_channel_name_ok(view_of("\xd1\x82 1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_contract_s_line),
        cmocka_unit_test(a_line_without_seq),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(reads_what_it_wrote_at_any_time),
        cmocka_unit_test(reads_other_spellings_of_the_same),
        cmocka_unit_test(null_is_not_a_number),
        cmocka_unit_test(refuses_what_is_no_record),
        cmocka_unit_test(a_line_cut_anywhere_is_refused),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(channel_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
