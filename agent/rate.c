#include "agent/rate.h"

#include <stdlib.h>
#include <string.h>

static const int64_t window_us = (int64_t)RATE_WINDOW_S * US_PER_S;

bool rate_init(struct rate *rate, const struct clock *clock, struct error *err)
{
    struct rate_address *addresses = calloc(RATE_ADDRESSES, sizeof(*addresses));
    if (addresses == NULL)
        return error_set(err, ERR_MEMORY, "the table of addresses");
    *rate = (struct rate){.clock = clock, .addresses = addresses};
    pthread_mutex_init(&rate->lock, NULL);
    return true;
}

void rate_clear(struct rate *rate)
{
    pthread_mutex_destroy(&rate->lock);
    free(rate->addresses);
}

/* The address's own entry, else a free one, else the one whose last attempt is longest ago. */
static struct rate_address *entry_of(struct rate *rate, const char key[RATE_KEY_BYTES], int64_t now_us)
{
    struct rate_address *oldest = rate->addresses;
    for (size_t i = 0; i < rate->count; i++) {
        struct rate_address *entry = &rate->addresses[i];
        if (memcmp(entry->key, key, RATE_KEY_BYTES) == 0)
            return entry;
        if (entry->attempts_us[0] < oldest->attempts_us[0])
            oldest = entry;
    }
    struct rate_address *entry = rate->count < RATE_ADDRESSES ? &rate->addresses[rate->count++] : oldest;
    memcpy(entry->key, key, RATE_KEY_BYTES);
    for (size_t i = 0; i < RATE_ATTEMPTS; i++)
        entry->attempts_us[i] = now_us - window_us;
    return entry;
}

static int attempt(struct rate *rate, const char key[RATE_KEY_BYTES], int64_t now_us)
{
    struct rate_address *entry = entry_of(rate, key, now_us);
    int64_t wait_us = entry->attempts_us[RATE_ATTEMPTS - 1] + window_us - now_us;
    if (wait_us > 0)
        return (int)((wait_us + US_PER_S - 1) / US_PER_S);
    memmove(entry->attempts_us + 1, entry->attempts_us, (RATE_ATTEMPTS - 1) * sizeof(int64_t));
    entry->attempts_us[0] = now_us;
    return 0;
}

int rate_attempt(struct rate *rate, const char *address)
{
    char key[RATE_KEY_BYTES] = {0};
    memcpy(key, address, strnlen(address, RATE_KEY_BYTES - 1));
    int64_t now_us = clock_monotonic_us(rate->clock);
    pthread_mutex_lock(&rate->lock);
    int wait_s = attempt(rate, key, now_us);
    pthread_mutex_unlock(&rate->lock);
    return wait_s;
}
