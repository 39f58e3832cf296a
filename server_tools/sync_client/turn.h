/* Waiting for our turn when the agent says that it has none for us now (429, 503): as long as its Retry-After
 * says, aloud, and bounded over the whole session. Knows nothing of what is asked again. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_TURN_H
#define SERVER_TOOLS_SYNC_CLIENT_TURN_H

#include "server_tools/sync_client/session.h"

/* After an answer of 429 or 503. True: the wait is over, ask again. Errors: ERR_BUSY (it would be longer than
 * SESSION_WAIT_MAX_S in all). */
bool turn_wait(struct session *session, unsigned status, struct error *err) MUST_USE;

/* A second, of the same allowance; false when that is used up. */
bool turn_wait_second(struct session *session);

#endif
