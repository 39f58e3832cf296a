/* A budget of bytes, and those who wait until half of it is free. Knows nothing of what the bytes are.
 * Threads: the loop's. */
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

void room_wait(struct room *room, struct room_waiter *waiter);         /* no harm when he waits */
void room_wait_no_more(struct room *room, struct room_waiter *waiter); /* no harm when he does not */
/* While half of it is free, each who waited before this call is called once. Whoever is called may wait again
 * (for the next time), or let others wait no more. */
void room_say(struct room *room);

#endif
