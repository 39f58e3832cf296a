/* Challenges for the signed log-in: opaque, exactly 32 bytes, stored nowhere. Each carries its own time of
 * issue, random bytes and an HMAC under a key of this process, so it needs no clock on the wall and is
 * worthless at another agent or after a restart. Knows nothing of signatures or of who used one.
 * Threads: safe. */
#ifndef AGENT_CHALLENGE_H
#define AGENT_CHALLENGE_H

#include "common/base/clock.h"
#include "common/base/text.h"

enum {
    CHALLENGE_BYTES = 32,
    CHALLENGE_KEY_BYTES = 32,
    CHALLENGE_TEXT_BYTES = TEXT_BASE64_BYTES(CHALLENGE_BYTES),
    CHALLENGE_LIFETIME_S = 60,
};

struct challenger {
    const struct clock *clock; /* borrowed */
    unsigned char key[CHALLENGE_KEY_BYTES];
};

/* Makes the key; it never leaves this process. */
void challenger_init(struct challenger *challenger, const struct clock *clock);

/* out: base64 with its NUL. */
void challenge_issue(const struct challenger *challenger, char out[CHALLENGE_TEXT_BYTES]);

/* What makes one challenge different from all others. */
struct challenge_name {
    int64_t issued_us; /* monotonic */
    uint64_t random;
};

/* True when this process issued it, no longer than CHALLENGE_LIFETIME_S ago. */
bool challenge_check(const struct challenger *challenger, struct view text,
                     struct challenge_name *out) MUST_USE;

#endif
