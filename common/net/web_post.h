/* POSTs to addresses that people have given: real certificates and names, no redirects, no proxies, nothing
 * of the answer but its status and a little of its body; and not into somebody's own network, unless that is
 * wanted: what a name means is looked at when the connection is made, so no answer of a DNS server gets
 * around it. Threads: one at a time. Call http_client_global_init once, before any thread starts. */
#ifndef COMMON_NET_WEB_POST_H
#define COMMON_NET_WEB_POST_H

#include "common/base/buf.h"

enum { WEB_POST_CONNECT_MS = 5 * 1000, WEB_POST_TOTAL_MS = 10 * 1000, WEB_POST_ANSWER_MAX_BYTES = 16 * 1024 };

struct web_poster;

struct web_poster_config {
    const char *ca_file; /* PEM; "": the system's; borrowed */
    bool allow_private;  /* also addresses that are not public (address_range.h), and http:// */
    int total_ms;        /* of one POST; 0: the default */
};
struct web_poster *web_poster_new(const struct web_poster_config *config, struct error *err) MUST_USE;
void web_poster_free(struct web_poster *poster); /* NULL is fine */
/* Drops the connection that is kept. */
void web_poster_rest(struct web_poster *poster);

struct web_post {
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated */
    struct view body;
    /* out */
    unsigned status;
    struct buf *answer; /* borrowed; what fits into its limit, the rest is thrown away. NULL: not wanted */
};

/* True when an answer came, whatever its status. The texts name the host alone: a path may be a secret.
 * Errors: ERR_USAGE (the address), ERR_DENIED (a certificate that does not hold, or not a public address: for
 * good as far as we can tell), ERR_UNREACHABLE, ERR_TIMEOUT, ERR_PROTOCOL (no HTTP), ERR_MEMORY. */
bool web_post_send(struct web_poster *poster, struct web_post *post, struct error *err) MUST_USE;

#endif
