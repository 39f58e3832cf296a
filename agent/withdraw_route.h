/* POST /update/withdraw: the server takes back the package that it has queued, while nobody has approved it.
 * docs/protocol.md. */
#ifndef AGENT_WITHDRAW_ROUTE_H
#define AGENT_WITHDRAW_ROUTE_H

#include "common/net/http_server.h"

enum { WITHDRAW_BODY_MAX_BYTES = 1024 };

void answer_withdraw(struct http_request *request);

#endif
