#include "common/os/waking.h"

#include <errno.h>

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static bool init_condition(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(wake, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return done;
}

bool waking_init(struct waking *waking, struct error *err)
{
    if (!init_condition(&waking->wake))
        return error_set(err, ERR_MEMORY, "no memory left for a condition of threads");
    if (pthread_mutex_init(&waking->lock, NULL) == 0)
        return true;
    pthread_cond_destroy(&waking->wake);
    return error_set(err, ERR_MEMORY, "no memory left for a lock of threads");
}

void waking_clear(struct waking *waking)
{
    pthread_cond_destroy(&waking->wake);
    pthread_mutex_destroy(&waking->lock);
}

void waking_lock(struct waking *waking)
{
    pthread_mutex_lock(&waking->lock);
}

void waking_unlock(struct waking *waking)
{
    pthread_mutex_unlock(&waking->lock);
}

void waking_all(struct waking *waking)
{
    pthread_cond_broadcast(&waking->wake);
}

struct timespec waking_in(int64_t ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t ns = time.tv_nsec + ms % MS_PER_S * NS_PER_MS;
    time.tv_sec += ms / MS_PER_S + ns / NS_PER_S;
    time.tv_nsec = ns % NS_PER_S;
    return time;
}

bool waking_wait(struct waking *waking, const struct timespec *end)
{
    return pthread_cond_timedwait(&waking->wake, &waking->lock, end) != ETIMEDOUT;
}
