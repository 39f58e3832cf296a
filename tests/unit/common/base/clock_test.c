#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "common/base/clock.h"

/* Not time(2): that one lags behind by up to a tick of the kernel, also over the end of a second. */
static int64_t machine_utc_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static void system_clock_is_the_machines(void **state)
{
    (void)state;
    const struct clock *clock = clock_system();
    int64_t before = machine_utc_us();
    int64_t shown = clock_utc_us(clock);
    int64_t after = machine_utc_us();
    assert_in_range(shown, before, after);
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t first = clock_monotonic_us(clock);
    assert_true(first >= (int64_t)boot.tv_sec * US_PER_S);
    for (int i = 0; i < 1000; i++) {
        int64_t next = clock_monotonic_us(clock);
        assert_true(next >= first);
        first = next;
    }
}

static void fake_clock_stands_until_it_is_moved(void **state)
{
    (void)state;
    struct clock_fake fake;
    clock_fake_init(&fake, 1000, 50);
    assert_int_equal(clock_utc_us(&fake.clock), 1000);
    assert_int_equal(clock_utc_us(&fake.clock), 1000);
    assert_int_equal(clock_monotonic_us(&fake.clock), 50);
    clock_fake_advance(&fake, 7);
    assert_int_equal(clock_utc_us(&fake.clock), 1007);
    assert_int_equal(clock_monotonic_us(&fake.clock), 57);
    fake.utc_us = -5; /* somebody set the wall clock back */
    assert_int_equal(clock_utc_us(&fake.clock), -5);
    assert_int_equal(clock_monotonic_us(&fake.clock), 57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_clock_is_the_machines),
        cmocka_unit_test(fake_clock_stands_until_it_is_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
