/* How the portal's JSON calls answer: a document, or what the store's reader could not do. */
#ifndef PORTAL_ANSWER_H
#define PORTAL_ANSWER_H

#include "common/net/http_server.h"
#include "common/net/json_writer.h"
#include "portal/portal.h"

/* 200 with the document, 500 when it did not fit. */
void answer_json(struct http_request *request, const struct buf *text);
/* 503 `no_store` or `store_failing`. */
void answer_store_error(struct http_request *request, const struct error *err);

#endif
