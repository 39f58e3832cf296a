/* The vehicles that are ours and how each one's turns went: found by vehicle_id. Knows nothing of when turns
 * are. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_FLEET_SLOTS_H
#define SERVER_TOOLS_SYNC_SERVICE_FLEET_SLOTS_H

#include "server_tools/sync_service/cycle.h"

/* Cycles have the numbers 1, 2, ... */
#define FLEET_NO_CYCLE  UINT64_C(0)
#define FLEET_ANY_CYCLE UINT64_MAX

struct fleet_slot {
    struct cycle *cycle;
    int64_t vehicle_id;
    enum transport transport;
    struct puller *puller; /* NULL: none yet */
    bool is_ours;          /* in the list that was loaded last */
    bool running;
    uint64_t number;          /* of the cycle that its turn belongs to, or FLEET_NO_CYCLE */
    int64_t cycle_started_us; /* that cycle, monotonic */
    unsigned failures; /* turns in a row that brought nothing because the vehicle was silent or too slow */
    bool had_turn;     /* the next is how it ended */
    enum turn_status last_status;
    int64_t started_us, due_us; /* monotonic; no turn before due_us */
    int64_t behind_us;          /* of the last turn that was ok */
    char name[VEHICLE_NAME_BYTES];
};

struct fleet_slots {
    struct fleet_slot **list; /* by vehicle_id */
    size_t count, capacity;
};

void fleet_slots_clear(struct fleet_slots *slots); /* frees pullers too */
/* The vehicle's, made when it is new; its puller freed when the transport is another. */
struct fleet_slot *fleet_slots_take(struct fleet_slots *slots, const struct vehicle *vehicle,
                                    struct error *err) MUST_USE;
struct fleet_slot *fleet_slots_find(const struct fleet_slots *slots, int64_t vehicle_id); /* or NULL */
/* How many turns of that cycle are under way; of FLEET_ANY_CYCLE: how many at all. */
size_t fleet_slots_under_way(const struct fleet_slots *slots, uint64_t number);
/* Soon said while many are. */
bool fleet_slots_any_under_way(const struct fleet_slots *slots, uint64_t number);
/* Those that are not ours any more go, and what they do is called off. */
void fleet_slots_drop_others(struct fleet_slots *slots);

/* How long nobody asks a vehicle that did not answer so many times: doubled, with jitter, so that it is asked
 * again within CYCLE_BACKOFF_MAX_S. random: any number. */
int64_t fleet_backoff_us(unsigned failures, int64_t interval_s, uint32_t random);
/* A turn has ended: how long nobody asks the vehicle, counted from the turn's start. One that answered and
 * was too slow has no pause the first time, and then shorter ones than one that is dead
 * (CYCLE_BACKOFF_SLOW_MAX_S): it may go on being seen, and its link may be slow alone. */
int64_t fleet_pause_us(struct fleet_slot *slot, const struct turn_result *result, int64_t interval_s,
                       uint32_t random);

#endif
