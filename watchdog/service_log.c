#include "watchdog/service_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

enum { LOG_LAST_READS = 8 }; /* more than a pipe holds */

/* A pipe that is ready takes PIPE_BUF bytes without blocking; more might wait for its reader. */
static void copy(int fd, const char *data, size_t size)
{
    while (size > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        size_t piece = size < PIPE_BUF ? size : PIPE_BUF;
        if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
            return;
        ssize_t written = write(fd, data, piece);
        if (written <= 0)
            return;
        data += written;
        size -= (size_t)written;
    }
}

/* One piece from the pipe into the file; false when there is none. */
static bool take(struct service_log *log)
{
    char bytes[LOG_READ_BYTES];
    ssize_t size = read(log->read_fd, bytes, sizeof(bytes));
    if (size <= 0)
        return false;
    log_file_write(&log->file, bytes, (size_t)size);
    if (log->copy_fd >= 0)
        copy(log->copy_fd, bytes, (size_t)size);
    return true;
}

static void on_output(void *context, uint32_t events)
{
    (void)events;
    struct service_log *log = context;
    take(log);
    if (!log_file_drops(&log->file))
        return;
    loop_remove(log->reader);
    log->reader = NULL;
    loop_timer_set(log->pause, LOG_PAUSE_MS, 0);
}

static void on_pause_over(void *context, uint64_t times)
{
    (void)times;
    struct service_log *log = context;
    log->reader = loop_fd(log->loop, log->read_fd, EPOLLIN, on_output, log, NULL);
    if (log->reader == NULL)
        loop_timer_set(log->pause, LOG_PAUSE_MS, 0);
}

bool service_log_open(struct service_log *log, const char *folder, const char *name, struct loop *loop,
                      const struct clock *clock, struct error *err)
{
    struct path path;
    int ends[2];
    if (!path_printf(&path, err, "%s/%s.log", folder, name))
        return false;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, "make a pipe for the log of %s", name);
    *log = (struct service_log){.loop = loop, .read_fd = ends[0], .write_fd = ends[1], .copy_fd = -1};
    log_file_open(&log->file, &path, clock);
    /* only our end: whether the service's writes wait is its own affair */
    if (fcntl(log->read_fd, F_SETFL, O_NONBLOCK) == 0) {
        log->pause = loop_timer(loop, -1, 0, on_pause_over, log, err);
        if (log->pause != NULL)
            log->reader = loop_fd(loop, log->read_fd, EPOLLIN, on_output, log, err);
    } else {
        error_set_errno(err, "the log pipe of %s", name);
    }
    if (log->reader != NULL)
        return true;
    service_log_close(log);
    return false;
}

void service_log_close(struct service_log *log)
{
    if (log->loop == NULL)
        return;
    for (int i = 0; i < LOG_LAST_READS && take(log); i++)
        continue;
    loop_remove(log->reader);
    loop_remove(log->pause);
    log_file_close(&log->file);
    close(log->read_fd);
    close(log->write_fd);
    *log = (struct service_log){.loop = NULL};
}
