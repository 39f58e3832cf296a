#include "server_tools/sync_service/fleet_slots.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64,
    DOUBLINGS_MAX = 16,
    JITTER_PER_MILLE = 250, /* up to so much of a pause is left out */
};

static void free_slot(struct fleet_slot *slot)
{
    if (slot->puller != NULL)
        slot->puller->kind->free(slot->puller);
    free(slot);
}

void fleet_slots_clear(struct fleet_slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        free_slot(slots->list[i]);
    free(slots->list);
    *slots = (struct fleet_slots){.list = NULL};
}

/* Where it is, or belongs. */
static size_t place_of(const struct fleet_slots *slots, int64_t vehicle_id)
{
    size_t low = 0;
    size_t high = slots->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slots->list[middle]->vehicle_id < vehicle_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct fleet_slot *fleet_slots_find(const struct fleet_slots *slots, int64_t vehicle_id)
{
    size_t place = place_of(slots, vehicle_id);
    bool found = place < slots->count && slots->list[place]->vehicle_id == vehicle_id;
    return found ? slots->list[place] : NULL;
}

static bool make_room(struct fleet_slots *slots, struct error *err)
{
    if (slots->count < slots->capacity)
        return true;
    size_t capacity = slots->capacity == 0 ? FIRST_CAPACITY : 2 * slots->capacity;
    struct fleet_slot **list = realloc(slots->list, capacity * sizeof(struct fleet_slot *));
    if (list == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %zu vehicles", capacity);
    slots->list = list;
    slots->capacity = capacity;
    return true;
}

static struct fleet_slot *insert(struct fleet_slots *slots, const struct vehicle *vehicle, struct error *err)
{
    size_t place = place_of(slots, vehicle->vehicle_id);
    if (!make_room(slots, err))
        return NULL;
    struct fleet_slot *slot = calloc(1, sizeof(*slot));
    if (slot == NULL) {
        error_set(err, ERR_MEMORY, "no memory for a vehicle");
        return NULL;
    }
    slot->vehicle_id = vehicle->vehicle_id;
    memmove(slots->list + place + 1, slots->list + place,
            (slots->count - place) * sizeof(struct fleet_slot *));
    slots->list[place] = slot;
    slots->count++;
    return slot;
}

struct fleet_slot *fleet_slots_take(struct fleet_slots *slots, const struct vehicle *vehicle,
                                    struct error *err)
{
    struct fleet_slot *slot = fleet_slots_find(slots, vehicle->vehicle_id);
    if (slot == NULL)
        slot = insert(slots, vehicle, err);
    if (slot == NULL)
        return NULL;
    if (slot->puller != NULL && slot->transport != vehicle->transport) {
        slot->puller->kind->free(slot->puller);
        slot->puller = NULL;
        slot->running = false;
    }
    slot->transport = vehicle->transport;
    slot->is_ours = true;
    const char *name = vehicle->name[0] != '\0' ? vehicle->name : vehicle->client_id;
    memset(slot->name, 0, sizeof(slot->name));
    memcpy(slot->name, name, strlen(name));
    return slot;
}

void fleet_slots_drop_others(struct fleet_slots *slots)
{
    size_t kept = 0;
    for (size_t i = 0; i < slots->count; i++) {
        if (slots->list[i]->is_ours)
            slots->list[kept++] = slots->list[i];
        else
            free_slot(slots->list[i]);
    }
    slots->count = kept;
}

static bool is_under_way(const struct fleet_slot *slot, uint64_t number)
{
    return slot->running && (number == FLEET_ANY_CYCLE || slot->number == number);
}

size_t fleet_slots_under_way(const struct fleet_slots *slots, uint64_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < slots->count; i++)
        count += is_under_way(slots->list[i], number);
    return count;
}

bool fleet_slots_any_under_way(const struct fleet_slots *slots, uint64_t number)
{
    for (size_t i = 0; i < slots->count; i++) {
        if (is_under_way(slots->list[i], number))
            return true;
    }
    return false;
}

int64_t fleet_backoff_us(unsigned failures, int64_t interval_s, uint32_t random)
{
    if (failures == 0)
        return 0;
    unsigned doublings = failures - 1 < DOUBLINGS_MAX ? failures - 1 : DOUBLINGS_MAX;
    int64_t pause_s = interval_s << doublings;
    int64_t most_s = CYCLE_BACKOFF_MAX_S - interval_s; /* its turn is one interval late at most */
    if (most_s < interval_s)
        most_s = interval_s;
    if (pause_s > most_s)
        pause_s = most_s;
    int64_t pause_us = pause_s * US_PER_S;
    return pause_us - pause_us / 1000 * (int64_t)(random % (JITTER_PER_MILLE + 1));
}

int64_t fleet_pause_us(struct fleet_slot *slot, const struct turn_result *result, int64_t interval_s,
                       uint32_t random)
{
    bool failed = result->status != TURN_OK && !result->not_ours;
    bool dead = failed && !result->reached;
    bool slow = failed && result->status == TURN_TIMEOUT && result->rows_added == 0;
    slot->failures = dead || slow ? slot->failures + 1 : 0;
    unsigned pauses = slot->failures;
    if (slow && !dead) {
        pauses--;
        while (pauses > 1 &&
               (pauses > DOUBLINGS_MAX || interval_s << (pauses - 1) > CYCLE_BACKOFF_SLOW_MAX_S))
            pauses--;
    }
    return fleet_backoff_us(pauses, interval_s, random);
}
