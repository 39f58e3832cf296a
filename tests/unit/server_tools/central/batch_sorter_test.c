#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/central/batch_sorter.h"

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void scope_sorter(struct batch_sorter **sorter)
{
    batch_sorter_free(*sorter);
}

/* value holds where the row was: rows of equal keys must keep their order. */
static void assert_sorts(struct central_row *rows, size_t count)
{
    SCOPE(scope_sorter) struct batch_sorter *sorter = batch_sorter_new(NULL);
    assert_non_null(sorter);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        rows[i].value = (double)i;
        sum += (double)i;
    }
    batch_sort(sorter, rows, count);
    for (size_t i = 0; i < count; i++)
        sum -= rows[i].value;
    assert_true(sum == 0);
    for (size_t i = 1; i < count; i++) {
        const struct central_row *a = &rows[i - 1];
        const struct central_row *b = &rows[i];
        assert_true(a->channel_id <= b->channel_id);
        if (a->channel_id == b->channel_id)
            assert_true(a->time_us < b->time_us || (a->time_us == b->time_us && a->value < b->value));
    }
}

static void sorts_round_after_round(void **state)
{
    (void)state;
    SCOPE_FREE struct central_row *rows = calloc(CENTRAL_BATCH_ROWS, sizeof(*rows));
    for (int i = 0; i < CENTRAL_BATCH_ROWS; i++)
        rows[i] = (struct central_row){.time_us = i / 25, .channel_id = 1 + i % 25};
    assert_sorts(rows, CENTRAL_BATCH_ROWS);
}

static void sorts_when_a_clock_went_back(void **state)
{
    (void)state;
    SCOPE_FREE struct central_row *rows = calloc(CENTRAL_BATCH_ROWS, sizeof(*rows));
    for (int i = 0; i < CENTRAL_BATCH_ROWS; i++)
        rows[i] = (struct central_row){.time_us = (i < 60000 ? i : i - 30000) / 25, .channel_id = 1 + i % 25};
    assert_sorts(rows, CENTRAL_BATCH_ROWS);
}

static void sorts_anything(void **state)
{
    (void)state;
    uint32_t random = 7;
    static const int32_t ranges[] = {1, 3, 1000, INT32_MAX};
    static const size_t counts[] = {0, 1, 2, 3, 1000, 4097};
    SCOPE_FREE struct central_row *rows = calloc(CENTRAL_BATCH_ROWS, sizeof(*rows));
    for (size_t r = 0; r < COUNT_OF(ranges); r++) {
        for (size_t c = 0; c < COUNT_OF(counts); c++) {
            for (size_t i = 0; i < counts[c]; i++)
                rows[i] = (struct central_row){
                    .time_us = (int64_t)(next_random(&random) % 500) - 250,
                    .channel_id = (int32_t)(next_random(&random) * 127 % (uint32_t)ranges[r]),
                };
            assert_sorts(rows, counts[c]);
        }
    }
    for (size_t i = 0; i < CENTRAL_BATCH_ROWS; i++)
        rows[i] = (struct central_row){.time_us = -(int64_t)i, .channel_id = -5};
    assert_sorts(rows, CENTRAL_BATCH_ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_round_after_round),
        cmocka_unit_test(sorts_when_a_clock_went_back),
        cmocka_unit_test(sorts_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
