/* GET /data/export: its parameters, its refusals and its headers; the body is exporter.h's. */
#ifndef AGENT_EXPORT_ROUTE_H
#define AGENT_EXPORT_ROUTE_H

#include "common/net/http_server.h"

void answer_export(struct http_request *request);

#endif
