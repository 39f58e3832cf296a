#include "watchdog/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

enum { LOG_FILE_MODE = 0640, NOTE_BYTES = 128 };

/* Only a regular file, and never through a symlink: the folder may be writable by others. */
static void open_file(struct log_file *file)
{
    struct stat status;
    SCOPE_FD int fd = file_create(file->path.text, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK,
                                  LOG_FILE_MODE, NULL);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    file->fd = fd_take(&fd);
    file->size_bytes = status.st_size;
    file->in_line = false;
}

void log_file_close(struct log_file *file)
{
    scope_fd(&file->fd);
    file->fd = -1;
}

void log_file_open(struct log_file *file, const struct path *path, const struct clock *clock)
{
    *file = (struct log_file){
        .path = *path,
        .clock = clock,
        .fd = -1,
        .room_bytes = LOG_BURST_BYTES,
        .refilled_us = clock_monotonic_us(clock),
    };
    open_file(file);
}

/* NAME.3 becomes NAME.4 ... NAME becomes NAME.1. A rename that fails loses an old file, never a new line. */
static void rotate(struct log_file *file)
{
    struct path from;
    struct path to;
    for (int number = LOG_FILES - 1; number > 0; number--) {
        bool named = path_printf(&to, NULL, "%s.%d", file->path.text, number) &&
                     (number == 1 ? path_printf(&from, NULL, "%s", file->path.text)
                                  : path_printf(&from, NULL, "%s.%d", file->path.text, number - 1));
        if (named && rename(from.text, to.text) != 0 && errno != ENOENT && number == 1)
            (void)!ftruncate(file->fd, 0); /* the size must stay bounded whatever happens */
    }
    log_file_close(file);
    open_file(file);
}

/* A file that somebody has deleted is begun anew, not written into nowhere. */
static void keep_open(struct log_file *file)
{
    struct stat status;
    if (file->fd >= 0 && fstat(file->fd, &status) == 0 && status.st_nlink == 0)
        log_file_close(file);
    if (file->fd < 0)
        open_file(file);
}

/* Writes what the disk takes; returns how much that was. */
static size_t append(struct log_file *file, const char *data, size_t size)
{
    if (file->fd < 0)
        return 0;
    ssize_t written = write(file->fd, data, size);
    if (written <= 0)
        return 0;
    file->size_bytes += written;
    file->in_line = data[written - 1] != '\n';
    if (file->size_bytes >= LOG_FILE_BYTES)
        rotate(file);
    return (size_t)written;
}

static void refill(struct log_file *file)
{
    int64_t now_us = clock_monotonic_us(file->clock);
    int64_t passed_us = now_us - file->refilled_us;
    int64_t full_us = (int64_t)LOG_BURST_BYTES * US_PER_S / LOG_RATE_BYTES_S;
    int64_t more = passed_us >= full_us ? LOG_BURST_BYTES : passed_us * LOG_RATE_BYTES_S / US_PER_S;
    if (more <= 0)
        return;
    file->refilled_us = now_us;
    file->room_bytes = file->room_bytes + more < LOG_BURST_BYTES ? file->room_bytes + more : LOG_BURST_BYTES;
}

/* Says how much was lost, as soon as there is room for it. False when it must go on dropping. */
static bool resume(struct log_file *file)
{
    char note[NOTE_BYTES];
    if (file->lost_bytes == 0)
        return true;
    if (file->room_bytes < LOG_RESUME_BYTES)
        return false;
    int size = snprintf(note, sizeof(note), "%s[watchdog: %" PRIu64 " bytes of output were lost here]\n",
                        file->in_line ? "\n" : "", file->lost_bytes);
    if (append(file, note, (size_t)size) != (size_t)size)
        return false;
    file->lost_bytes = 0;
    return true;
}

void log_file_write(struct log_file *file, const char *data, size_t size)
{
    keep_open(file);
    refill(file);
    size_t allowed = 0;
    if (resume(file))
        allowed = size < (size_t)file->room_bytes ? size : (size_t)file->room_bytes;
    size_t written = allowed > 0 ? append(file, data, allowed) : 0;
    file->room_bytes -= (int64_t)written;
    file->lost_bytes += size - written;
}

bool log_file_drops(const struct log_file *file)
{
    return file->lost_bytes > 0;
}
