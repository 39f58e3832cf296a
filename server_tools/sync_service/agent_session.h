/* An authenticated talk with one agent that never waits: the pinned key, the log-in by signature, the token
 * and its renewal, an agent that says "later". Knows nothing of what is fetched. Several requests may be
 * under way; one log-in serves them all. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_SESSION_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_SESSION_H

#include "server_tools/sync_service/signer.h"
#include "server_tools/sync_service/turn.h"

/* Each step of a log-in may take PULL_TIMEOUT_SEC. */
enum {
    AGENT_SESSION_WAIT_MAX_S = 90, /* for its turn (429), all in all, before a request fails */
    AGENT_SESSION_HEADERS_MAX = 4, /* of a request, besides the token */
};

struct agent_session;
struct agent_call; /* one request under way; gone when its `done` has returned */

/* scene: borrowed. Errors: ERR_USAGE (no AUTH_KEY_FILE), ERR_MEMORY. */
struct agent_session *agent_session_new(const struct sync_scene *scene, struct error *err) MUST_USE;
/* Cancels what is under way; no callback follows. NULL is fine. */
void agent_session_free(struct agent_session *session);

/* Whom the next requests are for: before the first one, and again when the vehicle's row may have changed.
 * Another host, port or agent_id forgets the token. Copied. Errors: ERR_DENIED: its agent was never met and
 * may not be taken unseen; the text says what to do. */
bool agent_session_meet(struct agent_session *session, const struct vehicle *vehicle,
                        struct error *err) MUST_USE;
/* Of the agent that is spoken to: the vehicle's, or the one that was taken at a first contact (it is pinned
 * from then on); "" before that. */
const char *agent_session_agent_id(const struct agent_session *session);
/* The certificate was not met before this session and must be kept (job_status.agent_id). */
bool agent_session_is_new_agent(const struct agent_session *session);

/* Sends `request` with the token, over TLS to the pinned key; host, port, tls and pin are filled in here.
 * What it points to is copied (but for context and upload_fd). Its callbacks are those of http_pool.h: a
 * log-in comes first where one is needed, and once more when it is answered 401; its `headers_done` and
 * `piece` see the answer that counts, `done` is called once, from the loop, never from within. transfer is
 * NULL in `done` when no request left (the log-in failed): answer->err says why. Errors of the answer: those
 * of http_pool; ERR_DENIED (the agent refuses our key; another certificate: both are named; 401 twice),
 * ERR_BUSY (429 for longer than AGENT_SESSION_WAIT_MAX_S; reason "retry_later"), ERR_PROTOCOL. NULL with err:
 * want of memory. */
struct agent_call *agent_session_request(struct agent_session *session,
                                         const struct http_pool_request *request, struct error *err) MUST_USE;
void agent_call_resume(struct agent_call *call); /* after HTTP_PAUSE; no harm otherwise */
/* `done` follows with ERR_CANCELLED, from the loop, soon. */
void agent_call_cancel(struct agent_call *call);
/* Ends it, and no callback follows. NULL is fine. */
void agent_call_forget(struct agent_call *call);

#endif
