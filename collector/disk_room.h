/* What is done about a full disk: the reserve, and deleting the oldest readings. Knows nothing of inputs and
 * of what waits to be written. Threads: the writer's.
 *
 *         a write is refused               ... and the reserve is gone
 *   OK ----------------------> LOW -------------------------------------> FULL
 *    ^                          |                                          |
 *    +--------------------------+------------------------------------------+
 *               there is room for the whole reserve and a margin
 *
 * A write that is refused takes a step of the reserve, moves the WAL into the file, and is tried again at
 * once. From the second refusal on, and whenever little is left on the disk, the oldest readings are deleted
 * besides, until the file has free pages enough to go on without growing. */
#ifndef COLLECTOR_DISK_ROOM_H
#define COLLECTOR_DISK_ROOM_H

#include "collector/reserve.h"
#include "collector/store_writer.h"

enum {
    DISK_LOW_BYTES = RESERVE_STEP_BYTES / 2, /* free on the disk, the reserve not being whole */
    DISK_SPARE_BYTES =
        2 * 1024 * 1024, /* free in the file that deleting aims at then; a quarter of it if less */
};

enum disk_state { DISK_OK, DISK_LOW, DISK_FULL };

struct disk_room {
    const char *folder;    /* TELEMETRY_DIR, borrowed */
    const struct log *log; /* borrowed */
    struct reserve reserve;
    enum disk_state state; /* each change is said in the log once */
    uint64_t free_bytes;   /* as of the last look */
};

bool disk_room_init(struct disk_room *room, const char *folder, const struct log *log,
                    struct error *err) MUST_USE;
void disk_room_look(struct disk_room *room);
/* A write was refused. writer: NULL when none is open. */
void disk_room_refused(struct disk_room *room, struct store_writer *writer);
/* The oldest chunk of readings goes. */
void disk_room_delete(struct disk_room *room, struct store_writer *writer);
/* Once a tick. */
void disk_room_keep(struct disk_room *room, struct store_writer *writer, const struct store_size *size);

#endif
