#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/rate.h"

struct fixture {
    struct clock_fake fake;
    struct rate rate;
};

static struct fixture *start(struct fixture *fixture)
{
    clock_fake_init(&fixture->fake, 0, 0);
    assert_true(rate_init(&fixture->rate, &fixture->fake.clock, NULL));
    return fixture;
}

static void advance_ms(struct fixture *fixture, int64_t ms)
{
    clock_fake_advance(&fixture->fake, ms * US_PER_MS);
}

static void fourth_waits(void **state)
{
    (void)state;
    struct fixture fixture, *f = start(&fixture);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0);
    advance_ms(f, 10000);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 50);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.2"), 0);
    advance_ms(f, 49001);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 1);
    advance_ms(f, 999);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0); /* the refused ones did not count */
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 10);
    rate_clear(&f->rate);
}

/* Never more than three in any minute, however it is tried. */
static void any_minute(void **state)
{
    (void)state;
    enum { STEPS = 6000, STEP_MS = 100, WINDOW = 60 * 10 };
    static int let_in[STEPS];
    struct fixture fixture, *f = start(&fixture);
    for (int i = 0; i < STEPS; i++) {
        let_in[i] = rate_attempt(&f->rate, "2001:db8::") == 0;
        advance_ms(f, STEP_MS);
    }
    int sum = 0, most = 0;
    for (int i = 0; i < STEPS; i++) {
        sum += let_in[i] - (i >= WINDOW ? let_in[i - WINDOW] : 0);
        most = sum > most ? sum : most;
    }
    assert_int_equal(most, 3);
    rate_clear(&f->rate);
}

static void fill(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        char address[RATE_KEY_BYTES];
        snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        advance_ms(f, 1);
        assert_int_equal(rate_attempt(&f->rate, address), 0);
    }
}

static void others_do_not_free_an_address(void **state)
{
    (void)state;
    struct fixture fixture, *f = start(&fixture);
    for (int i = 0; i < RATE_ATTEMPTS; i++)
        assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0);
    fill(f, RATE_ADDRESSES - 1);
    assert_true(rate_attempt(&f->rate, "192.0.2.1") > 0);
    assert_int_equal(f->rate.count, RATE_ADDRESSES);
    rate_clear(&f->rate);
}

static void the_least_recent_makes_room(void **state)
{
    (void)state;
    struct fixture fixture, *f = start(&fixture);
    assert_int_equal(rate_attempt(&f->rate, "192.0.2.9"), 0);
    advance_ms(f, 1);
    for (int i = 0; i < RATE_ATTEMPTS; i++)
        assert_int_equal(rate_attempt(&f->rate, "192.0.2.1"), 0);
    fill(f, RATE_ADDRESSES - 1); /* one too many: 192.0.2.9 goes */
    assert_true(rate_attempt(&f->rate, "192.0.2.1") > 0);
    for (int i = 0; i < RATE_ATTEMPTS; i++)
        assert_int_equal(rate_attempt(&f->rate, "192.0.2.9"), 0);
    assert_true(rate_attempt(&f->rate, "192.0.2.9") > 0);
    rate_clear(&f->rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fourth_waits),
        cmocka_unit_test(any_minute),
        cmocka_unit_test(others_do_not_free_an_address),
        cmocka_unit_test(the_least_recent_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
