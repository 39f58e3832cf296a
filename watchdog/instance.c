#include "watchdog/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>

#include "common/base/text.h"
#include "common/os/file.h"

enum {
    LOCK_TRIES = 20, /* `status` and boot/start look by taking the lock for an instant */
    LOCK_TRY_MS = 25,
    PID_BYTES = 16,
};

static bool lock_path(const char *root, struct path *out, struct error *err)
{
    return path_join(out, root, "run/watchdog.lock", err);
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

static void say_who_holds(const char *path, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(PID_BYTES);
    uint64_t pid;
    if (!file_read_path(path, &text, NULL))
        return;
    struct view rest = buf_view(&text);
    if (text_parse_u64(text_cut(&rest, '\n'), INT32_MAX, &pid))
        error_set(err, ERR_BUSY, "a watchdog runs here already: process %d holds %s", (int)pid, path);
}

static void write_pid(const char *path)
{
    char text[PID_BYTES];
    int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    SCOPE_FD int fd = file_open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, NULL);
    if (fd >= 0)
        (void)!file_write_all(fd, text, (size_t)size, NULL);
}

int instance_lock(const char *root, struct error *err)
{
    struct path path;
    struct error busy = {.code = ERR_NONE};
    if (!lock_path(root, &path, err))
        return -1;
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = file_lock(path.text, &busy);
        if (fd >= 0) {
            write_pid(path.text);
            return fd;
        }
        if (busy.code != ERR_BUSY)
            break;
        pause_ms(LOCK_TRY_MS);
    }
    if (busy.code == ERR_BUSY)
        say_who_holds(path.text, &busy);
    if (err != NULL)
        *err = busy;
    return -1;
}

bool instance_runs(const char *root)
{
    struct path path;
    if (!lock_path(root, &path, NULL))
        return false;
    SCOPE_FD int fd = file_open(path.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, NULL);
    if (fd < 0)
        return errno == EACCES;
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}
