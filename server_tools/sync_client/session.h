/* An authenticated talk with one agent: log-in by signature, the token, its renewal, waiting when the agent
 * says so. Knows nothing of what is fetched. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_SESSION_H
#define SERVER_TOOLS_SYNC_CLIENT_SESSION_H

#include "common/base/clock.h"
#include "common/crypto/rsa.h"
#include "common/net/http_client.h"
#include "common/wire/agent_words.h"
#include "common/wire/log_in_words.h"
#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/settings.h"

enum {
    SESSION_WAIT_MAX_S = 90, /* for its turn, all in all */
    SESSION_REQUEST_MS = 60 * 1000,
    SESSION_ANSWER_MAX_BYTES = AGENT_ANSWER_MAX_BYTES,
    SESSION_HEADERS_MAX = 4, /* of a request, besides the token */
};

struct session {
    const struct settings *settings; /* borrowed, as the next two */
    struct notices *notices;
    const struct clock *clock;
    struct rsa_private *key;
    struct http_client *client;
    char agent_id[SHA256_HEX_BYTES];
    bool met;                       /* the user has said in this run that this agent is right */
    char token[LOG_IN_TOKEN_BYTES]; /* "": none */
    int64_t renew_at_us;            /* monotonic */
    int64_t waited_s;
};

/* Reads the key, pins the agent, logs in. session: to be closed whatever comes back. Errors: ERR_DENIED (who
 * it is, or who we are), ERR_UNREACHABLE, ERR_TIMEOUT, ERR_PROTOCOL. */
bool session_open(struct session *session, const struct settings *settings, struct notices *notices,
                  const struct clock *clock, struct error *err) MUST_USE;
void session_close(struct session *session);

/* An exchange with the token, which is renewed when it is about to expire, and once on 401; 503 `busy` is
 * waited out as 429 is. exchange->headers: at most SESSION_HEADERS_MAX. Errors: ERR_BUSY (for too long), and
 * those of the client and of the log-in. */
bool session_exchange(struct session *session, struct http_exchange *exchange, struct error *err) MUST_USE;

/* What the agent answered in place of 200, as an error: the status, and its words `error` and `detail` when
 * there are any. Always false. */
bool session_refused(const struct session *session, const struct http_exchange *exchange,
                     enum error_code code, struct error *err);
/* A text member of the answer in JSON, harmless for a terminal; "" when there is none. */
void session_answer_text(const struct http_exchange *exchange, const char *member, char *out,
                         size_t out_bytes);
/* The stable word of a refusal ("store_changed"), "" when there is none. */
enum { REFUSAL_WORD_BYTES = AGENT_WORD_BYTES };
void session_refusal_word(const struct http_exchange *exchange, char out[REFUSAL_WORD_BYTES]);

bool session_status(struct session *session, struct agent_status *out, struct error *err) MUST_USE;

#endif
