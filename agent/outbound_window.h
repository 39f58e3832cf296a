/* The window of a request to the Outbound API: from and to, parsed once. Knows no store. Threads: safe. */
#ifndef AGENT_OUTBOUND_WINDOW_H
#define AGENT_OUTBOUND_WINDOW_H

#include "common/net/http_server.h"

struct outbound_window {
    int64_t from_us, to_us; /* from <= to */
};

/* False: the request was answered 400 `bad_window`, or `bad_request` for any other parameter. */
bool outbound_window_read(struct http_request *request, struct outbound_window *out) MUST_USE;

#endif
