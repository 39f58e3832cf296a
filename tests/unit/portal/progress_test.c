#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "portal/progress.h"

#define T0 "2026-02-22T10:00:00.000000Z"
static const int64_t t0_us = INT64_C(1771754400000000);

static struct progress progress;

static void parse(const char *text)
{
    progress_parse(view_of(text), &progress);
}

static const char verify[] =
    "{\"step\":\"verify\",\"pct\":20,\"msg\":\"Verifying...\",\"time\":\"" T0 "\"}\n";
static const char two[] = "{\"step\":\"verify\",\"pct\":20,\"msg\":\"Verifying...\",\"time\":\"" T0 "\"}\n"
                          "{\"step\":\"backup\",\"pct\":40,\"msg\":\"Saving\",\"time\":\"" T0 "\"}\n";

static void reads_lines(void **state)
{
    (void)state;
    parse(two);
    assert_int_equal(progress.count, 2);
    assert_true(progress.run_us == t0_us);
    assert_string_equal(progress.lines[1].step, "backup");
    assert_int_equal(progress.lines[1].pct, 40);
    assert_string_equal(progress.lines[1].msg, "Saving");
    assert_int_equal(progress.lines[1].number, 2);
}

static void a_torn_line_is_not_there_yet(void **state)
{
    (void)state;
    parse("{\"step\":\"verify\",\"pct\":20,\"msg\":\"\"}\n{\"step\":\"backup\",\"pct\":40,\"msg\":\"\"}");
    assert_int_equal(progress.count, 1);
    parse("");
    assert_int_equal(progress.count, 0);
}

static void what_makes_no_sense_is_left_out_and_keeps_its_number(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "no json",
        "[]",
        "{}",
        "{\"step\":\"x\",\"pct\":101,\"msg\":\"\"}",
        "{\"step\":\"x\",\"pct\":-1,\"msg\":\"\"}",
        "{\"step\":\"x\",\"pct\":\"1\",\"msg\":\"\"}",
        "{\"step\":1,\"pct\":1,\"msg\":\"\"}",
        "{\"step\":\"x\",\"pct\":1}",
        "{\"step\":\"abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz\",\"pct\":1,\"msg\":\"\"}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text), "%s%s\n%s", verify, wrong[i],
                 "{\"step\":\"done\",\"pct\":100,\"msg\":\"\"}\n");
        parse(text);
        assert_int_equal(progress.count, 2);
        assert_int_equal(progress.lines[1].number, 3);
    }
}

static void control_characters_become_printable(void **state)
{
    (void)state;
    parse("{\"step\":\"a\\nb\",\"pct\":1,\"msg\":\"x\\u001by\"}\n");
    assert_string_equal(progress.lines[0].step, "a?b");
    assert_string_equal(progress.lines[0].msg, "x?y");
}

static void a_run_is_bounded(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(PROGRESS_FILE_MAX_BYTES);
    for (int i = 0; i < 2 * PROGRESS_LINES_MAX; i++)
        buf_append_text(&text, verify);
    progress_parse(buf_view(&text), &progress);
    assert_int_equal(progress.count, PROGRESS_LINES_MAX);
}

static size_t seen(const char *id, bool expected_same_run)
{
    bool same_run;
    size_t count = progress_seen(&progress, id, &same_run);
    assert_int_equal(same_run, expected_same_run);
    return count;
}

static void an_id_says_what_was_seen(void **state)
{
    (void)state;
    char id[PROGRESS_ID_BYTES];
    parse(two);
    progress_id(&progress, &progress.lines[0], id);
    assert_string_equal(id, "1771754400000000-1");
    assert_int_equal(seen(id, true), 1);
    progress_id(&progress, &progress.lines[1], id);
    assert_int_equal(seen(id, true), 2);
    assert_int_equal(seen("1771754400000000-77", true), 2);
    static const char *const others[] = {NULL,
                                         "",
                                         "1",
                                         "-1",
                                         "1771754400000000",
                                         "1771754400000000-",
                                         "1771754400000000-0",
                                         "1771754400000001-1",
                                         "1771754400000000-1x",
                                         "1771754400000000-99999999999999999999"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(seen(others[i], false), 0);
}

static void a_run_before_the_approval_is_another_ones(void **state)
{
    (void)state;
    struct pending pending = {.state = UPDATE_APPROVED, .approved_us = t0_us};
    parse(two);
    assert_true(progress_belongs(&progress, &pending));
    pending.approved_us = t0_us + 1;
    assert_false(progress_belongs(&progress, &pending));
    pending.state = UPDATE_PENDING;
    assert_false(progress_belongs(&progress, &pending));
    pending.state = UPDATE_REJECTED;
    assert_false(progress_belongs(&progress, &pending));
    pending.state = UPDATE_ROLLED_BACK;
    assert_true(progress_belongs(&progress, &pending));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(a_torn_line_is_not_there_yet),
        cmocka_unit_test(what_makes_no_sense_is_left_out_and_keeps_its_number),
        cmocka_unit_test(control_characters_become_printable),
        cmocka_unit_test(a_run_is_bounded),
        cmocka_unit_test(an_id_says_what_was_seen),
        cmocka_unit_test(a_run_before_the_approval_is_another_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
