#include "common/os/beneath.h"

#include <errno.h>
#include <fcntl.h>

#include "common/os/file.h"

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static int open_retrying(int folder_fd, const char *name, int flags)
{
    int fd;
    do {
        fd = openat(folder_fd, name, flags);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* What errno says of a link on the way differs by where it stands: people get one sentence. */
static bool open_failed(const char *name, struct error *err)
{
    if (errno == ELOOP || errno == ENOTDIR)
        return error_set(err, ERR_INPUT, "%s: a symbolic link on the way (none is followed), or no folder",
                         name);
    return error_set_errno(err, "%s", name);
}

static bool check_part(const char *part, const char *name, struct error *err)
{
    bool plain = part[0] != '\0' && strcmp(part, ".") != 0 && strcmp(part, "..") != 0;
    return plain || error_set(err, ERR_INPUT, "`%s` is no plain path", name);
}

static int open_folder(int folder_fd, const char *part, const char *name, struct error *err)
{
    if (!check_part(part, name, err))
        return -1;
    int fd = open_retrying(folder_fd, part, FOLDER_FLAGS);
    if (fd < 0)
        open_failed(name, err);
    return fd;
}

/* The folder that holds the last part of name, which *last is set to (in parts). */
static int open_parent(int folder_fd, const char *name, struct path *parts, char **last, struct error *err)
{
    if (!path_printf(parts, err, "%s", name))
        return -1;
    SCOPE_FD int parent = open_retrying(folder_fd, ".", FOLDER_FLAGS);
    if (parent < 0)
        error_set_errno(err, "the folder of %s", name);
    *last = parts->text;
    for (char *slash; parent >= 0 && (slash = strchr(*last, '/')) != NULL; *last = slash + 1) {
        *slash = '\0';
        int next = open_folder(parent, *last, name, err);
        close(parent);
        parent = next;
    }
    return parent >= 0 && check_part(*last, name, err) ? fd_take(&parent) : -1;
}

static bool is_single_file(const char *name, const struct stat *about, struct error *err)
{
    if (S_ISLNK(about->st_mode))
        return error_set(err, ERR_INPUT, "%s: a symbolic link, which is not followed", name);
    if (!S_ISREG(about->st_mode))
        return error_set(err, ERR_INPUT, "%s is no regular file", name);
    return about->st_nlink == 1 ||
           error_set(err, ERR_INPUT, "%s has a second name somewhere and is not read", name);
}

int file_open_beneath(int folder_fd, const char *name, struct stat *about, struct error *err)
{
    struct path parts;
    char *last;
    struct stat found;
    SCOPE_FD int parent = open_parent(folder_fd, name, &parts, &last, err);
    if (parent < 0)
        return -1;
    /* looked at before it is opened: a device does things when it is opened */
    if (fstatat(parent, last, &found, AT_SYMLINK_NOFOLLOW) < 0) {
        error_set_errno(err, "%s", name);
        return -1;
    }
    if (!is_single_file(name, &found, err))
        return -1;
    SCOPE_FD int fd = open_retrying(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0) {
        open_failed(name, err);
        return -1;
    }
    if (!is_single_file(name, &found, err))
        return -1;
    *about = found;
    return fd_take(&fd);
}

int folder_open_beneath(int folder_fd, const char *name, struct error *err)
{
    struct path parts;
    char *last;
    SCOPE_FD int parent = open_parent(folder_fd, name, &parts, &last, err);
    return parent < 0 ? -1 : open_folder(parent, last, name, err);
}
