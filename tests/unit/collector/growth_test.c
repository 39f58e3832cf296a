#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/growth.h"

#define MIB INT64_C(1048576)

static struct growth growing(int minutes, int64_t bytes_a_minute)
{
    struct growth growth = {0};
    for (int i = 0; i <= minutes; i++)
        growth_add(&growth, i * INT64_C(60000000), 500 * MIB + i * bytes_a_minute);
    return growth;
}

static void a_store_that_grows_fills_the_disk(void **state)
{
    (void)state;
    double days = -1;
    const struct growth_limits limits = {.room_bytes = (uint64_t)(14400 * MIB), .days_until_retention = -1};
    struct growth growth = growing(20, MIB);
    assert_true(growth_days_until_full(&growth, &limits, &days));
    assert_true(days > 9.99 && days < 10.01);
}

static void ten_minutes_must_have_passed(void **state)
{
    (void)state;
    double days = -1;
    const struct growth_limits limits = {.room_bytes = 1, .days_until_retention = -1};
    struct growth growth = growing(9, MIB);
    assert_false(growth_days_until_full(&growth, &limits, &days));
}

static void only_the_last_hour_counts(void **state)
{
    (void)state;
    struct growth growth = growing(100, 100 * MIB);
    int64_t stands_at = 500 * MIB + 100 * 100 * MIB;
    for (int i = 101; i <= 170; i++)
        growth_add(&growth, i * INT64_C(60000000), stands_at);
    assert_true(growth_a_day(&growth) == 0);
}

static void a_limit_that_comes_first_keeps_the_disk_from_filling(void **state)
{
    (void)state;
    double days = -1;
    struct growth growth = growing(20, MIB);
    const struct growth_limits by_size = {.room_bytes = (uint64_t)(14400 * MIB),
                                          .used_bytes = 520 * MIB,
                                          .max_bytes = 1000 * MIB,
                                          .days_until_retention = -1};
    assert_false(growth_days_until_full(&growth, &by_size, &days));
    const struct growth_limits by_age = {.room_bytes = (uint64_t)(14400 * MIB), .days_until_retention = 9};
    assert_false(growth_days_until_full(&growth, &by_age, &days));
    const struct growth_limits too_late = {.room_bytes = (uint64_t)(14400 * MIB), .days_until_retention = 11};
    assert_true(growth_days_until_full(&growth, &too_late, &days));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_grows_fills_the_disk),
        cmocka_unit_test(ten_minutes_must_have_passed),
        cmocka_unit_test(only_the_last_hour_counts),
        cmocka_unit_test(a_limit_that_comes_first_keeps_the_disk_from_filling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
