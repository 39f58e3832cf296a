/* `sync_client --support FILE`: the machine's support bundle into a file, and nothing else. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_SUPPORT_H
#define SERVER_TOOLS_SYNC_CLIENT_SUPPORT_H

#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/settings.h"

enum { SUPPORT_FILE_MAX_BYTES = 256 * 1024 * 1024 }; /* also of what it unpacks to */

/* Comes as FILE.part (an old one is replaced), which gets its name when it is whole and durable. Prints the
 * result. Errors: ERR_EXISTS (FILE is there already), those of a session, ERR_PROTOCOL (the machine has no
 * such call, or sends something else), ERR_UNREACHABLE (it broke off RETRY_ATTEMPTS times), ERR_SPACE,
 * ERR_IO. */
bool support_fetch(const struct settings *settings, struct notices *notices, struct error *err) MUST_USE;

#endif
