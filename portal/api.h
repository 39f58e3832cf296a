/* The portal's JSON calls that only read: one handler a route; the formats are docs/protocol.md's. */
#ifndef PORTAL_API_H
#define PORTAL_API_H

#include "common/net/http_server.h"
#include "common/net/json_writer.h"
#include "portal/portal.h"

void api_health(struct http_request *request);   /* GET /api/health, without a PIN */
void api_status(struct http_request *request);   /* GET /api/status */
void api_channels(struct http_request *request); /* GET /api/channels */
void api_latest(struct http_request *request);   /* GET /api/data/latest */
void api_events(struct http_request *request);   /* GET /api/events */

/* {"time","values":[{"channel_id","time","value"}]} with the rows of seq > after. */
void api_write_latest(const struct portal *portal, struct json_writer *writer, const struct latest *latest,
                      int64_t after);

#endif
