#include "portal/update.h"

#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "portal/answer.h"
#include "portal/auth.h"

enum { HISTORY_MAX = 100, ANSWER_MAX_BYTES = 256 };

/* ---- what there is ---- */

void update_write_text(struct json_writer *writer, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        json_null(writer, key);
    else
        json_string(writer, key, text);
}

static bool is_queued(const struct pending *pending)
{
    return pending->state == UPDATE_PENDING || pending->state == UPDATE_APPROVED ||
           pending->state == UPDATE_APPLYING;
}

/* To the second, as the contract's example has it. */
static void write_received(struct json_writer *writer, const struct pending *pending)
{
    char text[RFC3339_S_BYTES] = "";
    if (is_queued(pending))
        rfc3339_format_s(text, pending->received_us);
    update_write_text(writer, "received_at", text);
}

void update_write_status(const struct portal *portal, const struct pending *pending,
                         struct json_writer *writer)
{
    bool queued = is_queued(pending);
    const char *reason = pending->state == UPDATE_REJECTED ? pending->text : pending->reason;
    json_object(writer, NULL);
    json_string(writer, "current_version", portal->daemon.appliance.version);
    json_bool(writer, "pending_update", queued);
    update_write_text(writer, "pending_version", queued ? pending->version : NULL);
    if (queued)
        json_string(writer, "notes", pending->notes);
    else
        json_null(writer, "notes");
    write_received(writer, pending);
    update_write_text(writer, "manifest_sha256", queued ? pending->manifest_sha256 : NULL);
    json_string(writer, "state", update_state_name(pending->state));
    update_write_text(writer, "reason", reason);
    json_end_object(writer);
}

void update_status_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    SCOPE_BUF struct buf text = BUF_LIMIT(UPDATE_STATUS_MAX_BYTES);
    struct json_writer writer;
    struct error err;
    if (!pending_read(portal->daemon.appliance.root, &pending, &err)) {
        update_answer_error(request, &err);
        return;
    }
    json_writer_init(&writer, &text);
    update_write_status(portal, &pending, &writer);
    answer_json(request, &text);
}

/* ---- what was ---- */

static void write_entry(struct json_writer *writer, const struct history_entry *entry)
{
    json_object(writer, NULL);
    json_time_us(writer, "time", entry->time_us);
    json_string(writer, "event", entry->event);
    json_string(writer, "version", entry->version);
    update_write_text(writer, "previous", entry->previous);
    update_write_text(writer, "by", entry->by);
    update_write_text(writer, "reason", entry->reason);
    update_write_text(writer, "text", entry->text);
    json_end_object(writer);
}

void update_history_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_FREE struct history_entry *entries = calloc(HISTORY_MAX, sizeof(*entries));
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    struct error err = {.code = ERR_NONE};
    size_t count = 0;
    if (entries == NULL)
        error_set(&err, ERR_MEMORY, "no memory left");
    else
        (void)!update_history_read(portal->daemon.appliance.root, entries, HISTORY_MAX, &count, &err);
    if (err.code != ERR_NONE) {
        update_answer_error(request, &err);
        return;
    }
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_array(&writer, "history");
    for (size_t i = 0; i < count; i++)
        write_entry(&writer, &entries[i]);
    json_end_array(&writer);
    json_end_object(&writer);
    answer_json(request, &text);
}

/* ---- deciding ---- */

void update_answer_error(struct http_request *request, const struct error *err)
{
    const struct portal *portal = http_context(request);
    if (err->reason != NULL) {
        http_answer_error(request, 409, err->reason, err->text);
        return;
    }
    log_warn(&portal->daemon.log, "update: %s", err->text);
    if (err->code == ERR_SPACE)
        http_answer_error(request, 507, "no_space", err->text);
    else
        http_answer_error(request, 500, "update_failed", err->text);
}

static void answer_word(struct http_request *request, unsigned status, const char *word)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(ANSWER_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "status", word);
    json_end_object(&writer);
    http_answer_json(request, status, buf_view(&text));
}

struct decision {
    char manifest_sha256[MANIFEST_SHA256_BYTES]; /* that the operator has seen; "": any */
    char reason[UPDATE_REASON_MAX_BYTES + 1];
};

static bool is_blank(const char *text)
{
    return text_trim(view_of(text)).size == 0;
}

static bool read_sha256(struct json_value root, char out[MANIFEST_SHA256_BYTES], struct error *err)
{
    unsigned char raw[(MANIFEST_SHA256_BYTES - 1) / 2];
    if (!json_present(json_member(root, "manifest_sha256")))
        return true;
    return json_need_string(root, "manifest_sha256", out, MANIFEST_SHA256_BYTES, err) &&
           (text_hex_decode(view_of(out), raw, sizeof(raw)) ||
            error_set(err, ERR_INPUT, "member `manifest_sha256`: expected 64 hex digits"));
}

/* members: those that it may have. The reason is needed where it is one of them. */
static bool read_decision(struct http_request *request, const char *const *members, struct decision *out,
                          struct error *err)
{
    struct view body = http_body(request);
    SCOPE_JSON struct json *json = json_parse(body, UPDATE_BODY_MAX_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    if (!json_only_members(root, members, err) || !read_sha256(root, out->manifest_sha256, err))
        return false;
    if (strcmp(members[0], "reason") != 0)
        return true;
    if (!json_need_string(root, "reason", out->reason, sizeof(out->reason), err))
        return false;
    text_make_printable(out->reason);
    return !is_blank(out->reason) || error_set(err, ERR_INPUT, "member `reason`: say why, in a few words");
}

void update_apply(struct http_request *request)
{
    static const char *const members[] = {"manifest_sha256", NULL};
    const struct portal *portal = http_context(request);
    struct decision decision = {.manifest_sha256 = ""};
    struct error err;
    if (!auth_needs_pin_itself(request))
        return;
    if (http_body(request).size > 0 && !read_decision(request, members, &decision, &err)) {
        http_answer_error(request, 400, "bad_request", err.text);
        return;
    }
    const char *seen = decision.manifest_sha256[0] == '\0' ? NULL : decision.manifest_sha256;
    if (!pending_approve(portal->daemon.appliance.root, seen, "operator", portal->daemon.clock, &err)) {
        update_answer_error(request, &err);
        return;
    }
    log_info(&portal->daemon.log, "update approved from %s", http_peer(request));
    answer_word(request, 202, "approved");
}

/* Reads what waits; false when it has answered that nothing does, or something else than was seen. */
static bool waits(struct http_request *request, const char *seen)
{
    const struct portal *portal = http_context(request);
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    struct error err;
    if (!pending_read(portal->daemon.appliance.root, &pending, &err))
        update_answer_error(request, &err);
    else if (pending.state != UPDATE_PENDING && pending.state != UPDATE_APPROVED)
        http_answer_error(request, 409, "nothing_pending", "no update waits");
    else if (seen[0] != '\0' && strcmp(seen, pending.manifest_sha256) != 0)
        http_answer_error(request, 409, "changed", "another package waits now");
    else
        return true;
    return false;
}

void update_later(struct http_request *request)
{
    if (waits(request, ""))
        answer_word(request, 200, "later");
}

void update_reject(struct http_request *request)
{
    static const char *const members[] = {"reason", "manifest_sha256", NULL};
    const struct portal *portal = http_context(request);
    struct decision decision = {.manifest_sha256 = ""};
    struct error err;
    if (!read_decision(request, members, &decision, &err)) {
        http_answer_error(request, 400, "bad_request", err.text);
        return;
    }
    if (decision.manifest_sha256[0] != '\0' && !waits(request, decision.manifest_sha256))
        return;
    if (!pending_reject(portal->daemon.appliance.root, decision.reason, portal->daemon.clock, &err)) {
        update_answer_error(request, &err);
        return;
    }
    log_info(&portal->daemon.log, "update rejected from %s: %s", http_peer(request), decision.reason);
    answer_word(request, 200, "rejected");
}
