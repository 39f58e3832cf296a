#include "agent/routes.h"

#include <strings.h>

#include "agent/auth_route.h"
#include "agent/export_route.h"
#include "agent/status.h"
#include "agent/support_route.h"

enum { UPDATE_DISCARD_BYTES = 64 * 1024 };

static void answer_not_implemented(struct http_request *request)
{
    agent_refuse(request, 501, "not_implemented", "this version does not take updates over the network");
}

const struct http_route agent_routes[] = {
    {.method = HTTP_GET, .path = "/auth/challenge", .handle = answer_challenge},
    {.method = HTTP_POST, .path = "/auth", .max_body_bytes = AUTH_BODY_MAX_BYTES, .handle = answer_auth},
    {.method = HTTP_GET, .path = "/status", .handle = answer_status},
    {.method = HTTP_GET, .path = "/data/export", .handle = answer_export},
    {.method = HTTP_GET, .path = "/support", .handle = answer_support},
    {.method = HTTP_POST,
     .path = "/update",
     .max_body_bytes = UPDATE_DISCARD_BYTES,
     .begin = answer_not_implemented,
     .handle = answer_not_implemented},
    {.method = HTTP_GET, .path = "/update/status", .handle = answer_not_implemented},
};
const size_t agent_route_count = COUNT_OF(agent_routes);

struct agent *agent_of(const struct http_request *request)
{
    return http_context(request);
}

struct session *session_of(const struct http_request *request)
{
    return http_data(request);
}

void agent_refuse(struct http_request *request, unsigned status, const char *error, const char *detail)
{
    session_note(session_of(request), SESSION_REFUSED);
    http_answer_error(request, status, error, detail);
}

static void release_session(void *session)
{
    session_release(session);
}

static void require_token(struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *header = http_header(request, "Authorization");
    struct view token = view_of(header);
    struct session *session = NULL;
    if (header != NULL && strncasecmp(header, scheme, sizeof(scheme) - 1) == 0) { /* RFC 9110, section 11.1 */
        token.data += sizeof(scheme) - 1;
        token.size -= sizeof(scheme) - 1;
        session = sessions_hold(agent_of(request)->sessions, token);
    }
    if (session != NULL) {
        http_set_data(request, session, release_session);
        return;
    }
    http_add_header(request, "WWW-Authenticate", "Bearer");
    http_answer_error(request, 401, header == NULL ? "no_token" : "invalid_token",
                      "POST /auth gives a session_token for `Authorization: Bearer <session_token>`");
}

void agent_before(struct http_request *request)
{
    const char *path = http_path(request);
    if (strcmp(path, "/auth") == 0)
        limit_auth(request);
    else if (strcmp(path, "/auth/challenge") != 0)
        require_token(request);
}
