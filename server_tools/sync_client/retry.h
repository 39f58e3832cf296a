/* What a link that breaks is answered with: a while, longer each time, and then another attempt. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_RETRY_H
#define SERVER_TOOLS_SYNC_CLIENT_RETRY_H

#include "common/base/error.h"
#include "server_tools/sync_client/notices.h"

enum { RETRY_ATTEMPTS = 5 }; /* in a row without anything new */

/* Worth another attempt. */
bool retry_is_break(const struct error *err);

/* Says what broke and waits: 1, 2, 4, 8 s. failures: in a row, counted here. False after RETRY_ATTEMPTS. */
bool retry_wait(struct notices *notices, int *failures, struct error *err) MUST_USE;

#endif
