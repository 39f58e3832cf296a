#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "portal/pin.h"

#define RIGHT VIEW_LITERAL("48151623")
#define WRONG VIEW_LITERAL("48151624")

static struct clock_fake fake;

static struct pin_guard *guard_of(const char *pin)
{
    clock_fake_init(&fake, 0, 0);
    struct pin_guard *guard = pin_guard_new(pin, &fake.clock, NULL);
    assert_non_null(guard);
    return guard;
}

static enum pin_verdict check(struct pin_guard *guard, const char *address, struct view pin)
{
    int64_t ignored;
    return pin_guard_check(guard, address, NULL, pin, &ignored);
}

static void pass_s(int64_t seconds)
{
    clock_fake_advance(&fake, seconds * US_PER_S);
}

static void compares_whole(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    assert_int_equal(check(guard, "a", RIGHT), PIN_RIGHT);
    assert_int_equal(check(guard, "a", VIEW_LITERAL("")), PIN_WRONG);
    assert_int_equal(check(guard, "a", VIEW_LITERAL("4815162")), PIN_WRONG);
    assert_int_equal(check(guard, "a", VIEW_LITERAL("481516233")), PIN_WRONG);
    assert_int_equal(check(guard, "a", VIEW_LITERAL("48151623\0")), PIN_WRONG);
    pin_guard_free(guard);
}

static void an_empty_pin_lets_nobody_in(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("");
    assert_int_equal(check(guard, "a", VIEW_LITERAL("")), PIN_UNSET);
    assert_int_equal(check(guard, "a", RIGHT), PIN_UNSET);
    pin_guard_free(guard);
}

static void five_wrong_ones_lock_the_address(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    for (int i = 0; i < PIN_WRONG_AN_ADDRESS; i++)
        assert_int_equal(check(guard, "a", WRONG), PIN_WRONG);
    int64_t retry_after_s = 0;
    assert_int_equal(pin_guard_check(guard, "a", NULL, RIGHT, &retry_after_s), PIN_LOCKED);
    assert_int_equal(retry_after_s, PIN_ADDRESS_LOCK_S);
    assert_int_equal(check(guard, "b", RIGHT), PIN_RIGHT); /* others are not locked */
    pass_s(PIN_ADDRESS_LOCK_S - 1);
    assert_int_equal(pin_guard_check(guard, "a", NULL, RIGHT, &retry_after_s), PIN_LOCKED);
    assert_int_equal(retry_after_s, 1);
    pass_s(1);
    assert_int_equal(check(guard, "a", RIGHT), PIN_RIGHT);
    pin_guard_free(guard);
}

static void slow_mistakes_do_not_lock(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(check(guard, "a", WRONG), PIN_WRONG);
        pass_s(PIN_WRONG_WINDOW_S / 4); /* five lie four gaps apart: just outside */
    }
    pin_guard_free(guard);
}

static void the_right_one_forgives(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    for (int i = 0; i < PIN_WRONG_AN_ADDRESS - 1; i++)
        assert_int_equal(check(guard, "a", WRONG), PIN_WRONG);
    assert_int_equal(check(guard, "a", RIGHT), PIN_RIGHT);
    for (int i = 0; i < PIN_WRONG_AN_ADDRESS - 1; i++)
        assert_int_equal(check(guard, "a", WRONG), PIN_WRONG);
    assert_int_equal(check(guard, "a", RIGHT), PIN_RIGHT);
    pin_guard_free(guard);
}

static void fifty_wrong_ones_from_everywhere_lock_all(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    char address[32];
    for (int i = 0; i < PIN_WRONG_OVER_ALL; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i);
        assert_int_equal(check(guard, address, WRONG), PIN_WRONG);
        pass_s(10);
    }
    int64_t retry_after_s = 0;
    assert_int_equal(pin_guard_check(guard, "new", NULL, RIGHT, &retry_after_s), PIN_LOCKED);
    assert_int_equal(retry_after_s, PIN_OVER_ALL_WINDOW_S - 10 * PIN_WRONG_OVER_ALL);
    pass_s(retry_after_s);
    assert_int_equal(check(guard, "new", RIGHT), PIN_RIGHT);
    pin_guard_free(guard);
}

/* Strangers, at the same address and everywhere, do not keep from the PIN who is logged in. */
static void a_session_is_not_locked_by_others(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    int64_t retry_after_s = 0;
    char address[32];
    for (int i = 0; i < PIN_WRONG_OVER_ALL; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i / PIN_WRONG_AN_ADDRESS);
        assert_int_equal(check(guard, address, WRONG), PIN_WRONG);
    }
    assert_int_equal(check(guard, "192.0.2.0", RIGHT), PIN_LOCKED);
    assert_int_equal(pin_guard_check(guard, "192.0.2.0", "a session", RIGHT, &retry_after_s), PIN_RIGHT);
    pin_guard_free(guard);
}

static void a_session_has_its_own_tries(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    int64_t retry_after_s = 0;
    char address[32];
    for (int i = 0; i < PIN_WRONG_AN_ADDRESS; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i);
        assert_int_equal(pin_guard_check(guard, address, "stolen", WRONG, &retry_after_s), PIN_WRONG);
    }
    assert_int_equal(pin_guard_check(guard, "192.0.2.99", "stolen", RIGHT, &retry_after_s), PIN_LOCKED);
    assert_int_equal(retry_after_s, PIN_ADDRESS_LOCK_S);
    assert_int_equal(pin_guard_check(guard, "192.0.2.99", "another", RIGHT, &retry_after_s), PIN_RIGHT);
    pass_s(PIN_ADDRESS_LOCK_S);
    assert_int_equal(pin_guard_check(guard, "192.0.2.99", "stolen", RIGHT, &retry_after_s), PIN_RIGHT);
    pin_guard_free(guard);
}

static void wrong_ones_of_a_session_lock_its_address(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    int64_t retry_after_s = 0;
    for (int i = 0; i < PIN_WRONG_AN_ADDRESS; i++)
        assert_int_equal(pin_guard_check(guard, "a", "s", WRONG, &retry_after_s), PIN_WRONG);
    assert_int_equal(check(guard, "a", RIGHT), PIN_LOCKED);
    pin_guard_free(guard);
}

/* However many addresses come in the course of time, the table stays as large as it is. */
static void many_addresses_in_a_bounded_table(void **state)
{
    (void)state;
    struct pin_guard *guard = guard_of("48151623");
    char address[32];
    for (int i = 0; i < PIN_MAX_ADDRESSES + 100; i++) {
        snprintf(address, sizeof(address), "2001:db8::%x/64", i);
        assert_int_equal(check(guard, address, WRONG), PIN_WRONG);
        pass_s(PIN_OVER_ALL_WINDOW_S / (PIN_WRONG_OVER_ALL - 1));
    }
    assert_int_equal(check(guard, address, RIGHT), PIN_RIGHT);
    pin_guard_free(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_whole),
        cmocka_unit_test(an_empty_pin_lets_nobody_in),
        cmocka_unit_test(five_wrong_ones_lock_the_address),
        cmocka_unit_test(slow_mistakes_do_not_lock),
        cmocka_unit_test(the_right_one_forgives),
        cmocka_unit_test(fifty_wrong_ones_from_everywhere_lock_all),
        cmocka_unit_test(a_session_is_not_locked_by_others),
        cmocka_unit_test(a_session_has_its_own_tries),
        cmocka_unit_test(wrong_ones_of_a_session_lock_its_address),
        cmocka_unit_test(many_addresses_in_a_bounded_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
