#include "tests/unit/server_tools/sync_service/cycle_world.h"

static void begin(struct cycle_world *world)
{
    struct error err;
    assert_true(cycle_run(world->cycle, &err));
    world_pass(world, 0);
}

/* ---- turns ---- */

static void each_vehicle_has_one_turn_in_a_cycle(void **state)
{
    struct cycle_world *world = *state;
    world_vehicle(world, TRANSPORT_OUTBOUND, "10.0.0.11");
    world_vehicle(world, TRANSPORT_AGENT, "10.0.0.12");
    world_vehicle(world, TRANSPORT_PUSH, "10.0.0.13"); /* it comes by itself */
    world_vehicle(world, TRANSPORT_AGENT, "");         /* as an import makes it: nobody knows where it is */
    begin(world);
    assert_ptr_equal(world->machines[1].kind, &outbound_puller);
    assert_ptr_equal(world->machines[2].kind, &agent_puller);
    world_pass(world, 2);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 0);
    world_end_turn(world, 2, (struct turn_result){.status = TURN_ERROR, .reached = true, .note = "HTTP 500"});
    assert_int_equal(world_count(world, METRIC_CYCLES), 1);
    assert_int_equal(world_said(world, "Starting sync cycle for 2 vehicle(s)…\n"), 1);
    assert_int_equal(world_said(world, "[Truck-1] online\n"), 1);
    assert_int_equal(world_said(world, "[Truck-2] HTTP 500\n"), 1);
    assert_int_equal(world_said(world, "Cycle done in 2.0s — sleeping 8.0s\n"), 1);
    world_pass_ms(world, 7999);
    assert_int_equal(world->machines[1].turns, 1);
    world_pass_ms(world, 1);
    assert_int_equal(world->machines[1].turns, 2);
    assert_int_equal(world->machines[2].turns, 2);
    assert_int_equal(world->machines[3].turns + world->machines[4].turns, 0);
    assert_int_equal(world_count(world, METRIC_TURNS_OK), 1);
    assert_int_equal(world_count(world, METRIC_TURNS_ERROR), 1);
}

/* A cycle's time is until its last vehicle's turn has ended, whatever began meanwhile. */
static void a_cycle_that_overruns_is_not_started_twice(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 2);
    begin(world);
    world_end_turn(world, 1, TURN_WELL);
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 2);
    assert_int_equal(world->machines[2].turns, 1);
    assert_int_equal(world_count(world, METRIC_CYCLES_OVERRUN), 1);
    assert_int_equal(world_said(world, "the cycle before is not done: 1 vehicle(s) are left out of this one"),
                     1);
    world_pass(world, 1);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1);
    assert_int_equal(world_said(world, "Cycle done in 1.0s — sleeping 9.0s\n"), 1);
    world_pass(world, 2);
    world_end_turn(world, 2, TURN_WELL); /* of the cycle before */
    assert_int_equal(world_count(world, METRIC_CYCLES), 2);
    assert_int_equal(world_said(world, "A cycle that overran done in 13.0s\n"), 1);
    assert_int_equal(world->metrics.gauges[METRIC_LAST_CYCLE_SECONDS], 13);
    world_pass_to(world, 2 * INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 3);
    assert_int_equal(world->machines[2].turns, 2);
    assert_int_equal(world_count(world, METRIC_CYCLES_OVERRUN), 1);
}

static void nothing_begins_while_everybody_is_under_way(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    begin(world);
    world_pass_to(world, 3 * INTERVAL_S + 4);
    assert_int_equal(world->machines[1].turns, 1);
    assert_int_equal(world_said(world, "Starting sync cycle"), 1);
    assert_int_equal(world_said(world, "no new cycle: 1 vehicle(s) are still under way\n"), 3);
    assert_int_equal(world_said(world, "Cycle done"), 0);
    assert_int_equal(world_count(world, METRIC_CYCLES), 0);
    assert_int_equal(world_count(world, METRIC_CYCLES_OVERRUN), 3);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_said(world, "Cycle done in 34.0s — sleeping 6.0s\n"), 1);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1);
    assert_int_equal(world->metrics.gauges[METRIC_LAST_CYCLE_SECONDS], 34);
    world_pass_to(world, 4 * INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 2);
    assert_int_equal(world_count(world, METRIC_CYCLES_OVERRUN), 3);
}

/* Three cycles at a time: each ends with its own last vehicle. */
static void each_cycle_ends_with_the_last_vehicle_of_its_own(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 4);
    begin(world);
    world_end_turn(world, 3, TURN_WELL);
    world_end_turn(world, 4, TURN_WELL);
    world_pass_to(world, INTERVAL_S);
    world_end_turn(world, 4, TURN_WELL);
    world_pass_to(world, 2 * INTERVAL_S);
    assert_int_equal(world_said(world, "2 vehicle(s) are left out"), 1);
    assert_int_equal(world_said(world, "3 vehicle(s) are left out"), 1);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 0); /* the first one's other vehicle goes on */
    world_end_turn(world, 3, TURN_WELL);
    assert_int_equal(world->metrics.gauges[METRIC_LAST_CYCLE_SECONDS], 10);
    world_end_turn(world, 2, TURN_WELL);
    assert_int_equal(world->metrics.gauges[METRIC_LAST_CYCLE_SECONDS], 20);
    assert_int_equal(world_count(world, METRIC_CYCLES), 2);
    world_end_turn(world, 4, TURN_WELL);
    assert_int_equal(world->metrics.gauges[METRIC_LAST_CYCLE_SECONDS], 0);
    assert_int_equal(world_count(world, METRIC_CYCLES), 3);
}

static void without_room_for_readings_nobody_is_asked(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 2);
    world->writer.full = true;
    begin(world);
    assert_int_equal(world->machines[1].turns, 0);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1); /* nothing is waited for */
    world->writer.full = false;
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 1);
}

static void a_vehicle_that_cannot_be_begun_holds_up_nobody(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 2);
    world->machines[1].refuses = true;
    begin(world);
    world_end_turn(world, 2, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1);
    assert_int_equal(world_said(world, "[Truck-1] no memory left"), 1);
    world->machines[1].refuses = false;
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 1);
}

/* ---- back-off ---- */

enum { TURNS_MAX = 64 };

/* Each turn of vehicle 1 ends so, for so many seconds: when it was asked. */
static size_t turns_that_end(struct cycle_world *world, struct turn_result result, int64_t seconds,
                             int64_t out[TURNS_MAX])
{
    size_t count = 0;
    for (int64_t passed = 0; passed < seconds; passed += INTERVAL_S) {
        if (world->machines[1].under_way) {
            assert_true(count < TURNS_MAX);
            out[count++] = world->machines[1].last_turn;
            world_end_turn(world, 1, result);
        }
        world_pass(world, INTERVAL_S);
    }
    return count;
}

static void who_is_silent_is_asked_less_and_less_but_within_the_limit(void **state)
{
    static const uint32_t chances[] = {0, 125, 250, 4294967295};
    struct cycle_world *world = *state;
    int64_t turns[TURNS_MAX];
    world_fleet(world, 1);
    begin(world);
    for (size_t i = 0; i < COUNT_OF(chances); i++) {
        chance = chances[i];
        size_t count = turns_that_end(world, TURN_SILENT, 3600, turns);
        assert_in_range(count, 14, 24);
        assert_int_equal(turns[1] - turns[0], INTERVAL_S); /* once is nothing */
        for (size_t k = 2; k < count; k++) {
            int64_t pause = turns[k] - turns[k - 1];
            int64_t before = turns[k - 1] - turns[k - 2];
            assert_in_range(pause, before, 2 * before);
            assert_in_range(pause, INTERVAL_S, CYCLE_BACKOFF_MAX_S);
        }
        assert_true(turns[count - 1] - turns[count - 2] >= CYCLE_BACKOFF_MAX_S * 2 / 3);
        while (!world->machines[1].under_way)
            world_pass(world, INTERVAL_S);
        world_end_turn(world, 1, TURN_WELL); /* the first answer ends it */
        world_pass(world, INTERVAL_S);
        assert_true(world->machines[1].under_way);
    }
}

/* It trickles: the first time may be chance, and it is seen often enough all the same. */
static void who_answers_too_slowly_is_asked_less_but_not_the_first_time(void **state)
{
    static const struct turn_result slow = {
        .status = TURN_TIMEOUT, .reached = true, .note = "timeout on /data"};
    struct cycle_world *world = *state;
    int64_t turns[TURNS_MAX];
    world_fleet(world, 1);
    begin(world);
    chance = 0;
    size_t count = turns_that_end(world, slow, 1800, turns);
    assert_int_equal(turns[1] - turns[0], INTERVAL_S);
    assert_int_equal(turns[2] - turns[1], INTERVAL_S);
    assert_int_equal(turns[3] - turns[2], 2 * INTERVAL_S);
    assert_int_equal(turns[4] - turns[3], 4 * INTERVAL_S);
    for (size_t k = 5; k < count; k++)
        assert_int_equal(turns[k] - turns[k - 1], 8 * INTERVAL_S); /* twice as long were too long */
    assert_true(8 * INTERVAL_S <= CYCLE_BACKOFF_SLOW_MAX_S && 16 * INTERVAL_S > CYCLE_BACKOFF_SLOW_MAX_S);
}

/* The vehicle is well then, so far as we know. */
static void our_own_trouble_and_errors_that_it_says_are_no_silence(void **state)
{
    static const struct turn_result results[] = {
        {.status = TURN_ERROR, .not_ours = true, .note = "PostgreSQL is away"},
        {.status = TURN_TIMEOUT, .reached = true, .rows_added = 1, .note = "it broke off"},
        {.status = TURN_ERROR, .reached = true, .note = "HTTP 500"},
        {.status = TURN_OK},
    };
    struct cycle_world *world = *state;
    int turns = 0;
    world_fleet(world, 1);
    begin(world);
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        for (int times = 0; times < 4; times++) {
            assert_int_equal(world->machines[1].turns, ++turns);
            world_end_turn(world, 1, results[i]);
            world_pass(world, INTERVAL_S);
        }
    }
}

/* ---- whose vehicles ---- */

static void a_vehicle_that_is_ours_no_more_is_called_off(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 3);
    begin(world);
    world_end_turn(world, 3, TURN_WELL);
    world->keeper.count = 1;
    world_pass_to(world, INTERVAL_S);
    assert_null(world->machines[2].puller); /* in the middle of its turn */
    assert_null(world->machines[3].puller);
    assert_int_equal(world->machines[1].turns, 1);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1); /* it does not wait for the others */
    world_pass_to(world, 2 * INTERVAL_S);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 2);
    world_pass_to(world, 3 * INTERVAL_S);
    world->keeper.count = 0;
    world_pass_to(world, 4 * INTERVAL_S);
    assert_null(world->machines[1].puller);
    assert_int_equal(world_count(world, METRIC_CYCLES), 4); /* one whose vehicles are all gone, one of none */
}

static void another_transport_begins_anew(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    begin(world);
    world->keeper.vehicles[0].transport = TRANSPORT_AGENT;
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 2); /* the first one's turn was called off */
    assert_ptr_equal(world->machines[1].puller->kind, &agent_puller);
}

static void what_a_dead_service_left_is_taken_over_at_once(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    begin(world);
    world_fleet(world, 1);
    world->keeper.may_take = true;
    world_pass_to(world, 5);
    world->keeper.may_take = false;
    assert_int_equal(world->machines[1].turns, 1);
    assert_int_equal(world->machines[2].turns, 1);
    assert_int_equal(world->machines[2].last_turn, 5);
    assert_int_equal(world_said(world, "1 vehicle(s) taken over"), 1);
    world_end_turn(world, 1, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 0); /* it counts to the one that is open */
    world_end_turn(world, 2, TURN_WELL);
    assert_int_equal(world_count(world, METRIC_CYCLES), 1);
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world->machines[2].turns, 2);
}

static void a_cycle_that_is_due_takes_the_list_that_is_on_its_way(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    begin(world);
    world_end_turn(world, 1, TURN_WELL);
    world_fleet(world, 1);
    world->keeper.may_take = true;
    world->keeper.slow = true;
    world_pass_to(world, INTERVAL_S + 1);
    assert_int_equal(world->keeper.loads, 2);
    world_answer(world);
    assert_int_equal(world->machines[1].turns, 2); /* a whole cycle, not what is new alone */
    assert_int_equal(world->machines[2].turns, 1);
}

/* ---- PostgreSQL ---- */

static void while_postgresql_is_away_nobody_is_asked(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->writer.away = true;
    begin(world);
    world_pass_to(world, 1);
    assert_int_equal(world_said(world, "PostgreSQL is away"), 0); /* perhaps it is young */
    world_pass_to(world, 600);
    assert_int_equal(world->keeper.loads, 0);
    assert_int_equal(world_said(world, "no cycle: PostgreSQL is away"), 1);
    world->writer.away = false;
    world_pass(world, 1);
    assert_int_equal(world->machines[1].turns, 1); /* without waiting for an interval */
    world_end_turn(world, 1, TURN_WELL);
    world_pass(world, INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 2);
}

static void a_list_that_is_late_is_not_asked_for_twice(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->keeper.slow = true;
    begin(world);
    world_pass_to(world, 3 * INTERVAL_S);
    assert_int_equal(world->keeper.loads, 1);
    assert_int_equal(world_said(world, "has not said yet which vehicles are ours"), 3);
    world_answer(world);
    assert_int_equal(world->machines[1].turns, 1);
}

static void without_leases_or_a_list_there_is_no_cycle(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->keeper.lost = true;
    begin(world);
    assert_int_equal(world_said(world, "no cycle: our leases could not be renewed"), 1);
    world->keeper.lost = false;
    world->keeper.may_take = true; /* nothing is taken over before there was a cycle */
    world_pass_to(world, INTERVAL_S - 1);
    assert_int_equal(world->keeper.loads, 1);
    world->keeper.problem = (struct error){.code = ERR_IO, .text = "disk full"};
    world_pass_to(world, INTERVAL_S);
    assert_int_equal(world_said(world, "could not be read: disk full"), 1);
    assert_int_equal(world->machines[1].turns, 0);
    world->keeper.problem.code = ERR_NONE;
    world_pass_to(world, 2 * INTERVAL_S);
    assert_int_equal(world->machines[1].turns, 1);
}

static void an_answer_may_come_after_its_end(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->keeper.slow = true;
    begin(world);
    cycle_free(world->cycle);
    world->cycle = NULL;
    world_answer(world); /* it frees the rest */
    assert_int_equal(world->machines[1].turns, 0);
}

/* ---- gauges ---- */

static void the_fleet_is_shown_as_it_is(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 4);
    begin(world);
    world_end_turn(world, 1,
                   (struct turn_result){.status = TURN_OK, .reached = true, .behind_us = 90 * US_PER_S});
    world_end_turn(world, 2,
                   (struct turn_result){.status = TURN_OK, .reached = true, .behind_us = 2 * US_PER_S});
    world_end_turn(world, 3, TURN_SILENT);
    world->machines[2].filling = true;
    world_pass_to(world, 5);
    assert_int_equal(world->metrics.gauges[METRIC_VEHICLES], 4);
    assert_int_equal(world->metrics.gauges[METRIC_VEHICLES_ONLINE], 2);
    assert_int_equal(world->metrics.gauges[METRIC_VEHICLES_BEHIND], 1);
    assert_int_equal(world->metrics.gauges[METRIC_LAG_MAX_SECONDS], 90);
    assert_int_equal(world->metrics.gauges[METRIC_DB_CONNECTED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_vehicle_has_one_turn_in_a_cycle),
        TEST(a_cycle_that_overruns_is_not_started_twice),
        TEST(nothing_begins_while_everybody_is_under_way),
        TEST(each_cycle_ends_with_the_last_vehicle_of_its_own),
        TEST(without_room_for_readings_nobody_is_asked),
        TEST(a_vehicle_that_cannot_be_begun_holds_up_nobody),
        TEST(who_is_silent_is_asked_less_and_less_but_within_the_limit),
        TEST(who_answers_too_slowly_is_asked_less_but_not_the_first_time),
        TEST(our_own_trouble_and_errors_that_it_says_are_no_silence),
        TEST(a_vehicle_that_is_ours_no_more_is_called_off),
        TEST(another_transport_begins_anew),
        TEST(what_a_dead_service_left_is_taken_over_at_once),
        TEST(a_cycle_that_is_due_takes_the_list_that_is_on_its_way),
        TEST(while_postgresql_is_away_nobody_is_asked),
        TEST(a_list_that_is_late_is_not_asked_for_twice),
        TEST(without_leases_or_a_list_there_is_no_cycle),
        TEST(an_answer_may_come_after_its_end),
        TEST(the_fleet_is_shown_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
