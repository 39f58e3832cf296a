#include "server_tools/sync_service/agent_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRAME_MAX_BYTES = 64 * 1024 /* of a compressed stream, besides its lines */ };

struct agent_export {
    struct agent_export_config config;
    struct export_ask ask;
    char stream[16], store_id[AGENT_STORE_ID_BYTES], since[64];
    struct agent_call *call;
    struct line_reader *lines; /* NULL: nothing came yet */
    struct export_promise promise;
    int64_t bytes;
    bool stopped;
    struct error error; /* ERR_NONE: none of ours so far */
};

/* ---- while it comes ---- */

static const char *header_of(const void *transfer, const char *name)
{
    return http_transfer_header(transfer, name);
}

static bool take_headers(void *context, struct http_transfer *transfer)
{
    struct agent_export *export = context;
    return export_promise_read(&export->ask, header_of, transfer, &export->promise, &export->error);
}

/* More lines than the headers say, or more bytes than so many lines can need, are read no further. */
static bool check_room(struct agent_export *export, struct error *err)
{
    int64_t count = export->promise.count;
    int64_t lines_bytes = export->bytes - FRAME_MAX_BYTES;
    return (line_reader_lines(export->lines) <= count &&
            lines_bytes / (int64_t) export->config.line_max_bytes <= count) ||
           error_set(err, ERR_PROTOCOL, "the export says %" PRId64 " %s and sends more", count,
                     export->stream);
}

static bool take_line(void *context, struct view line, struct error *err)
{
    struct agent_export *export = context;
    if (line_reader_lines(export->lines) >= export->promise.count)
        return error_set(err, ERR_PROTOCOL, "the export says %" PRId64 " %s and sends more",
                         export->promise.count, export->stream);
    return export->config.on_line(export->config.context, line, err);
}

static bool feed(struct agent_export *export, struct view piece, struct error *err)
{
    if (export->lines == NULL)
        export->lines = line_reader_new(export->config.line_max_bytes, take_line, export, err);
    if (export->lines == NULL)
        return false;
    export->bytes += (int64_t)piece.size;
    return line_reader_feed(export->lines, piece, err) && check_room(export, err);
}

static enum http_take take_piece(void *context, struct view piece)
{
    struct agent_export *export = context;
    if (export->config.has_room != NULL && !export->config.has_room(export->config.context))
        return HTTP_PAUSE;
    return feed(export, piece, &export->error) ? HTTP_TAKEN : HTTP_STOP;
}

/* ---- its end ---- */

static bool check_whole(const struct agent_export *export, struct error *err)
{
    int64_t lines = export->lines == NULL ? 0 : line_reader_lines(export->lines);
    if (export->lines == NULL)
        return error_set(err, ERR_PROTOCOL, "the export has no body");
    if (!line_reader_finish(export->lines, err))
        return false;
    return lines == export->promise.count ||
           error_set(err, ERR_PROTOCOL, "the export says %" PRId64 " %s and holds %" PRId64,
                     export->promise.count, export->stream, lines);
}

static enum export_end refused(const struct agent_export *export, const struct http_pool_answer *answer,
                               struct agent_export_result *result, struct error *err)
{
    char what[32];
    enum error_code code = answer->status == 429 || answer->status == 503 ? ERR_BUSY : ERR_PROTOCOL;
    agent_answer_text(answer->body, "error", result->word, sizeof(result->word));
    snprintf(what, sizeof(what), "export of %s", export->stream);
    agent_answer_explain(answer->status, answer->body, what, code, err);
    return EXPORT_REFUSED;
}

static enum export_end judge(struct agent_export *export, const struct http_pool_answer *answer,
                             struct agent_export_result *result, struct error *err)
{
    if (export->stopped)
        return EXPORT_STOPPED;
    if (export->error.code != ERR_NONE) {
        *err = export->error;
        return EXPORT_DAMAGED;
    }
    if (answer->err != NULL) {
        *err = *answer->err;
        if (answer->status == 0)
            return EXPORT_FAILED;
        return err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT ? EXPORT_BROKE : EXPORT_DAMAGED;
    }
    if (answer->status != 200)
        return refused(export, answer, result, err);
    return check_whole(export, err) ? EXPORT_WHOLE : EXPORT_DAMAGED;
}

static void free_export(struct agent_export *export)
{
    line_reader_free(export->lines);
    free(export);
}

static void take_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct agent_export *export = context;
    struct error err = {.code = ERR_NONE};
    struct agent_export_result result = {
        .promise = &export->promise,
        .lines = export->lines == NULL ? 0 : line_reader_lines(export->lines),
        .bytes = (int64_t)answer->wire_bytes,
        .reached = answer->status != 0,
    };
    (void)transfer;
    result.end = judge(export, answer, &result, &err);
    if (err.code == ERR_INPUT)
        err.code = ERR_PROTOCOL; /* no file of the user's is wrong: the agent is */
    if (result.end != EXPORT_WHOLE && result.end != EXPORT_STOPPED)
        result.err = &err;
    export->config.done(export->config.context, &result);
    free_export(export);
}

/* ---- from outside ---- */

static void copy_ask(struct agent_export *export, const struct export_ask *ask)
{
    snprintf(export->stream, sizeof(export->stream), "%s", ask->stream);
    snprintf(export->store_id, sizeof(export->store_id), "%s", ask->store_id);
    snprintf(export->since, sizeof(export->since), "%s", ask->since);
    export->ask = *ask;
    export->ask.stream = export->stream;
    export->ask.store_id = export->store_id;
    export->ask.since = export->since;
}

static bool send_ask(struct agent_export *export, struct error *err)
{
    SCOPE_BUF struct buf target = BUF_LIMIT(EXPORT_TARGET_MAX_BYTES);
    if (!export_ask_write(&export->ask, &target, err))
        return false;
    const char *const headers[] = {export_ask_accept(&export->ask), NULL};
    const struct http_pool_request request = {
        .method = "GET",
        .target = target.data,
        .headers = headers,
        .floor_s = export->config.floor_s,
        .piece = take_piece,
        .headers_done = take_headers,
        .done = take_done,
        .context = export,
    };
    export->call = agent_session_request(export->config.session, &request, err);
    return export->call != NULL;
}

struct agent_export *agent_export_start(const struct agent_export_config *config, struct error *err)
{
    struct agent_export *export = calloc(1, sizeof(*export));
    if (export == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an export");
        return NULL;
    }
    export->config = *config;
    copy_ask(export, config->ask);
    if (send_ask(export, err))
        return export;
    free_export(export);
    return NULL;
}

void agent_export_resume(struct agent_export *export)
{
    agent_call_resume(export->call);
}

void agent_export_stop(struct agent_export *export)
{
    export->stopped = true;
}

const struct export_promise *agent_export_promise(const struct agent_export *export)
{
    return &export->promise;
}

void agent_export_cancel(struct agent_export *export)
{
    if (export == NULL)
        return;
    agent_call_forget(export->call);
    free_export(export);
}
