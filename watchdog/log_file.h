/* A log file that cannot fill the disk: rotated by size, and what comes faster than a service may write is
 * dropped and counted. A full disk loses log lines and nothing else. Knows nothing of who writes.
 * Threads: one at a time. */
#ifndef WATCHDOG_LOG_FILE_H
#define WATCHDOG_LOG_FILE_H

#include "common/base/clock.h"
#include "common/os/file.h"

enum {
    LOG_FILE_BYTES = 1024 * 1024, /* a larger one is rotated: NAME, NAME.1 ... NAME.4 */
    LOG_FILES = 5,
    LOG_BURST_BYTES = 1024 * 1024, /* may come at once, e.g. a stack of errors */
    LOG_RATE_BYTES_S = 32 * 1024,  /* may come all the time */
    LOG_RESUME_BYTES = 64 * 1024,  /* once dropping, this much room before it writes again */
};

struct log_file {
    struct path path;
    const struct clock *clock;
    int fd; /* -1: it could not be opened; tried again with each write */
    int64_t size_bytes;
    bool in_line;        /* the last byte was no line feed */
    int64_t room_bytes;  /* what may be written now */
    int64_t refilled_us; /* monotonic: when room_bytes was computed */
    uint64_t lost_bytes; /* dropped since the last note of it */
};

/* Appends to what is there. Never fails: what cannot be written is lost and counted. */
void log_file_open(struct log_file *file, const struct path *path, const struct clock *clock);
void log_file_write(struct log_file *file, const char *data, size_t size);
void log_file_close(struct log_file *file);

/* It drops now: the reader should not hurry to bring more. */
bool log_file_drops(const struct log_file *file);

#endif
