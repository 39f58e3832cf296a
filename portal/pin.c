#include "portal/pin.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/crypto/random.h"

enum { ADDRESS_BYTES = 64, PIN_BYTES = 128 };

/* Of an address, or of a session: their texts differ. */
struct address_row {
    char address[ADDRESS_BYTES];            /* "": free */
    int64_t wrong_us[PIN_WRONG_AN_ADDRESS]; /* a ring */
    unsigned wrong_count;                   /* ever put into it */
    int64_t locked_until_us;
    int64_t last_us;
};

struct pin_guard {
    const struct clock *clock;
    char pin[PIN_BYTES];
    unsigned char
        salt[SHA256_BYTES]; /* of this process: compared are hashes, so the PIN's size shows nowhere */
    pthread_mutex_t lock;   /* for all that follows */
    struct address_row rows[PIN_MAX_ADDRESSES];
    size_t used;                          /* rows before it were used at least once */
    int64_t wrong_us[PIN_WRONG_OVER_ALL]; /* a ring */
    unsigned wrong_count;                 /* ever put into it */
};

struct pin_guard *pin_guard_new(const char *pin, const struct clock *clock, struct error *err)
{
    struct pin_guard *guard = calloc(1, sizeof(*guard));
    if (guard == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the table of addresses");
        return NULL;
    }
    if (!text_copy(guard->pin, sizeof(guard->pin), view_of(pin))) {
        free(guard);
        error_set(err, ERR_USAGE, "CONFIG_PIN is longer than %d bytes", PIN_BYTES - 1);
        return NULL;
    }
    guard->clock = clock;
    random_bytes(guard->salt, sizeof(guard->salt));
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void pin_guard_free(struct pin_guard *guard)
{
    if (guard == NULL)
        return;
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

/* How long until fewer than `size` of the times in the ring lie within the window; 0 or less: now. */
static int64_t wait_us(const int64_t *ring, unsigned size, unsigned count, int64_t window_s, int64_t now_us)
{
    if (count < size)
        return 0;
    int64_t oldest_us = ring[count % size];
    return oldest_us + window_s * US_PER_S - now_us;
}

/* ---- addresses and sessions ---- */

static struct address_row *find_row(struct pin_guard *guard, const char *address)
{
    for (size_t i = 0; i < guard->used; i++) {
        if (strcmp(guard->rows[i].address, address) == 0)
            return &guard->rows[i];
    }
    return NULL;
}

static struct address_row *make_row(struct pin_guard *guard, const char *address)
{
    struct address_row *row = &guard->rows[0];
    if (guard->used < PIN_MAX_ADDRESSES) {
        row = &guard->rows[guard->used++];
    } else {
        for (size_t i = 1; i < PIN_MAX_ADDRESSES; i++) {
            if (guard->rows[i].last_us < row->last_us)
                row = &guard->rows[i];
        }
    }
    *row = (struct address_row){.last_us = 0};
    if (!text_copy(row->address, sizeof(row->address), view_of(address)))
        row->address[0] = '\0'; /* longer than any address: counted over all only */
    return row;
}

static void count_wrong_of(struct pin_guard *guard, const char *address, int64_t now_us)
{
    struct address_row *row = find_row(guard, address);
    if (row == NULL)
        row = make_row(guard, address);
    row->last_us = now_us;
    row->wrong_us[row->wrong_count++ % PIN_WRONG_AN_ADDRESS] = now_us;
    if (wait_us(row->wrong_us, PIN_WRONG_AN_ADDRESS, row->wrong_count, PIN_WRONG_WINDOW_S, now_us) <= 0)
        return;
    row->locked_until_us = now_us + (int64_t)PIN_ADDRESS_LOCK_S * US_PER_S;
    row->wrong_count = 0;
}

static void count_wrong(struct pin_guard *guard, const char *address, const char *session, int64_t now_us)
{
    count_wrong_of(guard, address, now_us);
    if (session != NULL)
        count_wrong_of(guard, session, now_us);
    guard->wrong_us[guard->wrong_count++ % PIN_WRONG_OVER_ALL] = now_us;
}

static int64_t own_wait_us(struct pin_guard *guard, const char *address, int64_t now_us)
{
    const struct address_row *row = find_row(guard, address);
    return row == NULL ? 0 : row->locked_until_us - now_us;
}

static int64_t lock_wait_us(struct pin_guard *guard, const char *address, const char *session, int64_t now_us)
{
    if (session != NULL)
        return own_wait_us(guard, session, now_us);
    int64_t over_all =
        wait_us(guard->wrong_us, PIN_WRONG_OVER_ALL, guard->wrong_count, PIN_OVER_ALL_WINDOW_S, now_us);
    int64_t own = own_wait_us(guard, address, now_us);
    return own > over_all ? own : over_all;
}

/* ---- the PIN ---- */

static bool is_right(const struct pin_guard *guard, struct view pin)
{
    struct view salt = {(const char *)guard->salt, sizeof(guard->salt)};
    unsigned char ours[SHA256_BYTES];
    unsigned char theirs[SHA256_BYTES];
    hmac_sha256(salt, view_of(guard->pin), ours);
    hmac_sha256(salt, pin, theirs);
    return text_equal_constant_time((struct view){(const char *)ours, sizeof(ours)},
                                    (struct view){(const char *)theirs, sizeof(theirs)});
}

static enum pin_verdict check_locked(struct pin_guard *guard, const char *address, const char *session,
                                     struct view pin, int64_t *retry_after_s)
{
    int64_t now_us = clock_monotonic_us(guard->clock);
    int64_t locked_us = lock_wait_us(guard, address, session, now_us);
    if (locked_us > 0) {
        *retry_after_s = (locked_us + US_PER_S - 1) / US_PER_S;
        return PIN_LOCKED;
    }
    if (!is_right(guard, pin)) {
        count_wrong(guard, address, session, now_us);
        return PIN_WRONG;
    }
    struct address_row *row = find_row(guard, session == NULL ? address : session);
    if (row != NULL)
        row->wrong_count = 0; /* who knows it may mistype it again */
    return PIN_RIGHT;
}

enum pin_verdict pin_guard_check(struct pin_guard *guard, const char *address, const char *session,
                                 struct view pin, int64_t *retry_after_s)
{
    if (guard->pin[0] == '\0')
        return PIN_UNSET;
    pthread_mutex_lock(&guard->lock);
    enum pin_verdict verdict = check_locked(guard, address, session, pin, retry_after_s);
    pthread_mutex_unlock(&guard->lock);
    return verdict;
}
