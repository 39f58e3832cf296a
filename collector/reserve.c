#include "collector/reserve.h"

#include <errno.h>
#include <fcntl.h>

enum { RESERVE_MODE = 0600 };

bool reserve_init(struct reserve *reserve, const char *folder, struct error *err)
{
    struct path path;
    if (!path_join(&path, folder, "reserve", err))
        return false;
    reserve->path = path;
    reserve->present = file_size_bytes(path.text) >= RESERVE_BYTES;
    return true;
}

bool reserve_make(struct reserve *reserve, struct error *err)
{
    SCOPE_FD int fd = file_create(reserve->path.text, O_WRONLY | O_CREAT | O_NOFOLLOW, RESERVE_MODE, err);
    if (fd < 0)
        return false;
    int failure = posix_fallocate(fd, 0, RESERVE_BYTES);
    if (failure == 0) {
        reserve->present = true;
        return true;
    }
    errno = failure;
    error_set_errno(err, "%s", reserve->path.text);
    unlink(reserve->path.text);
    return false;
}

bool reserve_release(struct reserve *reserve, struct error *err)
{
    if (!file_remove(reserve->path.text, err))
        return false;
    reserve->present = false;
    return true;
}

bool reserve_has_room(uint64_t free_bytes)
{
    return free_bytes >= RESERVE_BYTES + (uint64_t)RESERVE_MARGIN_BYTES;
}
