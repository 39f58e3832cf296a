/* The windows of a turn, case by case; that nothing is ever skipped is windows_property_test.c. */
#include "server_tools/sync_service/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/rfc3339.h"

#define S      ((int64_t)US_PER_S)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define NOON   (1771754400 * S) /* 2026-02-22T10:00:00Z */
#define NONE   WINDOWS_NONE

static const struct windows_limits limits = {.first_us = 60 * S, .settle_us = 2 * S, .skew_us = 300 * S};
static const struct windows never = {NONE, NONE, NONE};

static void expect_window(struct window window, int64_t from_us, int64_t to_us)
{
    assert_int_equal(window.from_us, from_us);
    assert_int_equal(window.to_us, to_us);
}

static void expect_home(struct windows home, int64_t last_us, int64_t from_us, int64_t to_us)
{
    assert_int_equal(home.last_us, last_us);
    assert_int_equal(home.live_from_us, from_us);
    assert_int_equal(home.live_to_us, to_us);
}

/* The vehicle says vehicle_us when our clock says now_us; its clock was off by old_offset_us at checked_us.
 */
static struct window_plan plan_of(struct windows home, int64_t vehicle_us, int64_t now_us,
                                  int64_t old_offset_us, int64_t checked_us)
{
    const struct windows_clock clock = {vehicle_us, now_us, now_us, old_offset_us, checked_us};
    struct windows_ahead ahead = WINDOWS_AHEAD_NONE;
    return windows_plan(home, &clock, &limits, false, &ahead);
}

static void what_came_joins_what_is_home(void **state)
{
    static const struct {
        struct windows home;
        struct window window;
        struct windows expected;
    } cases[] = {
        {{100, NONE, NONE}, {100, 150}, {150, NONE, NONE}},
        {{100, NONE, NONE}, {90, 150}, {150, NONE, NONE}},
        {{100, NONE, NONE}, {40, 90}, {100, NONE, NONE}},
        {{100, NONE, NONE}, {100, 100}, {100, NONE, NONE}},
        {{100, NONE, NONE}, {500, 600}, {100, 500, 600}}, /* a gap begins */
        {{100, 500, 600}, {600, 630}, {100, 500, 630}},   /* the live range goes on */
        {{100, 500, 600}, {480, 500}, {100, 480, 600}},   /* or grows backwards */
        {{100, 500, 600}, {100, 200}, {200, 500, 600}},   /* the gap shrinks */
        {{100, 500, 600}, {100, 500}, {600, NONE, NONE}}, /* and closes */
        {{100, 500, 600}, {100, 700}, {700, NONE, NONE}},
        {{100, 500, 600}, {900, 950}, {100, 900, 950}}, /* one range is kept: the latest */
        {{100, 500, 600}, {90, 80}, {100, 500, 600}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct windows home = windows_add(cases[i].home, cases[i].window);
        expect_home(home, cases[i].expected.last_us, cases[i].expected.live_from_us,
                    cases[i].expected.live_to_us);
    }
}

static void home_is_taken_back(void **state)
{
    (void)state;
    expect_home(windows_rewind((struct windows){100, 500, 600}, 700), 100, 500, 600);
    expect_home(windows_rewind((struct windows){100, 500, 600}, 550), 100, 500, 550);
    expect_home(windows_rewind((struct windows){100, 500, 600}, 300), 100, NONE, NONE);
    expect_home(windows_rewind((struct windows){100, 500, 600}, 50), 50, NONE, NONE);
    expect_home(windows_rewind((struct windows){100, NONE, NONE}, 50), 50, NONE, NONE);
    expect_home(windows_rewind((struct windows){100, NONE, NONE}, 150), 100, NONE, NONE);
}

static void a_first_pull_asks_for_its_last_minute(void **state)
{
    (void)state;
    struct window_plan plan = plan_of(never, NOON, NOON, NONE, NONE);
    expect_window(plan.live, NOON - 60 * S, NOON - 2 * S);
    assert_true(window_is_empty(plan.ahead));
    assert_false(plan.fell);
    /* in its own clock, whatever that is */
    plan = plan_of(never, NOON - 400 * HOUR, NOON, NONE, NONE);
    expect_window(plan.live, NOON - 400 * HOUR - 60 * S, NOON - 400 * HOUR - 2 * S);
}

static void the_next_one_goes_on_where_it_ended(void **state)
{
    (void)state;
    int64_t last_us = NOON - 32 * S;
    struct window_plan plan = plan_of((struct windows){last_us, NONE, NONE}, NOON, NOON, 0, NOON - 30 * S);
    expect_window(plan.live, last_us, NOON - 2 * S);
    /* a day and less is one request */
    last_us = NOON - 2 * S - 24 * HOUR;
    plan = plan_of((struct windows){last_us, NONE, NONE}, NOON, NOON, 0, last_us);
    expect_window(plan.live, last_us, NOON - 2 * S);
    /* beside a gap the live range goes on */
    plan = plan_of((struct windows){last_us, NOON - MINUTE, NOON - 30 * S}, NOON, NOON, 0, last_us);
    expect_window(plan.live, NOON - 30 * S, NOON - 2 * S);
    /* nothing is new */
    plan = plan_of((struct windows){NOON, NONE, NONE}, NOON, NOON, 0, NOON);
    assert_true(window_is_empty(plan.live));
}

static void more_than_a_day_is_a_gap_at_once(void **state)
{
    (void)state;
    int64_t last_us = NOON - 2 * S - 24 * HOUR - 1;
    struct windows home = {last_us, NONE, NONE};
    struct window_plan plan = plan_of(home, NOON, NOON, 0, last_us);
    expect_window(plan.live, NOON - 62 * S, NOON - 2 * S);
    home = windows_add(plan.home, plan.live);
    expect_window(windows_gap(home), last_us, NOON - 62 * S);
    struct window_steps steps = {0};
    windows_steps_begin(&steps, home.live_to_us - home.last_us);
    expect_window(windows_piece(&steps, windows_gap(home)), last_us, last_us + HOUR);
}

static void a_truncated_window_becomes_a_live_one_and_a_gap(void **state)
{
    (void)state;
    struct error err;
    struct window live = {NOON - 20 * HOUR, NOON};
    assert_true(windows_narrow(&live, limits.first_us, &err));
    expect_window(live, NOON - 60 * S, NOON);
    assert_true(windows_narrow(&live, limits.first_us, &err));
    expect_window(live, NOON - 30 * S, NOON);
    unsigned halvings = 0;
    while (windows_narrow(&live, limits.first_us, &err))
        halvings++;
    expect_window(live, NOON - 1, NOON);
    assert_int_equal(halvings, 24); /* 30 s are 2^24.8 us */
    assert_non_null(strstr(err.text, "one microsecond"));

    struct windows home =
        windows_add((struct windows){NOON - 20 * HOUR, NONE, NONE}, (struct window){NOON - 60 * S, NOON});
    struct window_steps steps = {0};
    windows_steps_begin(&steps, home.live_to_us - home.last_us);
    expect_window(windows_piece(&steps, windows_gap(home)), NOON - 20 * HOUR, NOON - 20 * HOUR + 10 * MINUTE);
}

static void an_answer_that_was_too_much_makes_the_next_turn_narrow(void **state)
{
    (void)state;
    const struct windows_clock clock = {NOON, NOON, NOON, 0, NOON - HOUR};
    struct windows_ahead ahead = WINDOWS_AHEAD_NONE;
    struct window_plan plan =
        windows_plan((struct windows){NOON - HOUR, NONE, NONE}, &clock, &limits, true, &ahead);
    expect_window(plan.live, NOON - 62 * S, NOON - 2 * S);
}

static void pieces_are_halved_and_grow_again(void **state)
{
    (void)state;
    struct error err;
    struct window gap = {NOON, NOON + 5 * HOUR};
    struct window_steps steps = {0};
    windows_steps_begin(&steps, 5 * HOUR);
    struct window piece = windows_piece(&steps, gap);
    assert_true(windows_piece_halve(&steps, piece, &err));
    piece = windows_piece(&steps, gap);
    expect_window(piece, NOON, NOON + 5 * MINUTE);
    gap.from_us = piece.to_us;
    for (int i = 0; i < WINDOWS_WHOLE_MIN; i++) {
        expect_window(windows_piece(&steps, gap), NOON + 5 * MINUTE, NOON + 10 * MINUTE);
        windows_piece_whole(&steps, 90000, 100000); /* dense */
    }
    expect_window(windows_piece(&steps, gap), NOON + 5 * MINUTE, NOON + 10 * MINUTE);
    windows_piece_whole(&steps, 10, 100000);
    expect_window(windows_piece(&steps, gap), NOON + 5 * MINUTE, NOON + 15 * MINUTE);
    /* the last one ends where the gap ends */
    gap.from_us = gap.to_us - S;
    expect_window(windows_piece(&steps, gap), gap.to_us - S, gap.to_us);
    steps.step_us = 1;
    piece = windows_piece(&steps, gap);
    assert_false(windows_piece_halve(&steps, piece, &err));
}

/* A clock that began in 1970 and was set: half a million hours without a reading. */
static void a_desert_is_crossed_in_few_requests(void **state)
{
    (void)state;
    struct window gap = {0, NOON};
    struct window_steps steps = {0};
    windows_steps_begin(&steps, NOON);
    unsigned requests = 0;
    for (; !window_is_empty(gap) && requests < 1000; requests++) {
        gap.from_us = windows_piece(&steps, gap).to_us;
        windows_piece_whole(&steps, 0, 100000);
    }
    assert_true(window_is_empty(gap));
    assert_in_range(requests, WINDOWS_EMPTY_MAX, WINDOWS_EMPTY_MAX + 20);
    /* the first readings end the strides */
    windows_piece_whole(&steps, 5, 100000);
    assert_int_equal(steps.step_us, HOUR);
}

static void a_clock_that_was_stepped_back_is_followed(void **state)
{
    (void)state;
    struct windows home = {NOON - 2 * S, NONE, NONE};
    int64_t now_us = NOON + 30 * S;
    /* an hour back, 30 s after the last poll */
    struct window_plan plan = plan_of(home, now_us - HOUR, now_us, 0, NOON);
    assert_true(plan.fell);
    expect_home(plan.home, NOON - HOUR - 2 * S, NONE, NONE);
    expect_window(plan.live, NOON - HOUR - 2 * S, now_us - HOUR - 2 * S);
    /* and what it wrote before the step, after the last poll */
    expect_window(plan.ahead, NOON - 2 * S, now_us + S);
    /* a second is within what settles anyway */
    plan = plan_of(home, now_us - S, now_us, 0, NOON);
    assert_false(plan.fell);
    expect_window(plan.live, NOON - 2 * S, now_us - 3 * S);
}

/* Up and down again while no turn succeeded: the offset of the reference alone would not tell. */
static void a_peak_between_two_references_is_remembered(void **state)
{
    (void)state;
    struct windows home = {NOON - 2 * S, NONE, NONE};
    struct windows_ahead ahead = WINDOWS_AHEAD_NONE;
    const struct windows_clock up = {NOON + 30 * S + HOUR, NOON + 30 * S, NOON + 30 * S, 0, NOON};
    assert_false(windows_plan(home, &up, &limits, false, &ahead).fell); /* this one is not committed */
    const struct windows_clock down = {NOON + 60 * S, NOON + 60 * S, NOON + 60 * S, 0, NOON};
    struct window_plan plan = windows_plan(home, &down, &limits, false, &ahead);
    assert_true(plan.fell);
    expect_window(plan.live, NOON - 2 * S, NOON + 58 * S);
    expect_window(plan.ahead, NOON + 58 * S, NOON + 60 * S + HOUR + S);
}

static void a_slow_answer_hides_no_fall(void **state)
{
    (void)state;
    struct windows home = {NOON - 2 * S, NONE, NONE};
    /* it fell by 1.5 s; the first answer was 3 s on its way back, this one 3 s on its way there */
    struct windows_clock first = {NOON, NOON, NOON + 3 * S, NONE, NONE};
    const struct windows_clock clock = {NOON + 31500000, NOON + 30 * S, NOON + 33 * S, windows_offset(&first),
                                        NOON};
    struct windows_ahead ahead = WINDOWS_AHEAD_NONE;
    assert_true(windows_plan(home, &clock, &limits, false, &ahead).fell);
}

static void a_clock_far_ahead_is_fetched_in_two_parts(void **state)
{
    (void)state;
    int64_t offset_us = 48 * HOUR;
    struct windows home = {NOON + 270 * S, NONE, NONE};
    struct window_plan plan = plan_of(home, NOON + offset_us, NOON, offset_us, NOON - 30 * S);
    expect_window(plan.live, NOON + 270 * S, NOON + 300 * S); /* never behind our now + skew */
    expect_window(plan.ahead, NOON + 300 * S, NOON + offset_us - 2 * S);
    assert_false(plan.fell);
    /* what came once is not asked for again */
    const struct windows_clock clock = {NOON + offset_us, NOON, NOON, offset_us, NOON - 30 * S};
    struct windows_ahead ahead = WINDOWS_AHEAD_NONE;
    ahead.done_us = NOON + offset_us - 32 * S;
    plan = windows_plan(home, &clock, &limits, false, &ahead);
    expect_window(plan.ahead, NOON + offset_us - 32 * S, NOON + offset_us - 2 * S);
    /* a first pull: its last minute */
    plan = plan_of(never, NOON + offset_us, NOON, NONE, NONE);
    expect_window(plan.ahead, NOON + offset_us - 62 * S, NOON + offset_us - 2 * S);
    assert_int_equal(plan.live.to_us, NOON + 300 * S);
}

/* A request names times of the years 0 to 9999 alone: one that says more is answered for less. */
static void a_clock_at_the_end_of_all_times_is_come_back_from(void **state)
{
    (void)state;
    struct windows home = {NOON, NONE, NONE};
    /* it said 9999-12-31T23:59:59.999999Z half a minute ago */
    struct window_plan plan = plan_of(home, NOON + 30 * S, NOON + 30 * S, RFC3339_LAST_US - NOON, NOON);
    assert_true(plan.fell);
    expect_window(plan.live, NOON - 2 * S, NOON + 28 * S);
    expect_window(plan.ahead, NOON + 28 * S, RFC3339_LAST_US);
    /* nor does it begin before the first of them */
    plan = plan_of(never, RFC3339_FIRST_US + 5 * S, NOON, NONE, NONE);
    expect_window(plan.live, RFC3339_FIRST_US, RFC3339_FIRST_US + 3 * S);
}

static void a_last_sync_that_nothing_explains_is_begun_anew(void **state)
{
    (void)state;
    struct windows home = {NOON + 1000 * HOUR, NONE, NONE};
    struct window_plan plan = plan_of(home, NOON, NOON, NONE, NONE);
    expect_window(plan.live, NOON - 60 * S, NOON - 2 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_joins_what_is_home),
        cmocka_unit_test(home_is_taken_back),
        cmocka_unit_test(a_first_pull_asks_for_its_last_minute),
        cmocka_unit_test(the_next_one_goes_on_where_it_ended),
        cmocka_unit_test(more_than_a_day_is_a_gap_at_once),
        cmocka_unit_test(a_truncated_window_becomes_a_live_one_and_a_gap),
        cmocka_unit_test(an_answer_that_was_too_much_makes_the_next_turn_narrow),
        cmocka_unit_test(pieces_are_halved_and_grow_again),
        cmocka_unit_test(a_desert_is_crossed_in_few_requests),
        cmocka_unit_test(a_clock_that_was_stepped_back_is_followed),
        cmocka_unit_test(a_peak_between_two_references_is_remembered),
        cmocka_unit_test(a_slow_answer_hides_no_fall),
        cmocka_unit_test(a_clock_far_ahead_is_fetched_in_two_parts),
        cmocka_unit_test(a_clock_at_the_end_of_all_times_is_come_back_from),
        cmocka_unit_test(a_last_sync_that_nothing_explains_is_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
