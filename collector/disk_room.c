#include "collector/disk_room.h"

#include "collector/retention.h"

static void enter(struct disk_room *room, enum disk_state state)
{
    static const char *const said[] = {
        [DISK_OK] = "there is room on the disk again: the reserve is kept back once more",
        [DISK_LOW] = "the disk is nearly full: the reserve is used",
        [DISK_FULL] = "the disk is full: the oldest readings are deleted to make room",
    };
    if (room->state == state)
        return;
    bool worse = state > room->state;
    room->state = state;
    if (worse)
        log_warn(room->log, "%s", said[state]);
    else if (state == DISK_OK)
        log_info(room->log, "%s", said[state]);
}

bool disk_room_init(struct disk_room *room, const char *folder, const struct log *log, struct error *err)
{
    *room = (struct disk_room){.folder = folder, .log = log};
    return reserve_init(&room->reserve, folder, err);
}

void disk_room_look(struct disk_room *room)
{
    uint64_t free_bytes;
    if (disk_free_bytes(room->folder, &free_bytes, NULL))
        room->free_bytes = free_bytes;
}

/* Moves the WAL into the file, so that it begins again at its start, where its blocks are allocated. */
static void empty_wal(const struct disk_room *room, struct store_writer *writer)
{
    struct error err;
    if (!store_writer_checkpoint(writer, true, &err))
        log_debug(room->log, "%s", err.text);
}

/* The transaction lies in the blocks that the WAL has. */
void disk_room_delete(struct disk_room *room, struct store_writer *writer)
{
    struct error err;
    int64_t deleted;
    empty_wal(room, writer);
    if (!retention_make_room(writer, &deleted, &err))
        log_debug(room->log, "no room could be made: %s", err.text);
    empty_wal(room, writer);
}

void disk_room_refused(struct disk_room *room, struct store_writer *writer)
{
    struct error err;
    bool first = reserve_is_whole(&room->reserve);
    if (room->reserve.held_bytes == 0)
        enter(room, DISK_FULL);
    else if (reserve_give(&room->reserve, &err))
        enter(room, DISK_LOW);
    else
        log_error(room->log, "the reserve cannot be given up: %s", err.text);
    if (writer == NULL)
        return;
    if (first)
        empty_wal(room, writer);
    else
        disk_room_delete(room, writer);
}

void disk_room_keep(struct disk_room *room, struct store_writer *writer, const struct store_size *size)
{
    struct error err;
    struct reserve *reserve = &room->reserve;
    disk_room_look(room);
    if (!reserve_is_whole(reserve) && reserve_has_room(reserve, room->free_bytes) &&
        !reserve_make(reserve, &err))
        log_debug(room->log, "no reserve: %s", err.text);
    if (reserve_is_whole(reserve)) {
        enter(room, DISK_OK);
        return;
    }
    if (room->state == DISK_OK || room->free_bytes >= DISK_LOW_BYTES)
        enter(room, DISK_LOW);
    int64_t spare_bytes = size->file_bytes - size->used_bytes;
    if (room->free_bytes < DISK_LOW_BYTES && spare_bytes < DISK_SPARE_BYTES &&
        spare_bytes < size->file_bytes / 4)
        disk_room_delete(room, writer);
}
