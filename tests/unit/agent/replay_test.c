#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/replay.h"

static enum replay_answer take(struct replay *replay, int64_t time_us, uint64_t random)
{
    return replay_take(replay, (struct replay_name){.time_us = time_us, .random = random});
}

static void taken_once(void **state)
{
    (void)state;
    struct replay replay;
    replay_init(&replay, INT64_MIN);
    assert_int_equal(take(&replay, 5, 1), REPLAY_TAKEN);
    assert_int_equal(take(&replay, 5, 2), REPLAY_TAKEN);
    assert_int_equal(take(&replay, 4, 1), REPLAY_TAKEN);
    assert_int_equal(take(&replay, 5, 1), REPLAY_USED);
    assert_int_equal(take(&replay, 4, 1), REPLAY_USED);
    replay_clear(&replay);
}

static void nothing_below_the_floor(void **state)
{
    (void)state;
    struct replay replay;
    replay_init(&replay, 1000);
    assert_int_equal(take(&replay, 1000, 0), REPLAY_TOO_OLD);
    assert_int_equal(take(&replay, 999, 0), REPLAY_TOO_OLD);
    assert_int_equal(take(&replay, 1001, 0), REPLAY_TAKEN);
    replay_clear(&replay);
}

static void what_was_forgotten_is_too_old(void **state)
{
    (void)state;
    struct replay replay;
    replay_init(&replay, INT64_MIN);
    for (int64_t i = 0; i < REPLAY_REMEMBERED; i++)
        assert_int_equal(take(&replay, 10 * i, 0), REPLAY_TAKEN);
    assert_int_equal(take(&replay, 10 * REPLAY_REMEMBERED, 0), REPLAY_TAKEN); /* forgets 0 */
    assert_int_equal(take(&replay, 0, 0), REPLAY_TOO_OLD);
    assert_int_equal(take(&replay, -7, 0), REPLAY_TOO_OLD);
    assert_int_equal(take(&replay, 10, 0), REPLAY_USED);
    assert_int_equal(take(&replay, 10 * REPLAY_REMEMBERED, 0), REPLAY_USED);
    assert_int_equal(replay.count, REPLAY_REMEMBERED);
    replay_clear(&replay);
}

/* In any order, never twice: against a plain table of what was used. */
static void any_order(void **state)
{
    (void)state;
    enum { TIMES = 4096, STEPS = 200000 };
    static unsigned char used[TIMES];
    struct replay replay;
    replay_init(&replay, INT64_MIN);
    uint64_t random = 88172645463325252U;
    size_t taken = 0;
    for (int i = 0; i < STEPS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t time = random % TIMES;
        if (take(&replay, (int64_t)time, 0) == REPLAY_TAKEN) {
            assert_int_equal(used[time], 0);
            used[time] = 1;
            taken++;
        }
    }
    assert_true(taken > REPLAY_REMEMBERED);
    for (size_t i = 1; i < replay.count; i++)
        assert_true(replay.used[i - 1].time_us < replay.used[i].time_us);
    replay_clear(&replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_once),
        cmocka_unit_test(nothing_below_the_floor),
        cmocka_unit_test(what_was_forgotten_is_too_old),
        cmocka_unit_test(any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
