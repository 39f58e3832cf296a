#include "tests/unit/server_tools/sync_service/cycle_world.h"

static void take_end(void *context, const struct cycle_totals *totals, const struct error *err)
{
    struct cycle_world *world = context;
    world->once_times++;
    assert_true((totals == NULL) == (err != NULL));
    if (totals != NULL)
        world->once_totals = *totals;
    world->once_error = err != NULL ? *err : (struct error){.code = ERR_NONE};
}

static void begin_once(struct cycle_world *world, const char *only)
{
    cycle_once(world->cycle, only, take_end, world);
    world_pass(world, 0);
}

static void it_ends_when_the_gaps_are_filled_too(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 3);
    begin_once(world, NULL);
    world->machines[1].filling = true;
    world_end_turn(world, 1, TURN_WELL);
    world_end_turn(world, 2, (struct turn_result){.status = TURN_OK, .reached = true, .bytes = 7});
    world_pass(world, 5);
    world_end_turn(world, 3, TURN_SILENT);
    world_pass(world, 3600);
    assert_int_equal(world->once_times, 0);
    world->machines[1].filling = false;
    world->writer.rows = 1234; /* gaps' as well */
    world_pass(world, 1);
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_totals.vehicles, 3);
    assert_int_equal(world->once_totals.ok, 2);
    assert_int_equal(world->once_totals.timeout, 1);
    assert_int_equal(world->once_totals.error, 0);
    assert_int_equal(world->once_totals.rows_added, 1234);
    assert_int_equal(world->once_totals.bytes, 7);
    assert_int_equal(world->once_totals.duration_us, 5 * US_PER_S);
    assert_int_equal(world_said(world, "Cycle done in 5.0s\n"), 1); /* it does not sleep */
    world_pass(world, 3600);
    assert_int_equal(world->machines[1].turns, 1);
    assert_int_equal(world->once_times, 1);
}

static void a_gap_that_could_not_be_filled_is_an_error(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 2);
    begin_once(world, NULL);
    world_end_turn(world, 1, TURN_WELL);
    world_end_turn(world, 2, TURN_SILENT);
    world->machines[1].puller->gap_failed = true;
    world->machines[2].puller->gap_failed = true; /* counted once, as silent */
    world_pass(world, 1);
    assert_int_equal(world->once_totals.ok, 0);
    assert_int_equal(world->once_totals.timeout, 1);
    assert_int_equal(world->once_totals.error, 1);
}

static void one_vehicle_alone_must_be_there(void **state)
{
    struct cycle_world *world = *state;
    begin_once(world, "Truck-9");
    assert_string_equal(world->keeper.only, "Truck-9");
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_error.code, ERR_NOT_FOUND);
    assert_non_null(strstr(world->once_error.text, "`Truck-9`"));
}

static void a_name_that_is_too_long_is_nobodys(void **state)
{
    struct cycle_world *world = *state;
    char name[2 * VEHICLE_NAME_BYTES];
    memset(name, 'T', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    begin_once(world, name);
    assert_int_equal(strspn(world->keeper.only, "?"), VEHICLE_NAME_BYTES - 1); /* not a part of it */
    assert_int_equal(world->once_error.code, ERR_NOT_FOUND);
}

static void without_vehicles_it_is_done_at_once(void **state)
{
    struct cycle_world *world = *state;
    begin_once(world, NULL);
    world_pass(world, 1);
    assert_string_equal(world->keeper.only, "");
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_error.code, ERR_NONE);
    assert_int_equal(world->once_totals.vehicles, 0);
}

static void postgresql_is_waited_for_a_while(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->writer.away = true;
    begin_once(world, NULL);
    world_pass(world, 14);
    assert_int_equal(world->once_times, 0);
    world->writer.away = false;
    world_pass(world, 1);
    assert_int_equal(world->machines[1].turns, 1);
    world->writer.away = true; /* too late to be of interest */
    world_pass(world, 60);
    world_end_turn(world, 1, TURN_WELL);
    world_pass(world, 1);
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_error.code, ERR_NONE);
}

static void but_not_for_ever(void **state)
{
    struct cycle_world *world = *state;
    world_fleet(world, 1);
    world->writer.away = true;
    begin_once(world, NULL);
    world_pass(world, 16);
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_error.code, ERR_UNREACHABLE);
    assert_int_equal(world->keeper.loads, 0);
}

static void a_list_that_cannot_be_read_is_said(void **state)
{
    struct cycle_world *world = *state;
    world->keeper.problem = (struct error){.code = ERR_IO, .text = "disk full"};
    begin_once(world, NULL);
    world_pass(world, 60);
    assert_int_equal(world->once_times, 1);
    assert_int_equal(world->once_error.code, ERR_IO);
    assert_string_equal(world->once_error.text, "disk full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_ends_when_the_gaps_are_filled_too),
        TEST(a_gap_that_could_not_be_filled_is_an_error),
        TEST(one_vehicle_alone_must_be_there),
        TEST(a_name_that_is_too_long_is_nobodys),
        TEST(without_vehicles_it_is_done_at_once),
        TEST(postgresql_is_waited_for_a_while),
        TEST(but_not_for_ever),
        TEST(a_list_that_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
