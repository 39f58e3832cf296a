#include "agent/table_link.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"

enum { STOPPING_LOOK_MS = 500, NS_PER_US = 1000 };

/* Why a connection was ended from outside. */
enum ended { ENDED_NOT, ENDED_BY_USER, ENDED_AS_TOO_LONG, ENDED_AS_TOO_SLOW };

struct table_link {
    struct pg *pg;
    const atomic_bool *stopping;
    int max_s, call_max_s;
    pthread_t watcher;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t end_us;      /* monotonic, as the other */
    int64_t call_end_us; /* INT64_MAX: there is no call */
    bool closing;
    enum ended ended;
};

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_system());
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* With the lock held. */
static void end(struct table_link *link, enum ended why)
{
    if (link->ended == ENDED_NOT)
        link->ended = why;
    pg_break(link->pg);
}

/* ---- the thread that watches ---- */

static void sleep_until(struct table_link *link, int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * NS_PER_US};
    pthread_cond_timedwait(&link->changed, &link->lock, &until);
}

static void *watch(void *context)
{
    struct table_link *link = context;
    pthread_mutex_lock(&link->lock);
    while (!link->closing && link->ended == ENDED_NOT) {
        int64_t now = now_us();
        bool in_call = link->call_end_us != INT64_MAX;
        if (now >= link->end_us)
            end(link, ENDED_AS_TOO_LONG);
        else if (now >= link->call_end_us)
            end(link, ENDED_AS_TOO_SLOW);
        else if (in_call && atomic_load(link->stopping))
            end(link, ENDED_BY_USER);
        else
            sleep_until(link, earlier(earlier(link->end_us, link->call_end_us),
                                      in_call ? now + (int64_t)STOPPING_LOOK_MS * US_PER_MS : INT64_MAX));
    }
    pthread_mutex_unlock(&link->lock);
    return NULL;
}

/* ---- opening and closing ---- */

struct table_link *table_link_open(const char *url, int max_s, const atomic_bool *stopping, struct error *err)
{
    SCOPE_PG struct pg *pg = pg_open(url, "telehaul agent", err);
    if (pg == NULL)
        return NULL;
    struct table_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    *link = (struct table_link){.pg = pg, .stopping = stopping, .max_s = max_s, .call_end_us = INT64_MAX};
    link->end_us = now_us() + (int64_t)max_s * US_PER_S;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&link->watcher, NULL, watch, link) != 0) {
        free(link);
        error_set(err, ERR_MEMORY, "no thread for an export");
        return NULL;
    }
    POINTER_TAKE(pg);
    return link;
}

void table_link_close(struct table_link *link)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&link->lock);
    link->closing = true;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
    pthread_join(link->watcher, NULL);
    pg_break(link->pg); /* a copy that is under way must not be read to its end */
    pg_close(link->pg);
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

void table_link_break(struct table_link *link)
{
    pthread_mutex_lock(&link->lock);
    end(link, ENDED_BY_USER);
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

/* ---- calls ---- */

struct pg *table_link_begin(struct table_link *link, int max_s)
{
    pthread_mutex_lock(&link->lock);
    link->call_max_s = max_s;
    link->call_end_us = now_us() + (int64_t)max_s * US_PER_S;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
    return link->pg;
}

bool table_link_end(struct table_link *link, bool ok, struct error *err)
{
    pthread_mutex_lock(&link->lock);
    link->call_end_us = INT64_MAX;
    enum ended ended = link->ended;
    pthread_mutex_unlock(&link->lock);
    if (ok)
        return true;
    if (ended == ENDED_AS_TOO_LONG)
        return error_set(err, ERR_TIMEOUT, "PostgreSQL: not done within %d s: ask for less with limit",
                         link->max_s);
    if (ended == ENDED_AS_TOO_SLOW)
        return error_set(err, ERR_TIMEOUT, "PostgreSQL: no answer within %d s", link->call_max_s);
    if (ended == ENDED_BY_USER)
        return error_set(err, ERR_CANCELLED, "PostgreSQL: given up");
    return false;
}
