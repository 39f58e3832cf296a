/* Files and folders: whole reads with a ceiling, durable replacement, locks, free space. Knows nothing of
 * what is in them. Paths are borrowed; relative ones mean the working folder. Descriptors are O_CLOEXEC.
 * Threads: safe. */
#ifndef COMMON_OS_FILE_H
#define COMMON_OS_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"

enum { PATH_LIMIT_BYTES = 4096 };

/* "folder/name" with a NUL; ERR_LIMIT when it is longer than PATH_LIMIT_BYTES. */
struct path {
    char text[PATH_LIMIT_BYTES];
};
bool path_join(struct path *out, const char *folder, const char *name, struct error *err) MUST_USE;
bool path_printf(struct path *out, struct error *err, const char *format, ...) PRINTF_LIKE(3, 4) MUST_USE;

/* open(2) with O_CLOEXEC and O_NOCTTY. Returns the descriptor, or -1 with err that names the path. */
int file_open(const char *path, int flags, struct error *err) MUST_USE;
/* The same with O_CREAT's mode. */
int file_create(const char *path, int flags, mode_t mode, struct error *err) MUST_USE;

/* From the descriptor's place to the end. Errors: ERR_LIMIT by the buffer's own limit, ERR_IO. */
bool file_read_all(int fd, struct buf *out, struct error *err) MUST_USE;
/* A regular file, whole. A FIFO or a folder in its place is refused, not waited for. */
bool file_read_path(const char *path, struct buf *out, struct error *err) MUST_USE;
/* The same, of a secret: ERR_DENIED when its group or others have any permission. */
bool file_read_private(const char *path, struct buf *out, struct error *err) MUST_USE;

/* Exactly so many bytes from that offset on; the descriptor's place stays. Errors: ERR_CHANGED (the file ends
 * before), ERR_IO. */
bool file_read_at(int fd, uint64_t offset, void *out, size_t size, struct error *err) MUST_USE;

bool file_write_all(int fd, const void *data, size_t size, struct error *err) MUST_USE;

/* Atomic and durable: writes `.<name>.tmp` beside it, fsyncs, renames over, fsyncs the folder. After a crash
 * at any moment the path has the whole old or the whole new content; a stale temporary file is taken over by
 * the next call. One writer a path at a time. */
bool file_replace(const char *path, struct view content, mode_t mode, struct error *err) MUST_USE;

/* The last step of a file written by other means: fsyncs fd, renames temporary to path, fsyncs the folder. */
bool file_publish(int fd, const char *temporary, const char *path, struct error *err) MUST_USE;
/* As file_publish, but never over an existing file: ERR_EXISTS. */
bool file_publish_new(int fd, const char *temporary, const char *path, struct error *err) MUST_USE;

/* fsync(2) of a folder: what was renamed, made or removed in it is durable. */
bool folder_sync(const char *path, struct error *err) MUST_USE;
/* fsync of the folder that the file lies in. */
bool folder_sync_of(const char *path, struct error *err) MUST_USE;

/* mkdir -p; those that it makes get the mode. Existing ones are left as they are. */
bool folder_make_all(const char *path, mode_t mode, struct error *err) MUST_USE;

/* True also when it was not there. */
bool file_remove(const char *path, struct error *err) MUST_USE;
bool file_exists(const char *path);
/* Size in bytes, or -1 when it is not there or no regular file. */
int64_t file_size_bytes(const char *path);

/* An advisory lock (flock) on a file that is made when missing (0600: nobody else can hold it) and never
 * removed. Returns the descriptor that holds it until it is closed; -1 and ERR_BUSY when somebody else has
 * it. */
int file_lock(const char *path, struct error *err) MUST_USE;
/* The same on the folder that the file lies in, for a short change of that file: it waits for its turn and
 * leaves no lock file behind. */
int folder_lock_of(const char *path, struct error *err) MUST_USE;

/* What an ordinary process may still write to the file system of path, in bytes. */
bool disk_free_bytes(const char *path, uint64_t *out, struct error *err) MUST_USE;

#endif
