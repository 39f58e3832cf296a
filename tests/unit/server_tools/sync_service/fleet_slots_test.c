#include "server_tools/sync_service/fleet_slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define S ((int64_t)US_PER_S)

/* A puller that is freed and nothing else. */
struct fake_puller {
    struct puller puller;
    int *freed;
};

static void free_fake(struct puller *puller)
{
    ++*((struct fake_puller *)puller)->freed;
    free(puller);
}

static const struct puller_kind fake_kind = {.free = free_fake};

static struct puller *new_fake(int *freed)
{
    struct fake_puller *fake = calloc(1, sizeof(*fake));
    fake->puller.kind = &fake_kind;
    fake->freed = freed;
    return &fake->puller;
}

static struct fleet_slot *take(struct fleet_slots *slots, int64_t vehicle_id, enum transport transport)
{
    struct vehicle vehicle = {.vehicle_id = vehicle_id, .transport = transport};
    struct error err;
    snprintf(vehicle.client_id, sizeof(vehicle.client_id), "m%d", (int)vehicle_id);
    struct fleet_slot *slot = fleet_slots_take(slots, &vehicle, &err);
    assert_non_null(slot);
    return slot;
}

static void pauses_double_up_to_five_minutes(void **state)
{
    static const struct {
        unsigned failures;
        int64_t interval_s, most_s;
    } cases[] = {
        {0, 30, 0},   {1, 30, 30},   {2, 30, 60},           {3, 30, 120},      {4, 30, 240},
        {5, 30, 270}, {99, 30, 270}, {4000000000, 30, 270}, {1, 1, 1},         {9, 1, 256},
        {10, 1, 299}, {1, 200, 200}, {5, 200, 200},         {5, 86400, 86400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t most_us = cases[i].most_s * S;
        assert_int_equal(fleet_backoff_us(cases[i].failures, cases[i].interval_s, 0), most_us);
        assert_int_equal(fleet_backoff_us(cases[i].failures, cases[i].interval_s, 250), most_us * 3 / 4);
        for (uint32_t random = 1; random < 5000; random += 37) {
            int64_t pause_us = fleet_backoff_us(cases[i].failures, cases[i].interval_s, random);
            assert_in_range(pause_us, most_us * 3 / 4, most_us);
        }
    }
}

/* How a turn ends, and the pause behind it. */
struct ending {
    struct turn_result result;
    int64_t pause_s;
};

#define DEAD                                                                                                 \
    {                                                                                                        \
        .status = TURN_TIMEOUT                                                                               \
    }
#define REFUSED                                                                                              \
    {                                                                                                        \
        .status = TURN_ERROR                                                                                 \
    }
#define SLOW                                                                                                 \
    {                                                                                                        \
        .status = TURN_TIMEOUT, .reached = true                                                              \
    }
#define SOME                                                                                                 \
    {                                                                                                        \
        .status = TURN_TIMEOUT, .reached = true, .rows_added = 1                                             \
    }
#define WRONG                                                                                                \
    {                                                                                                        \
        .status = TURN_ERROR, .reached = true                                                                \
    }
#define OURS                                                                                                 \
    {                                                                                                        \
        .status = TURN_ERROR, .not_ours = true                                                               \
    }
#define FINE                                                                                                 \
    {                                                                                                        \
        .status = TURN_OK, .reached = true                                                                   \
    }

static void whoever_brings_nothing_is_asked_less(void **state)
{
    static const struct ending endings[] = {
        {DEAD, 30},  {REFUSED, 60}, {DEAD, 120}, {DEAD, 240},
        {DEAD, 270}, /* nothing answers */
        {FINE, 0},   /* it is back */
        {SLOW, 0},   {SLOW, 30},    {SLOW, 60},  {SLOW, 120},
        {SLOW, 120},                                          /* the first time none, never long */
        {SLOW, 120}, {SOME, 0},                               /* a slow link that gets on */
        {SLOW, 0},   {WRONG, 0},                              /* an answer, be it wrong */
        {SLOW, 0},   {SLOW, 30},    {OURS, 0},                /* nothing is said of it */
        {SLOW, 0},   {SLOW, 30},    {DEAD, 120}, {SLOW, 120}, /* one after the other */
    };
    struct fleet_slot slot = {.failures = 0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        assert_int_equal(fleet_pause_us(&slot, &endings[i].result, 30, 0), endings[i].pause_s * S);
}

static void a_slow_one_is_seen_again_before_it_counts_as_silent(void **state)
{
    static const int64_t intervals_s[] = {1, 7, 30, 119, 120, 121, 3600};
    static const struct turn_result slow = SLOW;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(intervals_s); i++) {
        int64_t interval_s = intervals_s[i];
        struct fleet_slot slot = {.failures = 1};
        for (int turn = 0; turn < 50; turn++) {
            int64_t pause_us = fleet_pause_us(&slot, &slow, interval_s, 0);
            assert_in_range(pause_us, interval_s * S,
                            (interval_s > CYCLE_BACKOFF_SLOW_MAX_S ? interval_s : CYCLE_BACKOFF_SLOW_MAX_S) *
                                S);
        }
    }
}

static void vehicles_are_found_and_go(void **state)
{
    static const int64_t ids[] = {5, 1, 9, 3, 7, 1, 9};
    struct fleet_slots slots = {.list = NULL};
    int freed = 0;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        take(&slots, ids[i], TRANSPORT_OUTBOUND);
    assert_int_equal(slots.count, 5);
    for (size_t i = 1; i < slots.count; i++)
        assert_true(slots.list[i - 1]->vehicle_id < slots.list[i]->vehicle_id);
    assert_string_equal(fleet_slots_find(&slots, 7)->name, "m7"); /* it has no name of its own */
    assert_null(fleet_slots_find(&slots, 2));
    for (size_t i = 0; i < slots.count; i++) {
        slots.list[i]->puller = new_fake(&freed);
        slots.list[i]->is_ours = slots.list[i]->vehicle_id > 4;
    }
    fleet_slots_drop_others(&slots);
    assert_int_equal(freed, 2);
    assert_int_equal(slots.count, 3);
    assert_null(fleet_slots_find(&slots, 3));
    fleet_slots_clear(&slots);
    assert_int_equal(freed, 5);
}

static void another_transport_is_another_puller(void **state)
{
    struct fleet_slots slots = {.list = NULL};
    int freed = 0;
    (void)state;
    struct fleet_slot *slot = take(&slots, 1, TRANSPORT_OUTBOUND);
    slot->puller = new_fake(&freed);
    slot->running = true;
    assert_ptr_equal(take(&slots, 1, TRANSPORT_OUTBOUND), slot);
    assert_true(slot->running && freed == 0);
    take(&slots, 1, TRANSPORT_AGENT);
    assert_true(!slot->running && freed == 1 && slot->puller == NULL);
    fleet_slots_clear(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_five_minutes),
        cmocka_unit_test(whoever_brings_nothing_is_asked_less),
        cmocka_unit_test(a_slow_one_is_seen_again_before_it_counts_as_silent),
        cmocka_unit_test(vehicles_are_found_and_go),
        cmocka_unit_test(another_transport_is_another_puller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
