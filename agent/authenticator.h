/* Whether the body of POST /auth proves that the other side holds a trusted key: both forms, the signed
 * challenge and the seed's signed timestamp. Knows nothing of HTTP, tokens or rates. Source:
 * docs/protocol.md, "Agent". Threads: safe. */
#ifndef AGENT_AUTHENTICATOR_H
#define AGENT_AUTHENTICATOR_H

#include "agent/challenge.h"
#include "agent/replay.h"
#include "keys/keyring.h"

enum {
    AUTH_BODY_MAX_BYTES = 8 * 1024,
    AUTH_TIMESTAMP_SLACK_S = 60, /* either way */
    AUTH_TIMESTAMP_BYTES = 64,
};

struct authenticator {
    const struct clock *clock; /* borrowed */
    const char *agent_id;      /* borrowed */
    bool takes_timestamp;      /* AUTH_TIMESTAMP */
    struct challenger challenger;
    struct replay challenges;
    struct replay timestamps;
};

/* agent_id: borrowed. Timestamps of before this call are too old. */
void authenticator_init(struct authenticator *auth, const char *agent_id, bool takes_timestamp,
                        const struct clock *clock);
void authenticator_clear(struct authenticator *auth);

enum auth_answer {
    AUTH_ACCEPTED,
    AUTH_BAD_REQUEST, /* not one of the two forms; err says what is wrong */
    AUTH_INVALID_SIGNATURE,
    AUTH_STALE_TIMESTAMP,
    AUTH_UNKNOWN_CHALLENGE,
    AUTH_REPLAYED_SIGNATURE,
};
/* The stable word of a refusal. */
const char *auth_answer_text(enum auth_answer answer);
const char *auth_answer_advice(enum auth_answer answer); /* what to do about it */

/* keys: who is trusted now. err: set only with AUTH_BAD_REQUEST. What was signed validly is used up by this
 * call. */
enum auth_answer authenticator_check(struct authenticator *auth, const struct keyring *keys, struct view body,
                                     struct error *err) MUST_USE;

#endif
