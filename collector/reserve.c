#include "collector/reserve.h"

#include <errno.h>
#include <fcntl.h>

enum { RESERVE_MODE = 0600 };

bool reserve_init(struct reserve *reserve, const char *folder, struct error *err)
{
    struct path path;
    if (!path_join(&path, folder, "reserve", err))
        return false;
    int64_t size = file_size_bytes(path.text);
    reserve->path = path;
    reserve->held_bytes = size < 0 ? 0 : size;
    return true;
}

bool reserve_make(struct reserve *reserve, struct error *err)
{
    SCOPE_FD int fd = file_create(reserve->path.text, O_WRONLY | O_CREAT | O_NOFOLLOW, RESERVE_MODE, err);
    if (fd < 0)
        return false;
    int failure = posix_fallocate(fd, 0, RESERVE_BYTES);
    if (failure == 0) {
        reserve->held_bytes = RESERVE_BYTES;
        return true;
    }
    errno = failure;
    error_set_errno(err, "%s", reserve->path.text);
    if (ftruncate(fd, reserve->held_bytes) != 0 || reserve->held_bytes == 0)
        unlink(reserve->path.text);
    return false;
}

bool reserve_give(struct reserve *reserve, struct error *err)
{
    int64_t left = reserve->held_bytes - RESERVE_STEP_BYTES;
    if (left <= 0) {
        if (!file_remove(reserve->path.text, err))
            return false;
        reserve->held_bytes = 0;
        return true;
    }
    SCOPE_FD int fd = file_open(reserve->path.text, O_WRONLY | O_NOFOLLOW, err);
    if (fd < 0)
        return false;
    if (ftruncate(fd, left) != 0)
        return error_set_errno(err, "%s", reserve->path.text);
    reserve->held_bytes = left;
    return true;
}

bool reserve_is_whole(const struct reserve *reserve)
{
    return reserve->held_bytes >= RESERVE_BYTES;
}

bool reserve_has_room(const struct reserve *reserve, uint64_t free_bytes)
{
    return free_bytes >= (uint64_t)(RESERVE_BYTES - reserve->held_bytes) + RESERVE_MARGIN_BYTES;
}
