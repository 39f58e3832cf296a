/* How often an address may try to log in: RATE_ATTEMPTS in any RATE_WINDOW_S, whatever their outcome. A
 * refused attempt does not count, so who waits as told is let in. When RATE_ADDRESSES are remembered a new
 * one takes the place of the one whose last attempt is longest ago: to free himself an attacker needs that
 * many other addresses, each of which had the same attempts to spend.
 * Threads: safe. */
#ifndef AGENT_RATE_H
#define AGENT_RATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/clock.h"
#include "common/base/error.h"

enum {
    RATE_ATTEMPTS = 3,
    RATE_WINDOW_S = 60,
    RATE_ADDRESSES = 4096,
    RATE_KEY_BYTES = 48, /* an address as text, NUL included; a longer one is cut */
};

struct rate_address {
    char key[RATE_KEY_BYTES];
    int64_t attempts_us[RATE_ATTEMPTS]; /* monotonic, the latest first */
};

struct rate {
    const struct clock *clock; /* borrowed */
    pthread_mutex_t lock;
    size_t count;
    struct rate_address *addresses;
};

bool rate_init(struct rate *rate, const struct clock *clock, struct error *err) MUST_USE;
void rate_clear(struct rate *rate);

/* Counts one attempt of this address. Returns 0 when it may go on, else the seconds to wait (1 to 60). */
int rate_attempt(struct rate *rate, const char *address);

#endif
