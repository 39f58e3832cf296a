#include <stdlib.h>

#include "server_tools/sync_service/turn.h"

struct gap_lane {
    struct loop_watch *timer; /* begins what waits, from the loop */
    size_t parallel, running;
    struct gap_ticket *first, **last;
    bool no_room;
    struct room_waiter waiter;
};

static struct gap_ticket *take_first(struct gap_lane *lane)
{
    struct gap_ticket *ticket = lane->first;
    lane->first = ticket->next;
    if (lane->first == NULL)
        lane->last = &lane->first;
    ticket->next = NULL;
    ticket->waiting = false;
    return ticket;
}

static void begin_waiting(void *context, uint64_t times)
{
    struct gap_lane *lane = context;
    (void)times;
    while (lane->first != NULL && lane->running < lane->parallel && !lane->no_room) {
        struct gap_ticket *ticket = take_first(lane);
        ticket->running = true;
        lane->running++;
        ticket->run(ticket->context);
    }
}

struct gap_lane *gap_lane_new(struct loop *loop, size_t parallel, struct error *err)
{
    struct gap_lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        error_set(err, ERR_MEMORY, "no memory for the lane of gaps");
        return NULL;
    }
    lane->parallel = parallel > 0 ? parallel : 1;
    lane->last = &lane->first;
    lane->timer = loop_timer(loop, -1, 0, begin_waiting, lane, err);
    if (lane->timer == NULL) {
        free(lane);
        return NULL;
    }
    return lane;
}

void gap_lane_free(struct gap_lane *lane)
{
    if (lane == NULL)
        return;
    loop_remove(lane->timer);
    free(lane);
}

static void wake(struct gap_lane *lane)
{
    if (lane->first != NULL && lane->running < lane->parallel && !lane->no_room)
        loop_timer_set(lane->timer, 0, 0);
}

void gap_lane_ask(struct gap_lane *lane, struct gap_ticket *ticket)
{
    if (ticket->waiting || ticket->running)
        return;
    ticket->waiting = true;
    ticket->next = NULL;
    *lane->last = ticket;
    lane->last = &ticket->next;
    wake(lane);
}

bool gap_lane_try(struct gap_lane *lane, struct gap_ticket *ticket)
{
    if (lane->first != NULL || lane->running >= lane->parallel || lane->no_room || ticket->running)
        return false;
    ticket->running = true;
    lane->running++;
    return true;
}

static void take_out(struct gap_lane *lane, struct gap_ticket *ticket)
{
    struct gap_ticket **at = &lane->first;
    while (*at != ticket)
        at = &(*at)->next;
    *at = ticket->next;
    if (*at == NULL)
        lane->last = at;
    ticket->next = NULL;
    ticket->waiting = false;
}

void gap_lane_done(struct gap_lane *lane, struct gap_ticket *ticket)
{
    if (ticket->waiting) {
        take_out(lane, ticket);
    } else if (ticket->running) {
        ticket->running = false;
        lane->running--;
        wake(lane);
    }
}

bool gap_lane_is_wanted(const struct gap_lane *lane)
{
    return lane->first != NULL;
}

static void room(void *context)
{
    struct gap_lane *lane = context;
    lane->no_room = false;
    wake(lane);
}

void gap_lane_wait_for_room(struct gap_lane *lane, struct writer *writer)
{
    if (lane->no_room)
        return;
    lane->no_room = true;
    lane->waiter.room = room;
    lane->waiter.context = lane;
    writer_wait_for_room(writer, &lane->waiter);
}
