/* Guards the PIN against guessing: compares it, counts wrong ones an address, a session and over all, and
 * locks. Knows nothing of requests. A restart forgets the locks. Threads: safe. */
#ifndef PORTAL_PIN_H
#define PORTAL_PIN_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/view.h"

enum {
    PIN_WRONG_AN_ADDRESS = 5, /* so many wrong ones ... */
    PIN_WRONG_WINDOW_S = 5 * 60,
    PIN_ADDRESS_LOCK_S = 5 * 60,
    PIN_WRONG_OVER_ALL = 50, /* from all addresses together ... */
    PIN_OVER_ALL_WINDOW_S = 60 * 60,
    PIN_MAX_ADDRESSES = 4096, /* and sessions, remembered; the one that was quiet for longest makes room */
};

enum pin_verdict {
    PIN_RIGHT,
    PIN_WRONG,  /* counted */
    PIN_LOCKED, /* not even compared */
    PIN_UNSET,  /* CONFIG_PIN is empty: nobody can log in */
};

struct pin_guard;

/* pin: copied. clock: borrowed. */
struct pin_guard *pin_guard_new(const char *pin, const struct clock *clock, struct error *err) MUST_USE;
void pin_guard_free(struct pin_guard *guard); /* NULL is fine */

/* address: http_peer_key. session: session_id of somebody who is logged in; NULL: nobody is. A wrong PIN
 * counts against both. Without a session the address's lock and that over all hold; with one only the
 * session's own, of as many tries, so that strangers cannot keep from the PIN who is logged in.
 * *retry_after_s is set with PIN_LOCKED: when it may be tried again. */
enum pin_verdict pin_guard_check(struct pin_guard *guard, const char *address, const char *session,
                                 struct view pin, int64_t *retry_after_s) MUST_USE;

#endif
