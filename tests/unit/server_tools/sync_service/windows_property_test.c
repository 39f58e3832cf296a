/* A made-up vehicle with a clock that is stepped, links that break, answers that are truncated, commits that
 * are lost and services that are killed: whatever happens, nothing that it measured is skipped. The driver
 * below does with windows.h what outbound_pull.c and outbound_gap.c do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server_tools/sync_service/windows.h"

#define S    ((int64_t)US_PER_S)
#define HOUR (3600 * S)

enum {
    WORLDS = 100,
    TURNS = 150,
    QUIET_TURNS = 400, /* at the end: nothing goes wrong any more */
    ROWS_MAX = 40000,
    ANSWER_ROWS = 40,
};

struct row {
    int64_t time_us;
    size_t written; /* the how many-th */
    bool home;
};

struct world {
    uint32_t random;
    int64_t now_us, offset_us;
    struct row rows[ROWS_MAX]; /* by time */
    size_t count;
    int64_t asked_us; /* when it was asked for its clock last, of ours */
    size_t seen;      /* rows that were there at the last /status */
    /* what PostgreSQL has */
    struct windows home;
    int64_t old_offset_us, old_checked_us;
    /* what the service has in memory */
    struct windows_ahead ahead;
    struct window ahead_window;
    struct window_steps steps, ahead_steps;
    bool narrow;
};

static const struct windows_limits limits = {.first_us = 60 * S, .settle_us = 2 * S, .skew_us = 300 * S};

static uint32_t draw(struct world *world, uint32_t below)
{
    world->random = world->random * 1664525u + 1013904223u;
    return (world->random >> 8) % below;
}

static size_t first_from(const struct world *world, int64_t time_us)
{
    size_t low = 0;
    size_t high = world->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (world->rows[middle].time_us < time_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void write_row(struct world *world, int64_t time_us)
{
    if (world->count == ROWS_MAX)
        return;
    size_t at = first_from(world, time_us);
    for (; at < world->count && world->rows[at].time_us == time_us; at++)
        time_us++; /* as the store does */
    memmove(world->rows + at + 1, world->rows + at, (world->count - at) * sizeof(struct row));
    world->rows[at] = (struct row){time_us, world->count, false};
    world->count++;
}

/* The time passes; a reading each every_us. */
static void live_on(struct world *world, int64_t us, int64_t every_us)
{
    for (int64_t end_us = world->now_us + us; world->now_us < end_us; world->now_us += every_us)
        write_row(world, world->now_us + world->offset_us);
}

/* How many rows the window has; -1: truncated. */
static int64_t ask(const struct world *world, struct window window)
{
    size_t from = first_from(world, window.from_us);
    size_t to = first_from(world, window.to_us);
    return to - from > ANSWER_ROWS ? -1 : (int64_t)(to - from);
}

static void bring_home(struct world *world, struct window window)
{
    for (size_t i = first_from(world, window.from_us);
         i < world->count && world->rows[i].time_us < window.to_us; i++)
        world->rows[i].home = true;
}

/* What counts as home is home, but for what the vehicle wrote since it was asked for its clock. */
static void check(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct row *row = &world->rows[i];
        bool counts = row->time_us < world->home.last_us ||
                      (world->home.live_from_us != WINDOWS_NONE && row->time_us >= world->home.live_from_us &&
                       row->time_us < world->home.live_to_us);
        if (counts && !row->home && row->written < world->seen)
            fail_msg("row %zu of %zu was skipped", row->written, world->count);
    }
}

/* The live window, shorter while it is truncated. */
static void live(struct world *world, const struct windows_clock *clock, struct window_plan *plan, bool lose)
{
    struct error err;
    bool ahead_home = true;
    if (!window_is_empty(plan->live))
        while (ask(world, plan->live) < 0)
            assert_true(windows_narrow(&plan->live, limits.first_us, &err));
    if (!window_is_empty(plan->ahead))
        ahead_home = ask(world, plan->ahead) >= 0;
    if (lose)
        return;
    bring_home(world, plan->live);
    if (!window_is_empty(plan->ahead) && ahead_home) {
        bring_home(world, plan->ahead);
        world->ahead.done_us = plan->ahead.to_us;
    }
    world->ahead_window = ahead_home ? (struct window){0, 0} : plan->ahead;
    world->home = windows_add(plan->home, plan->live);
    bool moves = ahead_home || !plan->fell;
    windows_committed(&world->ahead, clock, moves);
    if (moves) {
        world->old_offset_us = world->offset_us;
        world->old_checked_us = world->now_us;
    }
}

static void turn(struct world *world, bool lose)
{
    const struct windows_clock clock = {world->now_us + world->offset_us, world->now_us, world->now_us,
                                        world->old_offset_us, world->old_checked_us};
    world->seen = world->count;
    world->asked_us = world->now_us;
    struct window_plan plan = windows_plan(world->home, &clock, &limits, world->narrow, &world->ahead);
    bool was_never = world->home.last_us == WINDOWS_NONE;
    if (!was_never || !lose)
        world->home = plan.home; /* what a fall took back counts no more, whatever comes of the turn */
    if (was_never && !lose)      /* what is older than the first pull stays where it is */
        bring_home(world, (struct window){INT64_MIN, INT64_MAX});
    live(world, &clock, &plan, lose);
    check(world);
}

static void fill_piece(struct world *world, bool lose)
{
    struct error err;
    struct window gap = windows_gap(world->home);
    bool is_ahead = window_is_empty(gap);
    struct window window = is_ahead ? world->ahead_window : gap;
    struct window_steps *steps = is_ahead ? &world->ahead_steps : &world->steps;
    if (window_is_empty(window)) {
        *steps = (struct window_steps){0};
        return;
    }
    if (!is_ahead)
        windows_steps_begin(steps, world->home.live_to_us - world->home.last_us);
    else if (steps->base_us == 0)
        steps->base_us = steps->step_us = window.to_us - window.from_us;
    struct window piece = windows_piece(steps, window);
    int64_t rows = ask(world, piece);
    if (rows < 0) {
        assert_true(windows_piece_halve(steps, piece, &err));
        return;
    }
    windows_piece_whole(steps, (size_t)rows, ANSWER_ROWS);
    if (lose)
        return;
    bring_home(world, piece);
    if (is_ahead)
        world->ahead.done_us = world->ahead_window.from_us = piece.to_us;
    else
        world->home = windows_add(world->home, piece);
    check(world);
}

static void restart(struct world *world)
{
    world->ahead = WINDOWS_AHEAD_NONE;
    world->ahead_window = (struct window){0, 0};
    world->steps = world->ahead_steps = (struct window_steps){0};
    world->narrow = false;
}

/* What a clock did between two references is known to memory alone: a service that is killed there as well
 * can know nothing of it. */
static void restart_after_a_turn(struct world *world)
{
    if (world->old_checked_us == world->asked_us)
        restart(world);
}

static void step_clock(struct world *world)
{
    static const int64_t sizes[] = {S, 10 * S, 600 * S, 5 * HOUR, 60 * HOUR};
    int64_t by_us = (int64_t)draw(world, 1000) * sizes[draw(world, COUNT_OF(sizes))] / 1000;
    world->offset_us += draw(world, 2) == 0 ? by_us : -by_us;
}

static void something_happens(struct world *world)
{
    switch (draw(world, 12)) {
    case 0:
        step_clock(world);
        break;
    case 1: /* out of reach, also for days */
        live_on(world, (int64_t)draw(world, 100) * 2000 * S, 1500 * S);
        break;
    case 2:
        live_on(world, 600 * S, 2 * S);
        break;
    case 3:
        restart_after_a_turn(world);
        break;
    case 4:
        world->narrow = draw(world, 2) == 0;
        break;
    default:
        break;
    }
}

static void run_world(struct world *world, uint32_t seed)
{
    memset(world, 0, sizeof(*world));
    world->random = seed;
    world->now_us = 1771754400 * S;
    world->offset_us = (int64_t)draw(world, 3) * 24 * HOUR - 24 * HOUR;
    world->home = (struct windows){WINDOWS_NONE, WINDOWS_NONE, WINDOWS_NONE};
    world->old_offset_us = world->old_checked_us = WINDOWS_NONE;
    restart(world);
    live_on(world, 65 * S, 10 * S);
    for (int i = 0; i < TURNS; i++) {
        live_on(world, 15 * S, 5 * S);
        something_happens(world);
        live_on(world, 15 * S, 5 * S);
        turn(world, draw(world, 8) == 0);
        for (uint32_t pieces = draw(world, 6); pieces > 0; pieces--)
            fill_piece(world, draw(world, 8) == 0);
    }
    for (int i = 0; i < QUIET_TURNS; i++) {
        world->now_us += 30 * S;
        turn(world, false);
        for (int pieces = 0; pieces < 20; pieces++)
            fill_piece(world, false);
    }
    for (size_t i = 0; i < world->count; i++)
        if (!world->rows[i].home && world->rows[i].time_us < world->now_us + world->offset_us)
            fail_msg("world %u: row %zu of %zu never came home", seed, world->rows[i].written, world->count);
}

static void nothing_is_skipped(void **state)
{
    struct world *world = malloc(sizeof(*world));
    (void)state;
    assert_non_null(world);
    for (uint32_t seed = 1; seed <= WORLDS; seed++)
        run_world(world, seed);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
