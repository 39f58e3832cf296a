#include "agent/update_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/routes.h"
#include "agent/update_receiver.h"
#include "agent/update_verify.h"
#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "updater/release.h"

enum {
    UPDATE_ANSWER_BYTES = 8 * 1024,
    /* So much of a body that turns out too long is still read, so that its client sees the answer. */
    UPDATE_DISCARD_BYTES = 256 * 1024,
};

/* One upload, from its headers to its answer. Only one at a time has a receiver. */
struct upload {
    struct agent *agent;
    struct session *session;
    struct update_offer offer;
    struct update_receiver *receiver; /* NULL: refused, or over */
    bool over;                        /* it was answered */
};

/* ---- refusals ---- */

/* The first row that fits an error. */
static const struct refusal_row {
    enum error_code code;
    unsigned status;
    const char *reason; /* NULL: any, or none */
    const char *word;   /* of the answer's `status` */
    bool gives_reason;
    bool is_noted; /* in the update history: it is about the package, not about the moment */
} refusals[] = {
    {ERR_SPACE, 507, NULL, "no_space", false, false},
    {ERR_BUSY, 409, NULL, "busy", false, false},
    {ERR_CANCELLED, 503, NULL, "stopping", false, false},
    {ERR_EXISTS, 409, "same_version", "same_version", false, true},
    {ERR_CHANGED, 409, "older_version", "older_version", false, true},
    {ERR_LIMIT, 413, "too_large", "too_large", false, true},
    {ERR_DENIED, 400, "invalid_sig", "invalid_sig", false, true},
    {ERR_INPUT, 400, NULL, "bad_package", true, true},
};

static bool row_fits(const struct refusal_row *row, const struct error *err)
{
    if (row->code != err->code || (row->gives_reason && err->reason == NULL))
        return false;
    return row->reason == NULL || (err->reason != NULL && strcmp(row->reason, err->reason) == 0);
}

static const struct refusal_row *find_row(const struct error *err)
{
    static const struct refusal_row internal = {ERR_INTERNAL, 500, NULL, "internal", false, false};
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        if (row_fits(&refusals[i], err))
            return &refusals[i];
    }
    return &internal;
}

void update_answer(struct http_request *request, unsigned status, const char *word, const char *reason,
                   const char *detail)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(UPDATE_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_object(&writer, NULL);
    json_string(&writer, "status", word);
    if (reason != NULL)
        json_string(&writer, "reason", reason);
    if (detail != NULL)
        json_string(&writer, "detail", detail);
    json_end_object(&writer);
    if (buf_check(&body, "the answer", NULL))
        http_answer_json(request, status, buf_view(&body));
    else
        http_answer_error(request, status, word, "no memory is left for the whole answer");
}

static void note(const struct upload *upload, const char *reason, const char *text)
{
    struct agent *agent = upload->agent;
    struct error err;
    if (!update_note_refusal(agent->appliance, &upload->offer, reason, text, agent->clock, &err))
        log_error(agent->log, "update history: %s", err.text);
}

/* Nothing of it is left when the answer goes out. */
static void end_upload(struct upload *upload)
{
    if (upload->receiver == NULL)
        return;
    update_receiver_free(upload->receiver);
    upload->receiver = NULL;
    atomic_fetch_sub(&upload->agent->updates, 1);
}

static void refuse(struct http_request *request, struct upload *upload, struct error *err)
{
    struct agent *agent = upload->agent;
    const struct refusal_row *row = find_row(err);
    const char *reason = row->gives_reason ? err->reason : NULL;
    const char *version = upload->offer.version[0] != '\0' ? upload->offer.version : "of no version";
    text_make_printable(err->text);
    log_warn(agent->log, "update %s from %s refused: %s%s%s%s: %s", version, upload->offer.from, row->word,
             reason != NULL ? " (" : "", reason != NULL ? reason : "", reason != NULL ? ")" : "", err->text);
    end_upload(upload);
    if (row->is_noted)
        note(upload, reason != NULL ? reason : row->word, err->text);
    upload->over = true;
    session_note_update(upload->session, SESSION_REFUSED, upload->offer.version);
    update_answer(request, row->status, row->word, reason,
                  row->status == 500 ? "the agent's log says why" : err->text);
}

/* ---- the headers ---- */

static bool read_version(struct http_request *request, struct update_offer *offer, struct error *err)
{
    const char *version = http_header(request, "X-Update-Version");
    if (version == NULL || !release_version_ok(version) ||
        !text_copy(offer->version, sizeof(offer->version), view_of(version)))
        return error_refuse(err, ERR_INPUT, "bad_header",
                            "X-Update-Version: expected the package's version, like 1.2.0");
    return true;
}

static bool read_signature(struct http_request *request, struct update_offer *offer, struct error *err)
{
    unsigned char decoded[UPDATE_SIGNATURE_BYTES];
    size_t size;
    const char *signature = http_header(request, "X-Manifest-Signature");
    if (signature == NULL || !text_copy(offer->signature, sizeof(offer->signature), view_of(signature)) ||
        !text_base64_decode(view_of(signature), decoded, sizeof(decoded), &size) || size == 0)
        return error_refuse(err, ERR_DENIED, "invalid_sig",
                            "X-Manifest-Signature: expected what the package's manifest.sig holds");
    return true;
}

/* Chunked: 0, it is not known. */
static int64_t announced_bytes(struct http_request *request)
{
    const char *length = http_header(request, "Content-Length");
    uint64_t bytes = 0;
    return length != NULL && text_parse_u64(view_of(length), INT64_MAX, &bytes) ? (int64_t)bytes : 0;
}

static bool check_size(int64_t bytes, int64_t max_bytes, struct error *err)
{
    return bytes <= max_bytes ||
           error_refuse(err, ERR_LIMIT, "too_large",
                        "%" PRId64 " bytes; this machine takes %" PRId64 " (MAX_UPDATE_BYTES)", bytes,
                        max_bytes);
}

static bool take_turn(struct agent *agent, struct error *err)
{
    if (atomic_fetch_add(&agent->updates, 1) < AGENT_UPDATES_MAX)
        return true;
    atomic_fetch_sub(&agent->updates, 1);
    return error_refuse(err, ERR_BUSY, "busy", "another update is just coming in or being verified");
}

static bool open_receiver(struct upload *upload, int64_t max_bytes, struct error *err)
{
    struct agent *agent = upload->agent;
    if (!take_turn(agent, err))
        return false;
    upload->receiver = update_receiver_new(agent->appliance->root, max_bytes, err);
    if (upload->receiver == NULL)
        atomic_fetch_sub(&agent->updates, 1);
    return upload->receiver != NULL;
}

static bool accept_headers(struct http_request *request, struct upload *upload, struct error *err)
{
    const struct appliance *appliance = upload->agent->appliance;
    int64_t max_bytes = appliance->config.max_update_bytes;
    int64_t bytes = announced_bytes(request);
    return read_version(request, &upload->offer, err) && read_signature(request, &upload->offer, err) &&
           update_wanted(appliance, upload->offer.version, err) && check_size(bytes, max_bytes, err) &&
           update_receiver_room(appliance->root, bytes, err) && open_receiver(upload, max_bytes, err);
}

static void release_upload(void *context)
{
    struct upload *upload = context;
    if (!upload->over) {
        session_note_update(upload->session, SESSION_CUT_OFF, upload->offer.version);
        log_warn(upload->agent->log, "update %s from %s: the upload was cut off", upload->offer.version,
                 upload->offer.from);
    }
    end_upload(upload);
    free(upload);
}

void begin_update(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct error err = {.code = ERR_NONE};
    int64_t max_bytes = agent->appliance->config.max_update_bytes;
    struct upload *upload = calloc(1, sizeof(*upload));
    if (upload == NULL) {
        agent_refuse(request, 500, "internal", "no memory is left: try again later");
        return;
    }
    upload->agent = agent;
    upload->session = session_of(request);
    snprintf(upload->offer.from, sizeof(upload->offer.from), "%s", http_peer(request));
    agent_keep(request, upload, release_upload);
    http_limit_body(request, (size_t)max_bytes);
    if (accept_headers(request, upload, &err))
        http_limit_body(request, (size_t)max_bytes + UPDATE_DISCARD_BYTES);
    else
        refuse(request, upload, &err);
}

/* ---- the body, and then the whole ---- */

bool take_update(struct http_request *request, struct view piece)
{
    struct upload *upload = agent_kept(request);
    struct error err = {.code = ERR_NONE};
    if (update_receiver_take(upload->receiver, piece, &err))
        return true;
    refuse(request, upload, &err);
    return false;
}

static void verify(struct http_request *request)
{
    struct upload *upload = agent_kept(request);
    struct agent *agent = upload->agent;
    struct error err = {.code = ERR_NONE};
    int64_t bytes = update_receiver_bytes(upload->receiver);
    if (!update_receiver_finish(upload->receiver, &err) ||
        !update_verify_and_queue(agent->appliance, &upload->offer, update_receiver_fd(upload->receiver),
                                 agent->clock, &agent->stopping, &err)) {
        refuse(request, upload, &err);
        return;
    }
    log_info(agent->log, "update %s from %s: %" PRId64 " bytes, verified and queued", upload->offer.version,
             upload->offer.from, bytes);
    end_upload(upload);
    upload->over = true;
    session_note_update(upload->session, SESSION_OK, upload->offer.version);
    update_answer(request, 200, "queued", NULL, NULL);
}

void answer_update(struct http_request *request)
{
    http_answer_aside(request, verify);
}
