/* GET /status: what the machine says of itself. */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "common/net/http_server.h"

void answer_status(struct http_request *request);

#endif
