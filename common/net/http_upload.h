/* A file as the body of a client's request: what libcurl calls while it sends one. Inside common/net only.
 * Threads: one at a time. */
#ifndef COMMON_NET_HTTP_UPLOAD_H
#define COMMON_NET_HTTP_UPLOAD_H

#include <curl/curl.h>

#include "common/net/http_client.h"

/* One body on its way. */
struct http_sending {
    const struct http_upload *upload; /* NULL: the request has none */
    CURL *curl;                       /* borrowed, as the next */
    struct error *err;
    int floor_s;
    uint64_t at;        /* the next byte to read */
    bool failed;        /* err says why */
    int64_t window_us;  /* monotonic; when progress was last good. 0: nothing was measured yet */
    uint64_t window_at; /* how much had moved then */
};

/* Sets all that a handle needs to send it, or, without one, takes it back. sending: borrowed until the
 * transfer's end. */
void http_sending_set(struct http_sending *sending);
/* So much has moved in all: false when that is too slow (failed, and err says why). Called by libcurl when
 * something happens; whoever runs a multi handle calls it by a clock, too. */
bool http_sending_watch(struct http_sending *sending, uint64_t sent, uint64_t received) MUST_USE;

#endif
