/* A lock and a wake-up for threads that wait for one another until a time. Knows nothing of what they wait
 * for: whoever is woken looks for himself. Threads: safe; waking_wait with the lock held. */
#ifndef COMMON_OS_WAKING_H
#define COMMON_OS_WAKING_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "common/base/error.h"

struct waking {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC */
};

bool waking_init(struct waking *waking, struct error *err) MUST_USE;
void waking_clear(struct waking *waking);

void waking_lock(struct waking *waking);
void waking_unlock(struct waking *waking);
/* Wakes everybody who waits. */
void waking_all(struct waking *waking);

/* The time so many milliseconds from now on. */
struct timespec waking_in(int64_t ms);
/* Lets go of the lock until somebody wakes us, maybe nobody did; false: the time is over. */
bool waking_wait(struct waking *waking, const struct timespec *end) MUST_USE;

#endif
