/* Connections that were answered while their peer was still sending, and are over but for that: what comes is
 * read and thrown away for a moment, so that the kernel does not answer it with a reset that overtakes the
 * answer (RFC 9112, section 9.6). Knows nothing of HTTP.
 * Threads: http_linger_add from any; the rest from one. */
#ifndef COMMON_NET_HTTP_LINGER_H
#define COMMON_NET_HTTP_LINGER_H

#include <poll.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/error.h"

enum { HTTP_LINGER_MAX = 32, HTTP_LINGER_MS = 2000 };

struct http_linger;

/* clock: borrowed. */
struct http_linger *http_linger_new(const struct clock *clock, struct error *err) MUST_USE;
/* Closes all. NULL is fine. */
void http_linger_free(struct http_linger *linger);

/* fd: borrowed, copied. Its sending side is shut. When there are HTTP_LINGER_MAX already, nothing is done. */
void http_linger_add(struct http_linger *linger, int fd);
/* What poll(2) should wait for. Returns how many. */
size_t http_linger_fill(struct http_linger *linger, struct pollfd fds[HTTP_LINGER_MAX]);
/* Reads what is there; closes those that ended or whose time is over. */
void http_linger_drain(struct http_linger *linger);

#endif
