#include "tests/unit/collector/fixture.h"

#include "collector/batch.h"

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    return *seed >> 8;
}

/* Times in `range`, each reading with its place in `channel`. */
static struct batch batch_of(size_t count, uint32_t range, uint32_t *seed)
{
    struct batch batch = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct reading reading = {.time_us = next_random(seed) % range, .channel = i};
        assert_true(batch_add(&batch, &reading));
    }
    return batch;
}

static void sorting_is_by_time_and_leaves_equals_as_they_are(void **state)
{
    (void)state;
    uint32_t seed = 2026;
    for (size_t count = 0; count < 70; count++) {
        for (uint32_t range = 1; range < 1000; range *= 9) {
            struct batch batch = batch_of(count, range, &seed);
            uint64_t places = 0;
            batch_sort(&batch, 0);
            assert_int_equal(batch.count, count);
            for (size_t i = 0; i < count; i++) {
                places += batch.items[i].channel;
                if (i == 0)
                    continue;
                assert_true(batch.items[i - 1].time_us <= batch.items[i].time_us);
                if (batch.items[i - 1].time_us == batch.items[i].time_us)
                    assert_true(batch.items[i - 1].channel < batch.items[i].channel);
            }
            assert_int_equal(places, count == 0 ? 0 : count * (count - 1) / 2);
            batch_clear(&batch);
        }
    }
}

static void what_stands_in_front_is_not_sorted(void **state)
{
    (void)state;
    struct batch batch = {0};
    static const int64_t times[] = {9, 8, 7, 3, 2, 1};
    for (size_t i = 0; i < COUNT_OF(times); i++)
        assert_true(batch_add(&batch, &(struct reading){.time_us = times[i]}));
    batch_sort(&batch, 3);
    static const int64_t sorted[] = {9, 8, 7, 1, 2, 3};
    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        assert_int_equal(batch.items[i].time_us, sorted[i]);
    batch_sort(&batch, batch.count);
    batch_clear(&batch);
}

static void trimming_takes_the_oldest_that_nobody_waits_for(void **state)
{
    (void)state;
    struct batch batch = {0};
    for (uint32_t i = 0; i < 10; i++)
        assert_true(batch_add(&batch, &(struct reading){.channel = i, .kept = i < 2}));
    assert_int_equal(batch_trim(&batch, 10), 0);
    assert_int_equal(batch_trim(&batch, 6), 4);
    static const uint32_t left[] = {0, 1, 6, 7, 8, 9};
    assert_int_equal(batch.count, COUNT_OF(left));
    for (size_t i = 0; i < COUNT_OF(left); i++)
        assert_int_equal(batch.items[i].channel, left[i]);
    assert_int_equal(batch_trim(&batch, 1), 4);
    assert_int_equal(batch.count, 2);
    batch_clear(&batch);
}

static void the_oldest_are_dropped_from_the_front(void **state)
{
    (void)state;
    uint32_t seed = 7;
    struct batch batch = batch_of(10, 1000, &seed);
    batch_drop_first(&batch, 0);
    assert_int_equal(batch.count, 10);
    batch_drop_first(&batch, 4);
    assert_int_equal(batch.count, 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(batch.items[i].channel, 4 + i);
    batch_drop_first(&batch, 6);
    assert_int_equal(batch.count, 0);
    batch_clear(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorting_is_by_time_and_leaves_equals_as_they_are),
        cmocka_unit_test(what_stands_in_front_is_not_sorted),
        cmocka_unit_test(trimming_takes_the_oldest_that_nobody_waits_for),
        cmocka_unit_test(the_oldest_are_dropped_from_the_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
