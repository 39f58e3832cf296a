/* A request's target (RFC 9112, section 3.2.1, origin-form) taken apart: path and query parameters,
 * percent-decoded. All input is hostile. Knows nothing of requests.
 * Threads: one at a time. */
#ifndef COMMON_NET_HTTP_TARGET_H
#define COMMON_NET_HTTP_TARGET_H

#include <stddef.h>

#include "common/net/http_server.h"

enum { HTTP_MAX_PARAMETERS = 32 };

struct http_parameter {
    const char *name;
    const char *value; /* "" when there was no '=' */
};

struct http_target {
    char *text; /* owned; what the others point into */
    const char *path;
    struct http_parameter parameters[HTTP_MAX_PARAMETERS];
    size_t parameter_count;
};

/* Takes only what begins with '/'. In the query '+' is a blank, as forms write it. Refused are control
 * characters and invalid UTF-8 (encoded or not), a broken percent-encoding, a parameter without a name or
 * given twice, '#'. Errors: ERR_LIMIT (longer than HTTP_MAX_URL_BYTES, too many parameters), ERR_INPUT,
 * ERR_MEMORY. out is set only on success; free it with http_target_clear. */
bool http_target_parse(struct http_target *out, const char *raw, struct error *err) MUST_USE;
void http_target_clear(struct http_target *target);

/* NULL when it was not given. */
const char *http_target_parameter(const struct http_target *target, const char *name);

#endif
