/* GET /api/history: one channel over a range of time, the least and the greatest value of each point.
 * Source: docs/appliance.md, "The page's calls". */
#ifndef PORTAL_HISTORY_H
#define PORTAL_HISTORY_H

#include "common/net/http_server.h"

enum { HISTORY_POINTS_DEFAULT = 800 };

/* ?channel=NAME&from=TIME&to=TIME&points=N (2 to HISTORY_POINTS_MAX). */
void history_get(struct http_request *request);

#endif
