/* Which Host and Origin headers are this site's own. A page of another site whose name was pointed at this
 * machine (DNS rebinding) is told by its Host. Knows nothing of requests. Threads: safe. */
#ifndef PORTAL_HOSTS_H
#define PORTAL_HOSTS_H

#include <stdbool.h>

#include "common/base/attr.h"

/* True when host (a Host header, with or without a port) is localhost, the connection's own address, or one
 * of the names in configured: separated by commas or blanks, each with or without a port.
 * local_address: as http_local has it. host may be NULL: false. */
bool host_allowed(const char *host, const char *local_address, const char *configured) MUST_USE;

/* True when there is no origin (NULL), or it is this very site: scheme, host and port. */
bool origin_allowed(const char *origin, const char *host, bool tls) MUST_USE;

#endif
