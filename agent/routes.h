/* The agent's calls on :9876 as one table, and what stands before every one of them: the rate of log-ins and
 * the token. Source: docs/protocol.md, "A session". */
#ifndef AGENT_ROUTES_H
#define AGENT_ROUTES_H

#include "agent/agent.h"

extern const struct http_route agent_routes[];
extern const size_t agent_route_count;

/* For http_server_config.before. */
void agent_before(struct http_request *request);

/* The agent of a request. */
struct agent *agent_of(const struct http_request *request);
/* The session of a request behind the token. */
struct session *session_of(const struct http_request *request);
/* A value of the handler's own that lives as long as the request behind the token; NULL when there is none.
 */
void agent_keep(struct http_request *request, void *kept, void (*release)(void *kept));
void *agent_kept(const struct http_request *request);
/* Refuses a request behind the token and notes it in its session. */
void agent_refuse(struct http_request *request, unsigned status, const char *error, const char *detail);

#endif
