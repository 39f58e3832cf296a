/* Listening stream sockets, TCP and Unix. Knows nothing of what is spoken. Descriptors are O_CLOEXEC and do
 * not block. Threads: safe, but for listen_unix: the umask is the process's. */
#ifndef COMMON_OS_LISTEN_H
#define COMMON_OS_LISTEN_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

/* On a numeric address; "::" takes IPv4 too. Returns -1 with err. Errors: ERR_USAGE (it is no address). */
int listen_tcp(const char *address, uint16_t port, struct error *err) MUST_USE;
/* The port that it got when it asked for 0. */
bool listen_port(int fd, uint16_t *out, struct error *err) MUST_USE;
/* The address is one of this machine alone. */
bool listen_is_loopback(const char *address);

/* At a path, with exactly this mode from the first moment. A socket that nobody listens at any more is
 * replaced. Returns -1 with err. Errors: ERR_BUSY (somebody listens there), ERR_EXISTS (it is no socket),
 * ERR_LIMIT (sockets' paths have at most 107 bytes). Who closes it removes the path. */
int listen_unix(const char *path, mode_t mode, struct error *err) MUST_USE;

#endif
