/* A budget of bytes, those who gather in a part of it before they hand over, and those who wait until half of
 * it is free. Knows nothing of what the bytes are. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROOM_H
#define SERVER_TOOLS_SYNC_SERVICE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/* Somebody who waits for room; his own, as long as he waits. */
struct room_waiter {
    struct room_waiter *next; /* the room's own, as the next */
    bool waits;
    void (*room)(void *context);
    void *context;
};

struct room {
    size_t limit_bytes, used_bytes;
    struct room_waiter *waiters; /* the first to be called first */
};

/* What somebody holds of a room while he gathers; all zero: nothing. He hands over what he has, or gives it
 * back, before he waits for anybody but those who write: so nobody waits for him. */
struct room_part {
    struct room *room;
    size_t bytes;
};

/* So many bytes more, as long as half of the room stays free; those who gather alone never keep anybody
 * waiting. */
bool room_take(struct room *room, struct room_part *part, size_t bytes);
void room_take_anyway(struct room *room, struct room_part *part, size_t bytes);
/* No more than that is kept; who waits is told. */
void room_keep(struct room_part *part, size_t bytes);

void room_wait(struct room *room, struct room_waiter *waiter);         /* no harm when he waits */
void room_wait_no_more(struct room *room, struct room_waiter *waiter); /* no harm when he does not */
/* While half of it is free, each who waited before this call is called once. Whoever is called may wait again
 * (for the next time), or let others wait no more. */
void room_say(struct room *room);

#endif
