#include "agent/routes.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "agent/auth_route.h"
#include "agent/export_route.h"
#include "agent/status.h"
#include "agent/support_route.h"
#include "agent/update_route.h"
#include "agent/update_status.h"
#include "agent/withdraw_route.h"

const struct http_route agent_routes[] = {
    {.method = HTTP_GET, .path = "/auth/challenge", .handle = answer_challenge},
    {.method = HTTP_POST, .path = "/auth", .max_body_bytes = AUTH_BODY_MAX_BYTES, .handle = answer_auth},
    {.method = HTTP_GET, .path = "/status", .handle = answer_status},
    {.method = HTTP_GET, .path = "/data/export", .handle = answer_export},
    {.method = HTTP_GET, .path = "/support", .handle = answer_support},
    {.method = HTTP_POST,
     .path = "/update",
     .max_body_bytes = SIZE_MAX, /* begin_update says how much */
     .begin = begin_update,
     .body = take_update,
     .handle = answer_update},
    {.method = HTTP_POST,
     .path = "/update/withdraw",
     .max_body_bytes = WITHDRAW_BODY_MAX_BYTES,
     .handle = answer_withdraw},
    {.method = HTTP_GET, .path = "/update/status", .handle = answer_update_status},
};
const size_t agent_route_count = COUNT_OF(agent_routes);

struct agent *agent_of(const struct http_request *request)
{
    return http_context(request);
}

/* What a request behind the token holds. */
struct call {
    struct session *session;
    void *kept;
    void (*release)(void *kept); /* NULL: nothing is kept */
};

struct session *session_of(const struct http_request *request)
{
    const struct call *call = http_data(request);
    return call->session;
}

void agent_keep(struct http_request *request, void *kept, void (*release)(void *kept))
{
    struct call *call = http_data(request);
    call->kept = kept;
    call->release = release;
}

void *agent_kept(const struct http_request *request)
{
    const struct call *call = http_data(request);
    return call->kept;
}

void agent_refuse(struct http_request *request, unsigned status, const char *error, const char *detail)
{
    session_note(session_of(request), SESSION_REFUSED);
    http_answer_error(request, status, error, detail);
}

static void release_call(void *context)
{
    struct call *call = context;
    if (call->release != NULL)
        call->release(call->kept);
    session_release(call->session);
    free(call);
}

static void begin_call(struct http_request *request, struct session *session)
{
    struct call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        session_release(session);
        http_answer_error(request, 500, "internal", "no memory is left: try again later");
        return;
    }
    call->session = session;
    http_set_data(request, call, release_call);
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
        begin_call(request, session);
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
