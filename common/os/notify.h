/* sd_notify(3) by hand: services tell their supervisor READY=1, WATCHDOG=1, STATUS=..., STOPPING=1 in
 * datagrams; ours does the same to systemd. Knows the protocol, not who supervises.
 * Threads: the senders are safe. */
#ifndef COMMON_OS_NOTIFY_H
#define COMMON_OS_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

enum { NOTIFY_MESSAGE_BYTES = 1024 };

/* "READY=1\nSTATUS=serving on 9876". Without NOTIFY_SOCKET in the environment: does nothing, true.
 * Never blocks: a full socket drops the message and is false. */
bool notify_send(const char *message);

/* Half of WATCHDOG_USEC in milliseconds when it is set and meant for this process; else 0. */
int64_t notify_beat_period_ms(void);

/* The receiving side: a datagram socket at path (replaced when stale), non-blocking, readable by the loop.
 * path: absolute and at most 107 bytes (sockaddr_un).   mode: of the socket file; services may run as another
 * user. */
int notify_listen(const char *path, mode_t mode, struct error *err) MUST_USE;

struct notify_message {
    pid_t sender; /* as the kernel says (SCM_CREDENTIALS), not as the message says */
    char text[NOTIFY_MESSAGE_BYTES];
};
/* Takes one message. False when there is none (yet). One that is too long for struct notify_message is
 * dropped. */
bool notify_receive(int fd, struct notify_message *out);

/* True when the message has this line, e.g. "READY=1". */
bool notify_has(const struct notify_message *message, const char *line);
/* The value of KEY= in the message, copied and cut to out_bytes; false when it has none. */
bool notify_value(const struct notify_message *message, const char *key, char *out, size_t out_bytes);

#endif
