/* Takes requests in: from the headers through the body to the handler. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/text.h"
#include "common/net/http_internal.h"

enum {
    /* A refused body of up to this size is read, so that the connection lives on and the client, busy
     * sending, sees the answer and not a reset. */
    HTTP_DISCARD_BYTES = 256 * 1024,
    HTTP_ALLOW_BYTES = 64,
    HTTP_DETAIL_BYTES = 128,
};

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    {"GET", HTTP_GET}, {"HEAD", HTTP_GET}, {"POST", HTTP_POST}, {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE},
};

/* ---- what a handler can ask ---- */

const char *http_path(const struct http_request *request)
{
    return request->target.path;
}

bool http_is_head(const struct http_request *request)
{
    return strcmp(request->method, MHD_HTTP_METHOD_HEAD) == 0;
}

const char *http_header(struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_cookie(struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
}

const char *http_query(struct http_request *request, const char *name)
{
    return http_target_parameter(&request->target, name);
}

size_t http_query_count(struct http_request *request)
{
    return request->target.parameter_count;
}

const char *http_peer(const struct http_request *request)
{
    return http_connection_address(request->row)->text;
}

const char *http_peer_key(const struct http_request *request)
{
    return http_connection_address(request->row)->key;
}

void http_local(const struct http_request *request, char out[HTTP_ADDRESS_BYTES])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    struct http_address local = {"unknown", "unknown"};
    if (getsockname(http_connection_fd(request->row), (struct sockaddr *)&address, &size) == 0)
        http_address_of(&local, (const struct sockaddr *)&address);
    if (!text_copy(out, HTTP_ADDRESS_BYTES, view_of(local.text)))
        out[0] = '\0';
}

struct view http_body(const struct http_request *request)
{
    return buf_view(&request->body);
}

void http_limit_body(struct http_request *request, size_t max_bytes)
{
    request->max_taken_bytes = max_bytes;
}

void *http_context(const struct http_request *request)
{
    return request->server->config.context;
}

void http_set_data(struct http_request *request, void *data, void (*release)(void *data))
{
    if (request->release_data != NULL)
        request->release_data(request->data);
    request->data = data;
    request->release_data = release;
}

void *http_data(const struct http_request *request)
{
    return request->data;
}

/* ---- routes ---- */

static bool path_fits(const struct http_route *route, const char *path)
{
    size_t size = strlen(route->path);
    if (size > 0 && route->path[size - 1] == '*')
        return strncmp(route->path, path, size - 1) == 0;
    return strcmp(route->path, path) == 0;
}

static bool find_method(const char *name, enum http_method *out)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(name, methods[i].name) == 0) {
            *out = methods[i].method;
            return true;
        }
    }
    return false;
}

/* 405 with what the path does take (RFC 9110, section 15.5.6). */
static void refuse_method(struct http_request *request, unsigned allowed)
{
    char allow[HTTP_ALLOW_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if ((allowed & 1U << methods[i].method) == 0)
            continue;
        used += (size_t)snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "",
                                 methods[i].name);
    }
    http_add_header(request, "Allow", allow);
    char detail[HTTP_DETAIL_BYTES];
    snprintf(detail, sizeof(detail), "this path takes %s", allow);
    http_answer_error(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", detail);
}

/* Sets request->route, or answers. */
static void find_route(struct http_request *request)
{
    const struct http_server_config *config = &request->server->config;
    enum http_method method = HTTP_GET;
    bool known = find_method(request->method, &method);
    unsigned allowed = 0;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct http_route *route = &config->routes[i];
        if (!path_fits(route, request->target.path))
            continue;
        if (known && route->method == method) {
            request->route = route;
            return;
        }
        allowed |= 1U << route->method;
    }
    if (allowed != 0)
        refuse_method(request, allowed);
    else
        http_answer_error(request, MHD_HTTP_NOT_FOUND, "not_found",
                          "there is no such path: check how it is written");
}

/* ---- the headers ---- */

struct body_announced {
    bool any;
    bool chunked;
    uint64_t bytes; /* when not chunked */
};

static bool read_announced(struct http_request *request, struct body_announced *out)
{
    const char *length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    *out = (struct body_announced){0};
    out->chunked = http_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    if (length != NULL && (out->chunked || !text_parse_u64(view_of(length), INT64_MAX, &out->bytes)))
        return false;
    out->any = out->chunked || out->bytes > 0;
    return true;
}

static void check_headers(struct http_request *request, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        http_answer_error(request, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "http_version", "HTTP/1.0 or 1.1");
    else if (size != NULL && size->header_size > HTTP_MAX_HEADER_BYTES)
        http_answer_error(request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large",
                          "the headers are larger than 16 KiB");
    else if (http_fields_hide_something(request))
        http_answer_error(request, MHD_HTTP_BAD_REQUEST, "bad_request", "a header holds a NUL: leave it out");
    else if (request->target_error.code == ERR_LIMIT)
        http_answer_error(request, MHD_HTTP_URI_TOO_LONG, "url_too_long", request->target_error.text);
    else if (request->target_error.code != ERR_NONE)
        http_answer_error(request, MHD_HTTP_BAD_REQUEST, "bad_request", request->target_error.text);
}

static void refuse_body(struct http_request *request)
{
    char detail[HTTP_DETAIL_BYTES] = "this call takes no body";
    size_t max_bytes = request->route->max_body_bytes;
    if (max_bytes > 0)
        snprintf(detail, sizeof(detail), "this call takes a body of at most %zu bytes", max_bytes);
    http_answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", detail);
}

/* All that can be answered before the body. Sets how much of the body is taken. */
static void look_at_headers(struct http_request *request, const char *version,
                            const struct body_announced *body)
{
    const struct http_server_config *config = &request->server->config;
    request->max_taken_bytes = HTTP_DISCARD_BYTES;
    check_headers(request, version);
    if (!request->answered && config->before != NULL)
        config->before(request);
    if (!request->answered)
        find_route(request);
    if (request->answered)
        return;
    if (body->any && (request->route->max_body_bytes == 0 || body->bytes > request->route->max_body_bytes)) {
        refuse_body(request);
        return;
    }
    request->max_taken_bytes = request->route->max_body_bytes;
    request->body.limit_bytes = request->route->max_body_bytes;
    if (request->route->begin != NULL)
        request->route->begin(request);
}

static enum MHD_Result begin(struct http_request *request, const char *version)
{
    struct body_announced body;
    request->begun = true;
    if (!read_announced(request, &body)) {
        http_connection_headers_done(request->server->connections, request->row, false);
        http_answer_error(request, MHD_HTTP_BAD_REQUEST, "bad_request",
                          "Content-Length must be a number, and not beside Transfer-Encoding");
        return http_answer_queue(request);
    }
    http_connection_headers_done(request->server->connections, request->row, body.any);
    look_at_headers(request, version, &body);
    if (!request->answered || !body.any)
        return MHD_YES; /* it comes back with the body, or with its end */
    /* Answered while the body is still to come: who asks first, or sends more than is worth reading, gets the
     * answer at once, and the connection ends. */
    request->refused = true;
    bool asks_first = http_header(request, MHD_HTTP_HEADER_EXPECT) != NULL;
    bool too_large = !body.chunked && body.bytes > request->max_taken_bytes;
    if (!asks_first && !too_large)
        return MHD_YES;
    http_connection_set_cut_short(request->row);
    return http_answer_queue(request);
}

/* ---- the body ---- */

/* False: nothing more can be done for this connection. */
static bool take_piece(struct http_request *request, struct view piece)
{
    if (piece.size > request->max_taken_bytes - request->body_bytes) {
        if (request->refused) /* libmicrohttpd takes no answer in the middle of a body */
            return false;
        if (!request->answered)
            refuse_body(request);
        request->refused = true;
        request->max_taken_bytes = request->body_bytes + piece.size + HTTP_DISCARD_BYTES;
    }
    request->body_bytes += piece.size;
    if (request->refused)
        return true;
    if (request->route->body == NULL)
        request->refused = !buf_append_view(&request->body, piece);
    else
        request->refused = !request->route->body(request, piece);
    return true;
}

static enum MHD_Result finish(struct http_request *request)
{
    http_connection_answers(request->server->connections, request->row);
    if (!request->answered && !request->refused && !request->was_aside)
        request->route->handle(request);
    if (!request->answered && request->aside != NULL) {
        if (http_aside_start(request))
            return MHD_YES; /* it comes back here when it is answered */
        http_answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                          "as many requests wait as this machine lets wait: try again in a moment");
    }
    if (!request->answered)
        http_answer_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal",
                          "nothing answered this request: tell its maker how to repeat it");
    return http_answer_queue(request);
}

/* ---- the callbacks of libmicrohttpd ---- */

void *http_request_open(void *context, const char *target, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info == NULL || info->socket_context == NULL)
        return NULL;
    struct http_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->server = context;
    request->connection = connection;
    request->row = info->socket_context;
    request->headers.limit_bytes = HTTP_MAX_HEADER_BYTES;
    if (!http_target_parse(&request->target, target, &request->target_error))
        request->target.path = "";
    return request;
}

enum MHD_Result http_request_step(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *piece,
                                  size_t *piece_bytes, void **state)
{
    struct http_request *request = *state;
    (void)context;
    (void)connection;
    (void)url;
    if (request == NULL)
        return MHD_NO;
    request->method = method;
    if (!request->begun)
        return begin(request, version);
    if (*piece_bytes == 0)
        return finish(request);
    struct view view = {piece, *piece_bytes};
    *piece_bytes = 0;
    return take_piece(request, view) ? MHD_YES : MHD_NO;
}

void http_request_close(void *context, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode how)
{
    struct http_server *server = context;
    struct http_request *request = *state;
    (void)connection;
    if (request == NULL)
        return;
    if (request->begun)
        log_debug(server->config.log, "%s %s %s: %u%s", http_peer(request), request->method,
                  request->target.path, request->status,
                  how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", broken off");
    http_connection_request_done(server->connections, request->row);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    if (request->release_data != NULL)
        request->release_data(request->data);
    http_target_clear(&request->target);
    buf_clear(&request->body);
    buf_clear(&request->headers);
    free(request);
    *state = NULL;
}
