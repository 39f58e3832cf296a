/* POST /update: an update comes in, is verified aside and queued. What can be refused by the headers is,
 * before the body is asked for. docs/protocol.md, "POST /update". */
#ifndef AGENT_UPDATE_ROUTE_H
#define AGENT_UPDATE_ROUTE_H

#include "common/net/http_server.h"

/* For http_route: begin, body, handle. */
void begin_update(struct http_request *request);
bool take_update(struct http_request *request, struct view piece);
void answer_update(struct http_request *request);

/* {"status":word,"reason":reason,"detail":detail}: how every call about updates answers. reason, detail:
 * NULL: none. */
void update_answer(struct http_request *request, unsigned status, const char *word, const char *reason,
                   const char *detail);

#endif
