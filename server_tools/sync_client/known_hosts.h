/* The file of agents that are known: lines `host:port agent_id`, one an agent; `#` lines and blank ones are
 * kept. Knows nothing of connections. Threads: safe; several processes too. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_KNOWN_HOSTS_H
#define SERVER_TOOLS_SYNC_CLIENT_KNOWN_HOSTS_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/crypto/hash.h"

enum { KNOWN_HOSTS_MAX_BYTES = 4 * 1024 * 1024, HOST_PORT_BYTES = 272 };

/* "host:9876", "[::1]:9876"; lowercase. Errors: ERR_USAGE (too long). */
bool known_hosts_name(char out[HOST_PORT_BYTES], const char *host, int64_t port, struct error *err) MUST_USE;

/* agent_id: "" when the file or the name is not there. Errors: ERR_CORRUPT with the line that is wrong. */
bool known_hosts_find(const char *path, const char *name, char agent_id[SHA256_HEX_BYTES],
                      struct error *err) MUST_USE;

/* Adds it, or replaces the name's own line; durable when it returns. */
bool known_hosts_put(const char *path, const char *name, const char *agent_id, struct error *err) MUST_USE;

#endif
