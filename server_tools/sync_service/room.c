#include "server_tools/sync_service/room.h"

void room_wait(struct room *room, struct room_waiter *waiter)
{
    struct room_waiter **at = &room->waiters;
    if (waiter->waits)
        return;
    while (*at != NULL)
        at = &(*at)->next;
    waiter->next = NULL;
    waiter->waits = true;
    *at = waiter;
}

void room_wait_no_more(struct room *room, struct room_waiter *waiter)
{
    struct room_waiter **at = &room->waiters;
    if (!waiter->waits)
        return;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    waiter->waits = false;
}

void room_say(struct room *room)
{
    size_t count = 0;
    for (const struct room_waiter *waiter = room->waiters; waiter != NULL; waiter = waiter->next)
        count++;
    for (; count > 0 && room->waiters != NULL && room->used_bytes <= room->limit_bytes / 2; count--) {
        struct room_waiter *waiter = room->waiters;
        room->waiters = waiter->next;
        waiter->waits = false;
        waiter->room(waiter->context);
    }
}
