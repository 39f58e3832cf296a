#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server_tools/sync_service/rollout_state.h"

static void waves_are_numbers_or_parts(void **state)
{
    static const struct {
        const char *text;
        int64_t vehicles;
        const char *up_to; /* NULL: refused */
    } cases[] = {
        {"1,10%,100%", 100, "1 10 100 "},
        {"1,10%,100%", 10, "1 10 "},
        {"1,50%,100%", 10, "1 5 10 "},
        {"1,50%,100%", 1, "1 "},
        {"100%", 3, "3 "},
        {"1%", 3, "1 "},
        {"34%", 3, "2 "},
        {" 2 , 5 ", 9, "2 5 "},
        {"2,5000000", 9, "2 9 "},
        {"2,2,3", 9, "2 3 "},
        {"5,2", 9, NULL},
        {"5,2", 1, NULL},
        {"50%,10%", 100, NULL},
        {"", 9, NULL},
        {"0", 9, NULL},
        {"0%", 9, NULL},
        {"101%", 9, NULL},
        {"-1", 9, NULL},
        {"1,,2", 9, NULL},
        {"1;2", 9, NULL},
        {"%", 9, NULL},
        {"1e3", 9, NULL},
        {"99999999999999999999", 9, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rollout_waves waves;
        struct error err = {.code = ERR_NONE};
        char text[64] = "";
        bool ok = rollout_waves_parse(cases[i].text, cases[i].vehicles, &waves, &err);
        if (ok != (cases[i].up_to != NULL))
            fail_msg("%s: %s", cases[i].text, err.text);
        for (size_t wave = 0; ok && wave < waves.count; wave++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%lld ", (long long)waves.up_to[wave]);
        if (ok)
            assert_string_equal(text, cases[i].up_to);
        else
            assert_int_equal(err.code, ERR_USAGE);
    }
}

static void no_more_waves_than_there_is_room_for(void **state)
{
    struct rollout_waves waves;
    struct error err;
    char text[8 * (ROLLOUT_WAVES_MAX + 1)] = "1";
    (void)state;
    for (int i = 2; i <= ROLLOUT_WAVES_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%d", i);
    assert_true(rollout_waves_parse(text, 1000, &waves, &err));
    assert_int_equal(waves.count, ROLLOUT_WAVES_MAX);
    strcat(text, ",500");
    assert_false(rollout_waves_parse(text, 1000, &waves, &err));
}

static void a_rollout_goes_on_by_what_is_healthy(void **state)
{
    /* wave, waves, percent, failures, allowed, judged, healthy, hopeful, hopeless, gone, open */
    static const struct {
        struct rollout_counts counts;
        enum rollout_step step;
    } cases[] = {
        {{1, 3, 90, 0, 0, 1, 0, 1, 0, 0, 10}, ROLLOUT_STAY},
        {{1, 3, 90, 0, 0, 1, 1, 1, 0, 0, 9}, ROLLOUT_NEXT_WAVE},
        {{2, 3, 90, 0, 0, 10, 8, 10, 0, 0, 2}, ROLLOUT_STAY},
        {{2, 3, 90, 0, 0, 10, 9, 10, 0, 0, 2}, ROLLOUT_NEXT_WAVE},
        {{2, 3, 75, 1, 1, 4, 3, 3, 1, 0, 6}, ROLLOUT_NEXT_WAVE},
        {{2, 3, 75, 1, 1, 4, 2, 3, 1, 0, 6}, ROLLOUT_STAY},
        {{2, 3, 75, 2, 1, 4, 3, 3, 1, 0, 6}, ROLLOUT_PAUSE},
        {{3, 3, 90, 0, 0, 10, 10, 10, 0, 0, 0}, ROLLOUT_FINISH},
        {{3, 3, 90, 0, 0, 10, 9, 10, 0, 0, 1}, ROLLOUT_STAY},
        {{3, 3, 90, 2, 1, 10, 8, 8, 2, 0, 0}, ROLLOUT_PAUSE}, /* people should know, at the end as well */
        {{1, 2, 1, 0, 0, 0, 0, 2, 0, 0, 2}, ROLLOUT_STAY},    /* all of them wait for an operator */
        {{1, 2, 1, 0, 0, 5, 0, 5, 0, 0, 7}, ROLLOUT_STAY},    /* none is healthy: nothing is proved */
        {{1, 2, 100, 0, 0, 5, 5, 5, 0, 0, 7}, ROLLOUT_NEXT_WAVE},
        /* whatever comes, it is not enough */
        {{2, 3, 76, 1, 1, 4, 3, 3, 1, 0, 6}, ROLLOUT_HOPELESS},
        {{2, 3, 76, 1, 1, 1, 0, 3, 1, 0, 6}, ROLLOUT_HOPELESS}, /* nor when the operators come */
        {{1, 2, 1, 1, 1, 1, 0, 0, 1, 0, 2}, ROLLOUT_HOPELESS},
        {{1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 2}, ROLLOUT_HOPELESS}, /* its only one left the fleet */
        {{2, 2, 90, 1, 1, 4, 0, 0, 4, 0, 1}, ROLLOUT_STAY},    /* no wave waits for that */
        /* nobody is left that was not accepted */
        {{1, 2, 90, 0, 0, 0, 0, 0, 0, 0, 2}, ROLLOUT_NEXT_WAVE},
        {{2, 2, 90, 0, 0, 0, 0, 0, 0, 0, 0}, ROLLOUT_FINISH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (rollout_next(&cases[i].counts) != cases[i].step)
            fail_msg("case %zu: %d", i, (int)rollout_next(&cases[i].counts));
    }
}

static void every_state_has_a_word_of_its_own(void **state)
{
    struct error err;
    (void)state;
    for (int i = 0; i < ROLLOUT_STATES; i++) {
        enum rollout_state found = ROLLOUT_STATES;
        assert_true(rollout_state_of(view_of(rollout_state_word((enum rollout_state)i)), &found, &err));
        assert_int_equal(found, i);
    }
    enum rollout_state untouched = ROLLOUT_DUE;
    assert_false(rollout_state_of(view_of("Due"), &untouched, &err));
    assert_int_equal(untouched, ROLLOUT_DUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waves_are_numbers_or_parts),
        cmocka_unit_test(no_more_waves_than_there_is_room_for),
        cmocka_unit_test(a_rollout_goes_on_by_what_is_healthy),
        cmocka_unit_test(every_state_has_a_word_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
