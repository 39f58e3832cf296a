/* What waits in pending_update, for the operator: GET /api/update/status and /history, POST apply, later and
 * reject; docs/appliance.md has the formats. Knows nothing of packages and of how one is applied. */
#ifndef PORTAL_UPDATE_H
#define PORTAL_UPDATE_H

#include "common/net/http_server.h"
#include "common/net/json_writer.h"
#include "portal/portal.h"
#include "updater/pending.h"

enum {
    UPDATE_BODY_MAX_BYTES = 4 * 1024,
    UPDATE_REASON_MAX_BYTES = 420, /* of a rejection, UTF-8 */
    UPDATE_STATUS_MAX_BYTES = 6 * PENDING_NOTES_MAX_BYTES + 8 * 1024,
};

void update_status_get(struct http_request *request);
void update_history_get(struct http_request *request);
void update_apply(struct http_request *request); /* not with a session alone: the PIN itself */
void update_later(struct http_request *request);
void update_reject(struct http_request *request);

/* The object of GET /api/update/status. */
void update_write_status(const struct portal *portal, const struct pending *pending,
                         struct json_writer *writer);
/* "" becomes null. */
void update_write_text(struct json_writer *writer, const char *key, const char *text);
/* What the queue could not do: 409 with its word where it has one. */
void update_answer_error(struct http_request *request, const struct error *err);

#endif
