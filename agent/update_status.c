#include "agent/update_status.h"

#include <stdlib.h>

#include "agent/routes.h"
#include "updater/pending.h"
#include "updater/release.h"

enum { UPDATE_HISTORY_SHOWN = 100, UPDATE_STATUS_MAX_BYTES = 1024 * 1024 };

/* What is known of updates here. */
struct picture {
    char current[RELEASE_VERSION_BYTES];
    struct pending pending;
    struct history_entry *history; /* the newest first */
    size_t count;
};

static bool picture_read(const char *root, struct picture *out, struct error *err)
{
    *out = (struct picture){.history = calloc(UPDATE_HISTORY_SHOWN, sizeof(*out->history))};
    if (out->history == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the update history");
    return release_current(root, out->current, err) && pending_read(root, &out->pending, err) &&
           update_history_read(root, out->history, UPDATE_HISTORY_SHOWN, &out->count, err);
}

static void picture_clear(struct picture *picture)
{
    pending_clear(&picture->pending);
    free(picture->history);
}
#define SCOPE_PICTURE SCOPE(picture_clear)

static bool is_underway(const struct pending *pending)
{
    return pending->state != UPDATE_NONE && !update_state_is_end(pending->state);
}

static void write_text_or_null(struct json_writer *writer, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_string(writer, key, text);
    else
        json_null(writer, key);
}

/* How the last update that was decided on ended, or NULL. */
static const struct history_entry *last_end(const struct picture *picture)
{
    for (size_t i = 0; i < picture->count; i++) {
        for (enum update_state end = UPDATE_COMMITTED; end <= UPDATE_REJECTED; end++) {
            if (strcmp(picture->history[i].event, update_state_name(end)) == 0)
                return &picture->history[i];
        }
    }
    return NULL;
}

/* Whom or what an update waits for. */
static const char *waiting_for(const struct agent *agent, const struct pending *pending)
{
    const char *approval = agent->appliance->config.update_approval;
    switch (pending->state) {
    case UPDATE_PENDING:
        return strcmp(approval, "auto") == 0 ? "machine" : approval;
    case UPDATE_APPROVED:
    case UPDATE_APPLYING:
        return "machine";
    case UPDATE_PROBATION:
        return "probation";
    default:
        return "";
    }
}

/* ---- GET /update/status ---- */

static void write_pending(struct json_writer *writer, const struct pending *pending)
{
    json_object(writer, "pending");
    json_string(writer, "version", pending->version);
    json_string(writer, "manifest_sha256", pending->manifest_sha256);
    json_string(writer, "notes", pending->notes);
    json_time_us(writer, "received_at", pending->received_us);
    json_string(writer, "from", pending->from);
    json_end_object(writer);
}

static void write_approval(struct json_writer *writer, const struct pending *pending)
{
    if (pending->approved_by[0] == '\0' || !is_underway(pending)) {
        json_null(writer, "approved");
        return;
    }
    json_object(writer, "approved");
    json_string(writer, "by", pending->approved_by);
    json_time_us(writer, "at", pending->approved_us);
    json_end_object(writer);
}

static void write_outcome(struct json_writer *writer, const char *key, const struct history_entry *end)
{
    if (end == NULL) {
        json_null(writer, key);
        return;
    }
    json_object(writer, key);
    json_string(writer, "version", end->version);
    json_string(writer, "outcome", end->event);
    write_text_or_null(writer, "previous", end->previous);
    write_text_or_null(writer, "reason", end->reason);
    write_text_or_null(writer, "detail", end->text);
    json_time_us(writer, "at", end->time_us);
    json_end_object(writer);
}

/* As `updater history --json` has them. */
static void write_history(struct json_writer *writer, const struct picture *picture)
{
    json_array(writer, "history");
    for (size_t i = 0; i < picture->count; i++)
        update_history_write(writer, &picture->history[i]);
    json_end_array(writer);
}

static void write_status(struct json_writer *writer, const struct agent *agent, const struct picture *picture)
{
    const struct pending *pending = &picture->pending;
    json_object(writer, NULL);
    json_string(writer, "current_version", picture->current);
    json_string(writer, "state", update_state_name(pending->state));
    if (is_underway(pending))
        write_pending(writer, pending);
    else
        json_null(writer, "pending");
    write_text_or_null(writer, "waiting_for", waiting_for(agent, pending));
    write_approval(writer, pending);
    json_bool(writer, "applying", pending->state == UPDATE_APPLYING || pending->state == UPDATE_PROBATION);
    write_outcome(writer, "outcome", last_end(picture));
    write_history(writer, picture);
    json_end_object(writer);
}

static bool make_status(const struct agent *agent, struct buf *body, struct error *err)
{
    SCOPE_PICTURE struct picture picture;
    struct json_writer writer;
    if (!picture_read(agent->appliance->root, &picture, err))
        return false;
    json_writer_init(&writer, body);
    write_status(&writer, agent, &picture);
    return buf_check(body, "/update/status", err);
}

void answer_update_status(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct error err;
    SCOPE_BUF struct buf body = BUF_LIMIT(UPDATE_STATUS_MAX_BYTES);
    if (!make_status(agent, &body, &err)) {
        log_error(agent->log, "/update/status: %s", err.text);
        agent_refuse(request, 500, "internal", "the agent's log says why");
        return;
    }
    session_note(session_of(request), SESSION_OK);
    http_answer_json(request, 200, buf_view(&body));
}

/* ---- GET /status ---- */

void write_update_summary(struct json_writer *writer, const struct agent *agent)
{
    SCOPE_PICTURE struct picture picture;
    struct error err;
    if (!picture_read(agent->appliance->root, &picture, &err)) {
        log_warn(agent->log, "/status: %s", err.text);
        json_null(writer, "pending_update");
        json_null(writer, "last_update");
        return;
    }
    const struct pending *pending = &picture.pending;
    if (is_underway(pending)) {
        json_object(writer, "pending_update");
        json_string(writer, "version", pending->version);
        json_string(writer, "state", update_state_name(pending->state));
        json_time_us(writer, "received_at", pending->received_us);
        json_end_object(writer);
    } else {
        json_null(writer, "pending_update");
    }
    write_outcome(writer, "last_update", last_end(&picture));
}
