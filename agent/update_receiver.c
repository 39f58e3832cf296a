#include "agent/update_receiver.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/text.h"
#include "updater/pending.h"

enum {
    UPLOAD_MODE = 0600,
    UPLOAD_FOLDER_MODE = 0750,
    UPLOAD_WRITE_BYTES =
        256 * 1024, /* one write(2): pieces come in 8 KiB, of which 32 cost the kernel three times as much */
    UPLOAD_LOOK_BYTES = 8 * 1024 * 1024, /* how often it is looked whether there is still room */
};

struct update_receiver {
    char root[PATH_LIMIT_BYTES];
    struct path path;
    int fd;
    int64_t bytes, max_bytes;
    int64_t looked_at_bytes; /* when the disk was last looked at */
    size_t waiting_bytes;    /* of the next, not yet written */
    char waiting[UPLOAD_WRITE_BYTES];
};

static bool upload_path(const char *root, struct path *folder, struct path *out, struct error *err)
{
    return path_join(folder, root, "pending_update", err) &&
           path_join(out, folder->text, PENDING_UPLOAD_NAME, err);
}

static bool no_space(struct error *err, uint64_t free_bytes, int64_t bytes)
{
    char has[TEXT_SIZE_BYTES];
    char needs[TEXT_SIZE_BYTES];
    return error_refuse(err, ERR_SPACE, "no_space", "the machine's disk has %s free; the update needs %s",
                        text_bytes_for_people(has, free_bytes),
                        text_bytes_for_people(needs, (uint64_t)(bytes + UPDATE_RESERVE_BYTES)));
}

bool update_receiver_room(const char *root, int64_t bytes, struct error *err)
{
    struct path folder;
    uint64_t free_bytes;
    if (!path_join(&folder, root, "pending_update", err) ||
        !folder_make_all(folder.text, UPLOAD_FOLDER_MODE, err) ||
        !disk_free_bytes(folder.text, &free_bytes, err))
        return false;
    uint64_t left = free_bytes > UPDATE_RESERVE_BYTES ? free_bytes - UPDATE_RESERVE_BYTES : 0;
    return (left > 0 && (uint64_t)bytes <= left) || no_space(err, free_bytes, bytes);
}

struct update_receiver *update_receiver_new(const char *root, int64_t max_bytes, struct error *err)
{
    struct path folder;
    struct update_receiver *receiver = calloc(1, sizeof(*receiver));
    if (receiver == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an upload");
        return NULL;
    }
    receiver->fd = -1;
    receiver->max_bytes = max_bytes;
    if (text_copy(receiver->root, sizeof(receiver->root), view_of(root)) &&
        upload_path(root, &folder, &receiver->path, err) && file_remove(receiver->path.text, err))
        receiver->fd =
            file_create(receiver->path.text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, UPLOAD_MODE, err);
    if (receiver->fd >= 0)
        return receiver;
    free(receiver);
    return NULL;
}

void update_receiver_free(struct update_receiver *receiver)
{
    if (receiver == NULL)
        return;
    close(receiver->fd);
    unlink(receiver->path.text); /* else the next upload or start removes it */
    free(receiver);
}

static bool room_for_more(struct update_receiver *receiver, struct error *err)
{
    if (receiver->bytes - receiver->looked_at_bytes < UPLOAD_LOOK_BYTES)
        return true;
    receiver->looked_at_bytes = receiver->bytes;
    return update_receiver_room(receiver->root, 0, err);
}

bool update_receiver_finish(struct update_receiver *receiver, struct error *err)
{
    bool written = file_write_all(receiver->fd, receiver->waiting, receiver->waiting_bytes, err);
    receiver->waiting_bytes = 0;
    if (!written && err->code == ERR_SPACE)
        err->reason = "no_space";
    return written;
}

/* As much of the piece as there is room for; the rest is left in it. */
static void keep(struct update_receiver *receiver, struct view *piece)
{
    size_t room = UPLOAD_WRITE_BYTES - receiver->waiting_bytes;
    size_t size = piece->size < room ? piece->size : room;
    memcpy(receiver->waiting + receiver->waiting_bytes, piece->data, size);
    receiver->waiting_bytes += size;
    piece->data += size;
    piece->size -= size;
}

bool update_receiver_take(struct update_receiver *receiver, struct view piece, struct error *err)
{
    if ((int64_t)piece.size > receiver->max_bytes - receiver->bytes)
        return error_refuse(err, ERR_LIMIT, "too_large",
                            "more than the %" PRId64 " bytes that this machine takes (MAX_UPDATE_BYTES)",
                            receiver->max_bytes);
    receiver->bytes += (int64_t)piece.size;
    while (piece.size > 0) {
        keep(receiver, &piece);
        if (receiver->waiting_bytes == UPLOAD_WRITE_BYTES && !update_receiver_finish(receiver, err))
            return false;
    }
    return room_for_more(receiver, err);
}

int update_receiver_fd(const struct update_receiver *receiver)
{
    return receiver->fd;
}

int64_t update_receiver_bytes(const struct update_receiver *receiver)
{
    return receiver->bytes;
}

bool update_receiver_sweep(const char *root, const struct log *log, struct error *err)
{
    struct path folder, path;
    if (!upload_path(root, &folder, &path, err) || !folder_make_all(folder.text, UPLOAD_FOLDER_MODE, err))
        return false;
    if (file_exists(path.text))
        log_info(log, "removes %s: an upload that was cut off", path.text);
    if (!file_remove(path.text, err))
        return false;
    struct error busy;
    SCOPE_FD int lock = pending_lock(root, &busy);
    if (lock < 0 && busy.code == ERR_BUSY)
        return true; /* whoever works on the queue sweeps it */
    if (lock < 0) {
        *err = busy;
        return false;
    }
    return pending_sweep(root, err);
}
