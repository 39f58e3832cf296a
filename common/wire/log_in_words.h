/* The words of the signed log-in as a client says them: what a challenge must be, what is signed, the body of
 * POST /auth, the token. Knows nothing of how they travel. Source: docs/protocol.md, "A session". Threads:
 * safe. */
#ifndef COMMON_WIRE_LOG_IN_WORDS_H
#define COMMON_WIRE_LOG_IN_WORDS_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"

enum {
    LOG_IN_CHALLENGE_BYTES = 32,
    LOG_IN_CHALLENGE_TEXT_BYTES = TEXT_BASE64_BYTES(LOG_IN_CHALLENGE_BYTES),
    LOG_IN_MESSAGE_BYTES = 256, /* the v2 message has 128 */
    LOG_IN_TOKEN_BYTES = 65,
    LOG_IN_ANSWER_MAX_BYTES = 256 * 1024,
    LOG_IN_RENEW_BEFORE_S = 30, /* a token is not used for the last of its lifetime */
};

/* The challenge of GET /auth/challenge's answer: exactly 32 bytes, so that nothing else can be put before the
 * key to sign, and of the agent whose certificate the connection shows, so that no agent can hand on the
 * challenge of another one. shown: agent_id of that certificate, which the caller has found to be the pinned
 * one. Errors: ERR_PROTOCOL, ERR_DENIED (another
 * agent's). */
bool log_in_read_challenge(struct view body, const char *shown, char out[LOG_IN_CHALLENGE_TEXT_BYTES],
                           struct error *err) MUST_USE;

/* What is signed. */
void log_in_message(const char *agent_id, const char *challenge, char out[LOG_IN_MESSAGE_BYTES]);

/* The body of POST /auth. member: "challenge" or "timestamp". Errors: ERR_LIMIT, ERR_MEMORY. */
bool log_in_write_body(const char *member, const char *value, const unsigned char *signature, size_t size,
                       struct buf *out, struct error *err) MUST_USE;

struct log_in_token {
    char text[LOG_IN_TOKEN_BYTES];
    int64_t use_s; /* so long it may be used: its lifetime without LOG_IN_RENEW_BEFORE_S */
};
/* The answer 200 of POST /auth. Errors: ERR_PROTOCOL. */
bool log_in_read_token(struct view body, struct log_in_token *out, struct error *err) MUST_USE;

/* What a refusal's word (401) means for whoever has to repair it. */
const char *log_in_advice(const char *word);

#endif
