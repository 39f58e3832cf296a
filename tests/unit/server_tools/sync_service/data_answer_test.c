#include "server_tools/sync_service/data_answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON 1771754400000000 /* 2026-02-22T10:00:00Z */
#define FROM "\"from\":\"2026-02-22T10:00:00.000000Z\""
#define TO   "\"to\":\"2026-02-22T10:01:00.000000Z\""
#define ROW  "{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3,\"value\":1.5}"

static const struct window asked = {NOON, NOON + 60 * US_PER_S};

/* In pieces of so many bytes, each of its own memory: a look beyond one is seen by ASan. */
static bool feed(struct data_answer *answer, const char *text, size_t piece, struct error *err)
{
    for (size_t at = 0, size = strlen(text); at < size; at += piece) {
        size_t count = size - at < piece ? size - at : piece;
        char *copy = malloc(count);
        memcpy(copy, text + at, count);
        bool fed = data_answer_feed(answer, (struct view){copy, count}, err);
        free(copy);
        if (!fed)
            return false;
    }
    return data_answer_end(answer, err);
}

static struct data_answer *read_well(const char *text, size_t piece)
{
    struct error err = {.code = ERR_NONE};
    struct data_answer *answer = data_answer_new(asked, &err);
    if (!feed(answer, text, piece, &err))
        fail_msg("%s: %s", text, err.text);
    return answer;
}

static void expect_refused(const char *text, const char *why)
{
    static const size_t pieces[] = {1, 7, 100000};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct error err = {.code = ERR_NONE};
        struct data_answer *answer = data_answer_new(asked, &err);
        if (feed(answer, text, pieces[i], &err))
            fail_msg("taken: %s", text);
        if (strstr(err.text, why) == NULL)
            fail_msg("%s: `%s`, but not `%s`", text, err.text, why);
        data_answer_free(answer);
    }
}

static void every_spelling_is_read(void **state)
{
    static const char *const texts[] = {
        "{" FROM "," TO ",\"truncated\":false,\"count\":1,\"rows\":[" ROW "]}",
        "{\"rows\":[" ROW "],\"count\":1,\"truncated\":false," TO "," FROM "}",
        " {\n\t\"count\" : 1 , \"rows\" : [ " ROW " ] , \"truncated\" : false }\r\n",
        "{\"truncated\":false,\"count\":1,\"rows\":[{\"time\": \"2026-02-22T10:00:05.000000Z\", "
        "\"channel_id\": 3,"
        " \"value\": 1.5}]}",
        "{\"truncated\":false,\"count\":1,\"rows\":[{\"value\":15e-1,\"channel_id\":3,\"quality\":[1,2],"
        "\"time\":\"2026-02-22T12:00:05+02:00\"}],\"unit\":\"a\\\"}]\"}",
        "{\"tru\\u006ecated\":false,\"count\":1,\"rows\":[{\"\\u0074ime\":\"2026-02-22T10:00:05Z\",\"channel_"
        "id\":3,"
        "\"value\":1.5}]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t piece = 1; piece < strlen(texts[i]) + 1; piece++) {
            struct data_answer *answer = read_well(texts[i], piece);
            size_t count;
            assert_false(data_answer_truncated(answer));
            assert_int_equal(data_answer_row_count(answer), 1);
            struct central_row *rows = data_answer_take_rows(answer, &count);
            assert_int_equal(count, 1);
            assert_int_equal(rows[0].time_us, NOON + 5 * US_PER_S);
            assert_int_equal(rows[0].channel_id, 3);
            assert_true(rows[0].value == 1.5);
            free(rows);
            data_answer_free(answer);
        }
    }
}

static void one_row(const char *row, int64_t time_us, int32_t channel_id, double value)
{
    char text[512];
    size_t count;
    snprintf(text, sizeof(text), "{\"truncated\":false,\"count\":1,\"rows\":[%s]}", row);
    struct data_answer *answer = read_well(text, 100000);
    struct central_row *rows = data_answer_take_rows(answer, &count);
    assert_int_equal(rows[0].time_us, time_us);
    assert_int_equal(rows[0].channel_id, channel_id);
    assert_true(isnan(value) ? isnan(rows[0].value) : rows[0].value == value);
    free(rows);
    data_answer_free(answer);
}

static void values_and_ends_of_ranges(void **state)
{
    (void)state;
    one_row("{\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel_id\":0,\"value\":null}", NOON, 0, NAN);
    one_row("{\"time\":\"2026-02-22T10:00:59.999999Z\",\"channel_id\":2147483647,\"value\":-0.25}",
            NOON + 59999999, INT32_MAX, -0.25);
    one_row("{\"time\":\"2026-02-22T10:00:01.5Z\",\"channel_id\":7,\"value\":1e308}", NOON + 1500000, 7,
            1e308);
}

static void nothing_and_all_of_a_window(void **state)
{
    (void)state;
    struct data_answer *answer = read_well("{\"truncated\":true,\"count\":0,\"rows\":[]}", 3);
    size_t count;
    assert_true(data_answer_truncated(answer));
    assert_null(data_answer_take_rows(answer, &count));
    assert_int_equal(count, 0);
    data_answer_free(answer);
}

static void truncated_is_known_before_the_end(void **state)
{
    (void)state;
    struct error err;
    struct data_answer *answer = data_answer_new(asked, &err);
    assert_true(data_answer_feed(answer, VIEW_LITERAL("{\"truncated\":true,"), &err));
    assert_true(data_answer_truncated(answer));
    data_answer_free(answer);
}

#define WITH(rows) "{\"truncated\":false,\"count\":1,\"rows\":[" rows "]}"
#define AT(time)   "{\"time\":\"" time "\",\"channel_id\":3,\"value\":1}"

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "too early"},
        {"<html>", "not the JSON"},
        {"[]", "not the JSON"},
        {"{}", "lacks"},
        {"{" FROM "}", "lacks"},
        {"{\"truncated\":false,\"count\":1,\"rows\":[" ROW "]", "too early"},
        {"{\"truncated\":false,\"count\":1,\"rows\":[" ROW "]}x", "behind"},
        {"{\"truncated\":false,\"count\":2,\"rows\":[" ROW "]}", "`count` says 2"},
        {"{\"truncated\":false,\"count\":-1,\"rows\":[]}", "`count`"},
        {"{\"truncated\":0,\"count\":0,\"rows\":[]}", "`truncated`"},
        {"{\"truncated\":false,\"count\":0,\"rows\":{}}", "`rows`"},
        {"{\"truncated\":false,\"count\":0,\"rows\":[]],}", "not the JSON"},
        {"{\"truncated\":false,\"count\":0,\"rows\":[],}", "name of a member"},
        {"{\"truncated\":false,\"truncated\":false,\"count\":0,\"rows\":[]}", "twice"},
        {"{\"x\":1,\"x\":2}", "twice"},
        {"{\"x\":[1]}", "byte 5"},
        {"{\"from\":\"2026-02-22T09:00:00Z\"}", "`from`"},
        {"{\"to\":\"2026-02-22T11:00:00.000000Z\"}", "`to`"},
        {"{\"to\":5}", "`to`"},
        {WITH("1"), "a row"},
        {WITH("[]"), "a row"},
        {WITH("{}"), "`time`"},
        {WITH("{\"time\":5,\"channel_id\":3,\"value\":1}"), "`time`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3}"), "`value`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":-1,\"value\":1}"), "`channel_id`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":2147483648,\"value\":1}"),
         "`channel_id`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":1.5,\"value\":1}"), "`channel_id`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":03,\"value\":1}"), "byte"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3,\"value\":NaN}"), "byte"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3,\"value\":\"1\"}"), "`value`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3,\"value\":1e999}"), "`value`"},
        {WITH("{\"time\":\"2026-02-22T10:00:05.000000Z\",\"channel_id\":3,\"value\":1,\"value\":2}"), "byte"},
        {WITH("{\"time\":\"2026-02-31T10:00:05.000000Z\",\"channel_id\":3,\"value\":1}"), "`time`"},
        {WITH(AT("2026-02-22T10:01:00.000000Z")), "outside the window"},
        {WITH(AT("2026-02-22T09:59:59.999999Z")), "outside the window"},
        {WITH(AT("2026-02-22T10:00:05.000001Z") "," AT("2026-02-22T10:00:05.000000Z")), "wrong time order"},
        {WITH(ROW ROW), "not the JSON"},
        {WITH(ROW ","), "a row"},
        {WITH("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
              "\"a\":{\"a\":"
              "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
              "\"a\":{\"a\":"
              "{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"),
         "deep"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect_refused(cases[i].text, cases[i].why);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    char *text = malloc(8192);
    int size = snprintf(text, 8192, "{\"truncated\":false,\"count\":1,\"rows\":[{\"x\":\"");
    memset(text + size, 'a', 4000);
    snprintf(text + size + 4000, 100, "\"}]}");
    expect_refused(text, "longer than 1024");
    size = snprintf(text, 8192, "{\"x\":\"");
    memset(text + size, 'a', 4000);
    snprintf(text + size + 4000, 100, "\"}");
    expect_refused(text, "longer than 1024");
    size = snprintf(text, 8192, "{\"count\":1");
    memset(text + size, '1', 4000);
    snprintf(text + size + 4000, 100, "}");
    expect_refused(text, "longer than 1024");
    size = snprintf(text, 8192, "{");
    for (int i = 0; i < 40; i++)
        size += snprintf(text + size, 100, "\"x%d\":1,", i);
    snprintf(text + size, 100, "\"y\":1}");
    expect_refused(text, "too many unknown ones");
    free(text);
}

/* 100,000 rows are taken, one more is not; blanks cost nothing however many there are. */
static void rows_are_bounded(void **state)
{
    struct error err = {.code = ERR_NONE};
    struct data_answer *answer = data_answer_new(asked, &err);
    (void)state;
    assert_true(
        data_answer_feed(answer, VIEW_LITERAL("{\"truncated\":false,\"count\":100000,\"rows\":["), &err));
    for (int i = 0; i < DATA_ANSWER_MAX_ROWS; i++) {
        if (i > 0)
            assert_true(data_answer_feed(answer, VIEW_LITERAL(" , "), &err));
        assert_true(data_answer_feed(answer, VIEW_LITERAL(ROW), &err));
    }
    assert_int_equal(data_answer_row_count(answer), DATA_ANSWER_MAX_ROWS);
    assert_false(data_answer_feed(answer, VIEW_LITERAL("," ROW), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    data_answer_free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_read),
        cmocka_unit_test(values_and_ends_of_ranges),
        cmocka_unit_test(nothing_and_all_of_a_window),
        cmocka_unit_test(truncated_is_known_before_the_end),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(rows_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
