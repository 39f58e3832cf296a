/* Gives answers out: bodies in memory, static ones, streams. */
#include <stdlib.h>
#include <string.h>

#include "common/net/http_internal.h"
#include "common/net/json_writer.h"

enum { HTTP_ERROR_BODY_BYTES = 4096 };

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    if (request->answered)
        return;
    buf_append(&request->headers, name, strlen(name) + 1);
    buf_append(&request->headers, value, strlen(value) + 1);
}

static void add_to_response(const struct http_request *request, struct MHD_Response *response,
                            const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_warn(request->server->config.log, "the header %s cannot be sent", name);
}

/* "Name: value" */
static void add_server_header(const struct http_request *request, struct MHD_Response *response,
                              const char *line)
{
    char name[128];
    size_t size = strcspn(line, ":");
    if (line[size] == '\0' || size >= sizeof(name))
        return;
    memcpy(name, line, size);
    name[size] = '\0';
    line += size + 1;
    add_to_response(request, response, name, line + strspn(line, " "));
}

static void add_headers(const struct http_request *request, struct MHD_Response *response)
{
    const char *const *lines = request->server->config.headers;
    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
        add_server_header(request, response, lines[i]);
    if (request->headers.size == 0)
        return;
    const char *at = request->headers.data;
    const char *end = at + request->headers.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        add_to_response(request, response, at, value);
        at = value + strlen(value) + 1;
    }
}

void http_answer_take(struct http_request *request, unsigned status, const char *content_type,
                      struct MHD_Response *response)
{
    if (request->answered) {
        log_error(request->server->config.log, "%s was answered twice", http_path(request));
        if (response != NULL)
            MHD_destroy_response(response);
        return;
    }
    if (response == NULL || request->headers.no_memory || request->headers.over_limit) {
        if (response != NULL)
            MHD_destroy_response(response);
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        content_type = NULL;
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    request->answered = true;
    request->status = status;
    request->response = response;
    if (response == NULL)
        return; /* http_answer_queue ends the connection */
    add_headers(request, response);
    if (content_type != NULL)
        add_to_response(request, response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
}

void http_answer_take_stream(struct http_request *request, unsigned status, const char *content_type,
                             struct MHD_Response *response)
{
    if (response != NULL && http_is_head(request))
        add_to_response(request, response, MHD_HTTP_HEADER_CONNECTION, "close");
    http_answer_take(request, status, content_type, response);
}

enum MHD_Result http_answer_queue(struct http_request *request)
{
    if (request->response == NULL)
        return MHD_NO;
    http_connection_answers(request->server->connections, request->row);
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

static void answer_buffer(struct http_request *request, unsigned status, const char *content_type,
                          struct view body, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.size, (void *)(uintptr_t)body.data, body.size > 0 ? mode : MHD_RESPMEM_PERSISTENT);
    http_answer_take(request, status, content_type, response);
}

void http_answer(struct http_request *request, unsigned status, const char *content_type, struct view body)
{
    answer_buffer(request, status, content_type, body, MHD_RESPMEM_MUST_COPY);
}

void http_answer_static(struct http_request *request, unsigned status, const char *content_type,
                        struct view body)
{
    answer_buffer(request, status, content_type, body, MHD_RESPMEM_PERSISTENT);
}

void http_answer_json(struct http_request *request, unsigned status, struct view json)
{
    http_answer(request, status, "application/json", json);
}

void http_answer_error(struct http_request *request, unsigned status, const char *error, const char *detail)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(HTTP_ERROR_BODY_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "error", error);
    json_string(&writer, "detail", detail);
    json_end_object(&writer);
    http_answer_json(request, status, buf_check(&body, error, NULL) ? buf_view(&body) : VIEW_LITERAL("{}"));
}

/* ---- streams ---- */

/* Lives as long as its response, which may outlive the request. */
struct stream {
    const struct http_server *server;
    http_read_callback *read;
    void *context;
    void (*release)(void *context);
};

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t out_bytes)
{
    struct stream *stream = context;
    (void)position;
    if (atomic_load(&stream->server->stopping))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t size = stream->read(stream->context, out, out_bytes);
    if (size == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return size > 0 ? size : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *context)
{
    struct stream *stream = context;
    if (stream->release != NULL)
        stream->release(stream->context);
    free(stream);
}

void http_answer_stream(struct http_request *request, unsigned status, const char *content_type,
                        http_read_callback *read, void *context, void (*release)(void *context))
{
    struct stream *stream = malloc(sizeof(*stream));
    if (stream == NULL) {
        if (release != NULL)
            release(context);
        http_answer_take(request, status, content_type, NULL);
        return;
    }
    *stream = (struct stream){request->server, read, context, release};
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK_BYTES, read_stream, stream, free_stream);
    if (response == NULL)
        free_stream(stream);
    http_answer_take_stream(request, status, content_type, response);
}
