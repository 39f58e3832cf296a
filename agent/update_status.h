/* GET /update/status, and what GET /status says of updates. docs/protocol.md. */
#ifndef AGENT_UPDATE_STATUS_H
#define AGENT_UPDATE_STATUS_H

#include "agent/agent.h"
#include "common/net/json_writer.h"

void answer_update_status(struct http_request *request);

/* The members `pending_update` and `last_update`; null for what is not there or cannot be read. */
void write_update_summary(struct json_writer *writer, const struct agent *agent);

#endif
