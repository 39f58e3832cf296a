/* The two calls before the token: a challenge is given, a signature is taken for a token. */
#ifndef AGENT_AUTH_ROUTE_H
#define AGENT_AUTH_ROUTE_H

#include "common/net/http_server.h"

/* GET /auth/challenge */
void answer_challenge(struct http_request *request);
/* Counts a call of /auth, whatever comes of it, before its body is read; answers 429 when it is one too many.
 */
void limit_auth(struct http_request *request);
/* POST /auth */
void answer_auth(struct http_request *request);

#endif
