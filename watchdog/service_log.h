/* What one service says on stdout and stderr: a pipe that the loop empties into a log file. The service is
 * never made to wait for longer than a moment, and neither is the watchdog. Knows nothing of the service. */
#ifndef WATCHDOG_SERVICE_LOG_H
#define WATCHDOG_SERVICE_LOG_H

#include "common/os/loop.h"
#include "watchdog/log_file.h"

enum {
    LOG_READ_BYTES =
        32 * 1024,     /* of one service at a time, so that a flood leaves the loop its other duties */
    LOG_PAUSE_MS = 50, /* a flood is looked at again after that, so that it costs little CPU */
};

struct service_log {
    struct log_file file;
    struct loop *loop;
    int read_fd, write_fd; /* the pipe; services get the writing end */
    int copy_fd;           /* everything goes there too, if it can be taken at once; -1: nowhere */
    struct loop_watch *reader;
    struct loop_watch *pause;
};

/* folder/<name>.log. The log stays at its address: the loop points to it. */
bool service_log_open(struct service_log *log, const char *folder, const char *name, struct loop *loop,
                      const struct clock *clock, struct error *err) MUST_USE;
/* Takes what is left in the pipe first. A zeroed one is fine. */
void service_log_close(struct service_log *log);

#endif
