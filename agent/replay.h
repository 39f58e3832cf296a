/* What was used and must not be used again: a bounded set of names ordered by their time. When it is full the
 * oldest is forgotten, and from then on nothing as old as that is taken any more: forgetting never makes a
 * used one new, whatever the clock does. Knows nothing of what the names stand for.
 * Threads: safe. */
#ifndef AGENT_REPLAY_H
#define AGENT_REPLAY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLAY_REMEMBERED = 1024 };

struct replay_name {
    int64_t time_us;
    uint64_t random; /* tells two of the same time apart; 0 when a time may be used once */
};

struct replay {
    pthread_mutex_t lock;
    size_t count;
    struct replay_name used[REPLAY_REMEMBERED]; /* ascending */
    int64_t floor_us;                           /* nothing of this time or before it is taken */
};

enum replay_answer {
    REPLAY_TAKEN,   /* it was new, and is used now */
    REPLAY_USED,    /* it was used before */
    REPLAY_TOO_OLD, /* nobody knows any more: refused */
};

/* floor_us: the last time that is too old; INT64_MIN: none is. */
void replay_init(struct replay *replay, int64_t floor_us);
void replay_clear(struct replay *replay);

enum replay_answer replay_take(struct replay *replay, struct replay_name name);

#endif
