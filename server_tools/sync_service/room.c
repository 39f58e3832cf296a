#include "server_tools/sync_service/room.h"

void room_take_anyway(struct room *room, struct room_part *part, size_t bytes)
{
    room->used_bytes += bytes;
    part->room = room;
    part->bytes += bytes;
}

bool room_take(struct room *room, struct room_part *part, size_t bytes)
{
    if (room->used_bytes + bytes > room->limit_bytes / 2)
        return false;
    room_take_anyway(room, part, bytes);
    return true;
}

void room_keep(struct room_part *part, size_t bytes)
{
    if (part->bytes <= bytes)
        return;
    part->room->used_bytes -= part->bytes - bytes;
    part->bytes = bytes;
    room_say(part->room);
}

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
