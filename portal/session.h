/* Sessions as signed cookies: nothing is stored, and they outlive a restart. A session ends at its expiry,
 * and when the PIN or the key file changes. Knows nothing of requests. Threads: safe. */
#ifndef PORTAL_SESSION_H
#define PORTAL_SESSION_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/view.h"

enum {
    SESSION_KEY_BYTES = 32,
    SESSION_LIFETIME_S = 12 * 60 * 60,
    SESSION_COOKIE_BYTES = 128, /* NUL included */
    SESSION_ID_BYTES = 33,
};

/* What signs: the key of the file, bound to the PIN. */
struct session_key {
    unsigned char bytes[SESSION_KEY_BYTES];
};

/* Reads the key file, or makes it (0600, durable). One that others may read, or that is damaged, is replaced:
 * whoever was logged in has to log in again. */
bool session_key_load(struct session_key *out, const char *path, const char *pin, struct error *err) MUST_USE;

/* "<expiry, seconds since 1970>.<16 random hex digits>.<HMAC-SHA-256 of both, hex>". */
void session_make(const struct session_key *key, const struct clock *clock, char out[SESSION_COOKIE_BYTES]);

/* cookie: NULL is none. One that expires later than a new one would is refused too: the clock was set back.
 */
bool session_valid(const struct session_key *key, const struct clock *clock, const char *cookie) MUST_USE;

/* What tells a valid cookie's session from every other, for the guard of the PIN: part of its MAC. */
void session_id(const char *cookie, char out[SESSION_ID_BYTES]);

#endif
