#include "common/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    READ_CHUNK_BYTES = 64 * 1024,
    PRIVATE_FILE_MODE = 0600,
    LOCK_FILE_MODE = 0600, /* whoever may open it may hold it, and so keep us from starting */
};

bool path_printf(struct path *out, struct error *err, const char *format, ...)
{
    struct path made;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(made.text, sizeof(made.text), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(made.text))
        return error_set(err, ERR_LIMIT, "a path is longer than %d bytes", PATH_LIMIT_BYTES - 1);
    memcpy(out->text, made.text, (size_t)size + 1);
    return true;
}

bool path_join(struct path *out, const char *folder, const char *name, struct error *err)
{
    size_t size = strlen(folder);
    bool slash = size > 0 && folder[size - 1] != '/';
    return path_printf(out, err, "%s%s%s", folder, slash ? "/" : "", name);
}

/* The folder that the file lies in: "a/b" -> "a", "b" -> ".", "/b" -> "/". */
static bool path_folder(struct path *out, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return path_printf(out, err, ".");
    int size = slash == path ? 1 : (int)(slash - path);
    return path_printf(out, err, "%.*s", size, path);
}

int file_create(const char *path, int flags, mode_t mode, struct error *err)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        error_set_errno(err, "%s", path);
    return fd;
}

int file_open(const char *path, int flags, struct error *err)
{
    return file_create(path, flags, 0, err);
}

static ssize_t read_some(int fd, void *out, size_t size)
{
    ssize_t got;
    do {
        got = read(fd, out, size);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* At the buffer's ceiling only the end of the file is right. */
static bool expect_end(int fd, const struct buf *out, struct error *err)
{
    char more;
    ssize_t got = read_some(fd, &more, sizeof(more));
    if (got < 0)
        return error_set_errno(err, "read");
    if (got > 0)
        return error_set(err, ERR_LIMIT, "larger than %zu bytes", out->limit_bytes);
    return true;
}

static bool read_until_end(int fd, struct buf *out, struct error *err)
{
    for (;;) {
        size_t room = out->limit_bytes - out->size;
        if (room == 0)
            return expect_end(fd, out, err);
        if (room > READ_CHUNK_BYTES)
            room = READ_CHUNK_BYTES;
        char *into = buf_reserve(out, room);
        if (into == NULL)
            return buf_check(out, "the content", err);
        ssize_t got = read_some(fd, into, room);
        if (got < 0)
            return error_set_errno(err, "read");
        if (got == 0)
            return true;
        buf_commit(out, (size_t)got);
    }
}

bool file_read_all(int fd, struct buf *out, struct error *err)
{
    size_t before = out->size;
    if (read_until_end(fd, out, err))
        return true;
    out->size = before;
    return false;
}

/* The open file's own permissions count, so that it cannot be exchanged in between. */
static bool read_regular(const char *path, mode_t forbidden, struct buf *out, struct error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer */
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_NONBLOCK, err);
    if (fd < 0)
        return false;
    struct stat about;
    if (fstat(fd, &about) < 0)
        return error_set_errno(err, "%s", path);
    if (!S_ISREG(about.st_mode))
        return error_set(err, ERR_INPUT, "%s is no regular file", path);
    if ((about.st_mode & forbidden) != 0)
        return error_set(err, ERR_DENIED,
                         "%s is a secret and others may read or change it (mode %04o): chmod 600 %s", path,
                         (unsigned)about.st_mode & 07777U, path);
    return file_read_all(fd, out, err) || error_wrap(err, "%s", path);
}

bool file_read_path(const char *path, struct buf *out, struct error *err)
{
    return read_regular(path, 0, out, err);
}

bool file_read_private(const char *path, struct buf *out, struct error *err)
{
    return read_regular(path, S_IRWXG | S_IRWXO, out, err);
}

bool file_read_at(int fd, uint64_t offset, void *out, size_t size, struct error *err)
{
    char *to = out;
    while (size > 0) {
        ssize_t got = pread(fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "read");
        if (got == 0)
            return error_set(err, ERR_CHANGED, "the file ends where more of it was expected");
        to += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

bool file_write_all(int fd, const void *data, size_t size, struct error *err)
{
    const char *from = data;
    while (size > 0) {
        ssize_t written = write(fd, from, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set_errno(err, "write");
        from += written;
        size -= (size_t)written;
    }
    return true;
}

/* Private until its content is whole; then the mode that was asked for, whatever the umask. */
static bool write_temporary(int fd, struct view content, mode_t mode, struct error *err)
{
    if (!file_write_all(fd, content.data, content.size, err))
        return false;
    if (fchmod(fd, mode) < 0)
        return error_set_errno(err, "chmod");
    return true;
}

bool file_replace(const char *path, struct view content, mode_t mode, struct error *err)
{
    struct path folder;
    struct path temporary;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (!path_folder(&folder, path, err) || !path_printf(&temporary, err, "%s/.%s.tmp", folder.text, name) ||
        !file_remove(temporary.text, err))
        return false;
    SCOPE_FD int fd =
        file_create(temporary.text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE_FILE_MODE, err);
    if (fd < 0)
        return false;
    if (!write_temporary(fd, content, mode, err)) {
        unlink(temporary.text);
        return error_wrap(err, "%s", path);
    }
    if (!file_publish(fd, temporary.text, path, err)) {
        unlink(
            temporary.text); /* it has become path when only the last fsync failed: then this finds nothing */
        return false;
    }
    return true;
}

bool file_publish(int fd, const char *temporary, const char *path, struct error *err)
{
    if (fsync(fd) < 0)
        return error_set_errno(err, "fsync of %s", temporary);
    if (rename(temporary, path) < 0)
        return error_set_errno(err, "rename to %s", path);
    return folder_sync_of(path, err);
}

/* rename(2) that never replaces. Some file systems lack RENAME_NOREPLACE: there a second hard link, which
 * never replaces either, and the removal of the first name do the same. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1;
}

bool file_publish_new(int fd, const char *temporary, const char *path, struct error *err)
{
    if (fsync(fd) < 0)
        return error_set_errno(err, "fsync of %s", temporary);
    if (rename_new(temporary, path) < 0)
        return error_set_errno(err, "rename to %s", path);
    return folder_sync_of(path, err);
}

bool folder_sync(const char *path, struct error *err)
{
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return false;
    if (fsync(fd) < 0)
        return error_set_errno(err, "fsync of %s", path);
    return true;
}

bool folder_sync_of(const char *path, struct error *err)
{
    struct path folder;
    return path_folder(&folder, path, err) && folder_sync(folder.text, err);
}

/* What is left to do for one that was just made: its mode, whatever the umask, and its name in its folder. */
static bool folder_finish(const char *path, mode_t mode, struct error *err)
{
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
    if (fd < 0)
        return false;
    if (fchmod(fd, mode) < 0)
        return error_set_errno(err, "chmod of %s", path);
    return folder_sync_of(path, err);
}

/* One level. An existing folder is left as it is. */
static bool folder_make(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode & 0700) < 0) {
        int number = errno;
        struct stat about;
        if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
            return true;
        errno = number;
        return error_set_errno(err, "%s", path);
    }
    if (folder_finish(path, mode, err))
        return true;
    rmdir(path); /* a later try would take it as it is, with the mode of a half-made one */
    return false;
}

bool folder_make_all(const char *path, mode_t mode, struct error *err)
{
    struct path level;
    if (!path_printf(&level, err, "%s", path))
        return false;
    for (char *at = level.text; (at = strchr(at, '/')) != NULL; at++) {
        if (at == level.text || at[1] == '\0')
            continue;
        *at = '\0';
        bool made = folder_make(level.text, mode, err);
        *at = '/';
        if (!made)
            return false;
    }
    size_t size = strlen(level.text);
    if (size > 1 && level.text[size - 1] == '/')
        level.text[size - 1] = '\0';
    return folder_make(level.text, mode, err);
}

bool file_remove(const char *path, struct error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set_errno(err, "remove %s", path);
    return true;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int64_t file_size_bytes(const char *path)
{
    struct stat about;
    if (stat(path, &about) < 0 || !S_ISREG(about.st_mode))
        return -1;
    return about.st_size;
}

/* Made by an earlier version, ours may be open to everybody; to a group it is when somebody has said so. */
static void close_to_others(int fd)
{
    struct stat about;
    if (fstat(fd, &about) == 0 && about.st_uid == geteuid() && (about.st_mode & S_IRWXO) != 0)
        (void)!fchmod(fd, about.st_mode & (S_IRWXU | S_IRWXG));
}

int file_lock(const char *path, struct error *err)
{
    SCOPE_FD int fd = file_create(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, LOCK_FILE_MODE, err);
    if (fd < 0)
        return -1;
    close_to_others(fd);
    int done;
    do {
        done = flock(fd, LOCK_EX | LOCK_NB);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && errno == EWOULDBLOCK) {
        error_set(err, ERR_BUSY, "%s is held by another process", path);
        return -1;
    }
    if (done < 0) {
        error_set_errno(err, "lock %s", path);
        return -1;
    }
    return fd_take(&fd);
}

int folder_lock_of(const char *path, struct error *err)
{
    struct path folder;
    if (!path_folder(&folder, path, err))
        return -1;
    SCOPE_FD int fd = file_open(folder.text, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return -1;
    int done;
    do {
        done = flock(fd, LOCK_EX);
    } while (done < 0 && errno == EINTR);
    if (done < 0) {
        error_set_errno(err, "lock %s", folder.text);
        return -1;
    }
    return fd_take(&fd);
}

bool disk_free_bytes(const char *path, uint64_t *out, struct error *err)
{
    struct statvfs about;
    if (statvfs(path, &about) < 0)
        return error_set_errno(err, "%s", path);
    *out = (uint64_t)about.f_bavail * about.f_frsize;
    return true;
}
