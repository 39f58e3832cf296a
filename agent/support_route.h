/* GET /support: the support bundle of support_bundle.h as an answer, one at a time. */
#ifndef AGENT_SUPPORT_ROUTE_H
#define AGENT_SUPPORT_ROUTE_H

#include "common/net/http_server.h"

void answer_support(struct http_request *request);

#endif
