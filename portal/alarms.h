/* Alarms as the page sees them: GET /api/alarms, the event `alarm`, and how many are open. Source:
 * docs/appliance.md, "The page's calls". */
#ifndef PORTAL_ALARMS_H
#define PORTAL_ALARMS_H

#include "common/net/http_server.h"
#include "common/net/json_writer.h"
#include "portal/portal.h"

enum { ALARMS_LIMIT_DEFAULT = 100, ALARMS_LIMIT_MAX = 1000 };

/* ?from=TIME&to=TIME&limit=N, each of which may be missing. */
void alarms_get(struct http_request *request);

/* One alarm as an object. key: NULL at the top and in arrays. channels: by channel_id. */
void alarms_write(struct json_writer *writer, const struct store_alarm *alarm,
                  const struct store_channel *channels, size_t channel_count);

/* The member "alarms" of an open object: {"open","worst"}; null without a store. */
void alarms_write_state(const struct portal *portal, struct json_writer *writer);

#endif
