/* Which files of log/ go into a support bundle, in which order. */
#ifndef AGENT_SUPPORT_LOGS_H
#define AGENT_SUPPORT_LOGS_H

#include <limits.h>

#include "common/app/config.h"

enum {
    SUPPORT_LOGS_MAX = 256,           /* in a bundle */
    SUPPORT_LOGS_OTHER_MAX = 64,      /* of them, files that are no service's */
    SUPPORT_LOGS_LOOKED_AT_MAX = 4096 /* names in log/ */
};

struct support_logs {
    size_t count;
    bool more; /* log/ has more than was looked at or taken */
    char names[SUPPORT_LOGS_MAX][NAME_MAX + 1];
};

/* The services' logs, the newest part of each first, then the next parts; then what else lies there, the
 * newest first. Only names: what they are is seen when they are opened. log_fd: the folder. services: the
 * lines of SERVICE. */
bool support_logs_find(int log_fd, const struct config_lines *services, struct support_logs *out,
                       struct error *err) MUST_USE;

#endif
