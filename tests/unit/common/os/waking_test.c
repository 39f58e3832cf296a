#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/os/waking.h"

struct shared {
    struct waking waking;
    bool said;
};

static void *say(void *context)
{
    struct shared *shared = context;
    waking_lock(&shared->waking);
    shared->said = true;
    waking_all(&shared->waking);
    waking_unlock(&shared->waking);
    return NULL;
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    struct shared shared = {.said = false};
    struct error err = {0};
    pthread_t thread;
    assert_true(waking_init(&shared.waking, &err));
    const struct timespec end = waking_in(60000);
    waking_lock(&shared.waking);
    assert_int_equal(pthread_create(&thread, NULL, say, &shared), 0);
    while (!shared.said)
        assert_true(waking_wait(&shared.waking, &end));
    waking_unlock(&shared.waking);
    pthread_join(thread, NULL);
    waking_clear(&shared.waking);
}

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void the_time_comes_when_nobody_says_anything(void **state)
{
    (void)state;
    struct waking waking;
    struct error err = {0};
    struct timespec before, now;
    assert_true(waking_init(&waking, &err));
    clock_gettime(CLOCK_MONOTONIC, &before);
    const struct timespec end = waking_in(1999);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_in_range(ns_of(&end) - INT64_C(1999000000), ns_of(&before), ns_of(&now));
    assert_in_range(end.tv_nsec, 0, 999999999);
    const struct timespec soon = waking_in(1);
    waking_lock(&waking);
    while (waking_wait(&waking, &soon)) /* woken for nothing */
        continue;
    waking_unlock(&waking);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_true(now.tv_sec > soon.tv_sec || (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
    waking_clear(&waking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_woken),
        cmocka_unit_test(the_time_comes_when_nobody_says_anything),
    };
    return cmocka_run_group_tests_name("waking", tests, NULL, NULL);
}
