/* The signed log-in: the challenge form, and the plain form that signs the time of day. Knows nothing of what
 * the token is used for. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_LOG_IN_H
#define SERVER_TOOLS_SYNC_CLIENT_LOG_IN_H

#include "server_tools/sync_client/session.h"

/* Gets a new token. 429 is waited out. Errors: ERR_DENIED with what to check, ERR_BUSY (429 for longer than
 * SESSION_WAIT_MAX_S in all), ERR_PROTOCOL, and the client's. */
bool log_in(struct session *session, struct error *err) MUST_USE;

#endif
