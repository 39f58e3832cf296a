/* One attempt to log in to an agent: challenge, signature, token. Knows nothing of when and what for.
 * Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_LOG_IN_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_LOG_IN_H

#include "common/wire/log_in_words.h"
#include "server_tools/sync_service/turn.h"

/* Whom is spoken to. */
struct agent_peer {
    char name[VEHICLE_NAME_BYTES]; /* of the vehicle, for people */
    char host[VEHICLE_HOST_BYTES];
    uint16_t port;
    char agent_id[SHA256_HEX_BYTES]; /* "": the one that answers is taken */
};

/* Fills in host, port, tls and pin; they are borrowed. */
void agent_peer_address(const struct agent_peer *peer, struct http_pool_request *request);
/* What a transfer's error means: of another key than the pinned one both are named (ERR_DENIED). */
void agent_peer_explain(const struct agent_peer *peer, const struct http_transfer *transfer,
                        struct error *err);

struct agent_log_in_result {
    const struct error *err; /* NULL: there is a token */
    const struct log_in_token *token;
    const char *agent_id;  /* whose certificate was shown; NULL: none, or the pinned one's as before */
    int64_t retry_after_s; /* 429: so long no other attempt is worth it; 0: it was not that */
};

struct agent_log_in;
/* peer: copied. done: once, from the loop, never from within; the attempt is gone when it returns. Errors of
 * the result: ERR_DENIED (with what to check), ERR_BUSY (429), ERR_PROTOCOL, those of http_pool. */
struct agent_log_in *agent_log_in_start(const struct sync_scene *scene, const struct agent_peer *peer,
                                        void (*done)(void *context, const struct agent_log_in_result *result),
                                        void *context, struct error *err) MUST_USE;
/* No callback follows. NULL is fine. */
void agent_log_in_cancel(struct agent_log_in *log_in);

#endif
