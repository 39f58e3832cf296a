/* Which vehicles are ours, from the tables. Against PostgreSQL. */
#include "server_tools/sync_service/keeper.h"

#include <signal.h>
#include <sys/wait.h>

#include "server_tools/sync_service/keeper_leases.h"
#include "tests/unit/server_tools/sync_service/writer_world.h"

enum { VEHICLES = 100, LIST_MAX = 200 };

struct loaded {
    struct world *world;
    size_t count, answers;
    struct error error;
    struct vehicle list[LIST_MAX];
};

static struct keeper *start(struct world *world, bool lease)
{
    struct error err = {0};
    const struct keeper_config config = {.db_url = world->database.url,
                                         .mailbox = world->mailbox,
                                         .clock = &world->clock.clock,
                                         .log = &world->log,
                                         .lease = lease};
    struct keeper *keeper = keeper_start(&config, &err);
    if (keeper == NULL)
        fail_msg("%s", err.text);
    return keeper;
}

static void take(void *context, const struct vehicle *vehicles, size_t count, const struct error *err)
{
    struct loaded *loaded = context;
    loaded->answers++;
    loaded->count = count;
    loaded->error = err == NULL ? (struct error){0} : *err;
    if (err == NULL && count <= LIST_MAX)
        memcpy(loaded->list, vehicles, count * sizeof(*vehicles));
    loop_stop(loaded->world->loop);
}

/* How many vehicles are its own now. */
static size_t load(struct world *world, struct keeper *keeper, const char *only, struct loaded *loaded)
{
    struct error err = {0};
    *loaded = (struct loaded){.world = world};
    keeper_load(keeper, only, take, loaded);
    assert_true(loop_run(world->loop, &err));
    assert_false(world->late);
    assert_int_equal(loaded->answers, 1);
    if (loaded->error.code != ERR_NONE)
        fail_msg("%s", loaded->error.text);
    return loaded->count;
}

static int setup(void **state)
{
    *state = world_make(VEHICLES);
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static void a_vehicle_is_what_the_tables_say(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    world_sql(
        world,
        "UPDATE vehicles SET name = 'Truck 7', host = 'fe80::1', api_key = 'key', agent_port = 9000,"
        " api_port = 8002, transport = 'outbound', agent_id = 'abc', last_seen_at = '2026-02-22T10:00:01Z',"
        " last_sync_at = '2026-02-22T10:00:02.000003Z' WHERE vehicle_id = 7;"
        "INSERT INTO vehicle_sync VALUES (7, '2026-02-22T10:00:03Z', '2026-02-22T10:00:04Z', 's', 5, 6, -7,"
        " '2026-02-22T10:00:05Z', true, 8);"
        "INSERT INTO sync_cursor VALUES (7, 's', 'readings', 9), (7, 's', 'alarms', 10), (7, 't', 'alarms', "
        "11);"
        "INSERT INTO measurements_quarantine SELECT 7, 1, n, 1"
        " FROM generate_series('2030-01-01'::timestamptz, '2030-01-03', '1 day') AS n");
    struct keeper *keeper = start(world, false);
    assert_int_equal(load(world, keeper, "Truck 7", loaded), 1);
    const struct vehicle *it = &loaded->list[0];
    assert_int_equal(it->vehicle_id, 7);
    assert_string_equal(it->client_id, "v7");
    assert_string_equal(it->name, "Truck 7");
    assert_string_equal(it->host, "fe80::1");
    assert_string_equal(it->api_key, "key");
    assert_string_equal(it->agent_id, "abc");
    assert_string_equal(it->store_id, "s");
    assert_int_equal(it->transport, TRANSPORT_OUTBOUND);
    assert_int_equal(it->agent_port, 9000);
    assert_int_equal(it->api_port, 8002);
    assert_true(it->accept_new_agent);
    assert_int_equal(it->silent_after_s, 8);
    assert_int_equal(it->last_seen_us, WORLD_NOW_US + 1 * SECOND_US);
    assert_int_equal(it->last_sync_us, WORLD_NOW_US + 2 * SECOND_US + 3);
    assert_int_equal(it->live_from_us, WORLD_NOW_US + 3 * SECOND_US);
    assert_int_equal(it->live_to_us, WORLD_NOW_US + 4 * SECOND_US);
    assert_int_equal(it->checked_us, WORLD_NOW_US + 5 * SECOND_US);
    assert_int_equal(it->live_after_seq, 5);
    assert_int_equal(it->live_seq, 6);
    assert_int_equal(it->clock_offset_us, -7000);
    assert_int_equal(it->cursor_seq, 9);
    assert_int_equal(it->alarms_seq, 10);
    assert_int_equal(it->quarantined, 3);
    keeper_stop(keeper);
    free(loaded);
}

static void one_that_was_inserted_by_hand_is_found(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    struct keeper *keeper = start(world, true);
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    world_sql(world, "INSERT INTO vehicles (vehicle_id, client_id, name) VALUES (500, 'by-hand', 'By hand')");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES + 1);
    const struct vehicle *it = &loaded->list[VEHICLES];
    assert_string_equal(it->client_id, "by-hand");
    assert_string_equal(it->host, "");
    assert_int_equal(it->transport, TRANSPORT_OUTBOUND);
    assert_int_equal(it->agent_port, 9876);
    assert_int_equal(it->api_port, 8001);
    assert_int_equal(it->last_sync_us, INT64_MIN);
    assert_int_equal(it->live_from_us, INT64_MIN);
    assert_int_equal(it->clock_offset_us, INT64_MIN);
    assert_int_equal(it->live_seq, -1);
    assert_int_equal(it->cursor_seq, 0);
    keeper_stop(keeper);
    free(loaded);
}

static void rows_that_cannot_be_asked_are_known_as_such(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    world_sql(world, "UPDATE vehicles SET api_port = 70000, agent_port = 0 WHERE vehicle_id = 1;"
                     "UPDATE vehicles SET host = repeat('h', 254) || 'ї' WHERE vehicle_id = 2;"
                     "UPDATE vehicles SET host = repeat('h', 255) WHERE vehicle_id = 3");
    struct keeper *keeper = start(world, true);
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    assert_int_equal(loaded->list[0].api_port, 0);
    assert_int_equal(loaded->list[0].agent_port, 0);
    assert_null(loaded->list[0].too_long);
    assert_string_equal(loaded->list[1].too_long, "host");
    assert_int_equal(strlen(loaded->list[1].host), VEHICLE_HOST_BYTES - 1);
    assert_int_equal(loaded->list[1].host[VEHICLE_HOST_BYTES - 2], '?'); /* not half a character */
    assert_null(loaded->list[2].too_long);
    keeper_stop(keeper);
    free(loaded);
}

static void rows_that_no_vehicle_can_be_are_left_out(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    world_sql(world, "ALTER TABLE vehicles DROP CONSTRAINT vehicles_transport_check;"
                     "UPDATE vehicles SET transport = 'fax' WHERE vehicle_id IN (1, 2);"
                     "UPDATE vehicles SET transport = 'push' WHERE vehicle_id = 3;"
                     "UPDATE vehicles SET last_sync_at = 'infinity' WHERE vehicle_id = 4");
    struct keeper *keeper = start(world, true);
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES - 3);
    assert_int_equal(loaded->list[0].vehicle_id, 4);
    assert_int_equal(loaded->list[0].last_sync_us, INT64_MIN);
    keeper_stop(keeper);
    free(loaded);
}

static void who_is_no_longer_of_the_fleet_is_left_alone(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    world_sql(world, "INSERT INTO vehicle_sync (vehicle_id, removed_at) SELECT vehicle_id,"
                     " CASE WHEN vehicle_id <= 10 THEN now() END FROM vehicles");
    struct keeper *keeper = start(world, true);
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES - 10);
    assert_int_equal(loaded->list[0].vehicle_id, 11);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM vehicle_leases"), VEHICLES - 10);
    world_sql(world, "UPDATE vehicle_sync SET removed_at = now() WHERE vehicle_id = 11");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES - 11);
    assert_int_equal(load(world, keeper, "v11", loaded), 0);
    world_sql(world, "UPDATE vehicle_sync SET removed_at = NULL WHERE vehicle_id IN (1, 11)");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES - 9);
    keeper_stop(keeper);
    free(loaded);
}

/* ---- leases ---- */

static void two_keepers_share_the_vehicles(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    struct keeper *first = start(world, true);
    assert_false(keeper_holds(first));
    assert_int_equal(load(world, first, NULL, loaded), VEHICLES);
    assert_true(keeper_holds(first));
    struct keeper *second = start(world, true);
    assert_int_equal(load(world, second, NULL, loaded), 0); /* the first has them all still */
    assert_int_equal(load(world, first, NULL, loaded), VEHICLES / 2);
    assert_int_equal(load(world, second, NULL, loaded), VEHICLES / 2);
    assert_int_equal(world_ask(world, "SELECT count(DISTINCT holder) FROM vehicle_leases"), 2);
    keeper_stop(first); /* gives back what it had */
    assert_int_equal(load(world, second, NULL, loaded), VEHICLES);
    keeper_stop(second);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM vehicle_leases WHERE holder IS NOT NULL"), 0);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM sync_workers"), 0);
    free(loaded);
}

static void who_dies_is_taken_over(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    struct keeper *keeper = start(world, true);
    world_sql(world,
              "INSERT INTO sync_workers (worker_id, host, pid, expires_at)"
              " VALUES ('dead', 'made up', 1, now() + interval '1 hour');"
              "INSERT INTO vehicle_leases SELECT vehicle_id, 'dead' FROM vehicles WHERE vehicle_id <= 60");
    assert_int_equal(load(world, keeper, NULL, loaded), 40);
    world_sql(world, "UPDATE sync_workers SET expires_at = now() WHERE worker_id = 'dead'");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    keeper_stop(keeper);
    free(loaded);
}

static void who_may_take_is_told(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    bool may;
    bool lived;
    SCOPE_PG struct pg *pg = sync_db_open(world->database.url, &err);
    assert_non_null(pg);
    assert_true(leases_renew(pg, "us", &lived, &err));
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_false(may); /* new ones are the next cycle's */
    world_sql(world, "INSERT INTO sync_workers (worker_id, host, pid, expires_at)"
                     " VALUES ('other', 'made up', 1, now() + interval '1 hour');"
                     "INSERT INTO vehicle_leases SELECT vehicle_id, 'other' FROM vehicles");
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_false(may);
    world_sql(world, "UPDATE sync_workers SET expires_at = now() WHERE worker_id = 'other'");
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_true(may);
    assert_true(leases_balance(pg, "us", &err));
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_false(may);
    world_sql(world, "UPDATE vehicle_leases SET holder = NULL WHERE vehicle_id = 5");
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_true(may);
    world_sql(world,
              "UPDATE sync_workers SET expires_at = now() + interval '1 hour' WHERE worker_id = 'other'");
    assert_true(leases_may_take(pg, "us", &may, &err));
    assert_false(may); /* ours are a fair share and more */
}

/* What another process looks at in this moment is left to it, and not waited for. */
static void nobody_waits_for_another_s_look(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    struct keeper *keeper = start(world, true);
    world_sql(world, "INSERT INTO vehicle_leases SELECT vehicle_id FROM vehicles");
    world_sql(world, "BEGIN; SELECT FROM vehicle_leases WHERE vehicle_id <= 10 FOR UPDATE");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES - 10);
    world_sql(world, "COMMIT");
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    keeper_stop(keeper);
    free(loaded);
}

static void leases_hold_no_longer_than_they_were_renewed(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    struct keeper *keeper = start(world, true);
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    assert_true(keeper_holds(keeper));
    clock_fake_advance(&world->clock, (KEEPER_ALIVE_S + 1) * SECOND_US);
    assert_false(keeper_holds(keeper));
    assert_int_equal(load(world, keeper, NULL, loaded), VEHICLES);
    assert_true(keeper_holds(keeper));
    keeper_stop(keeper);
    free(loaded);
}

static void what_waits_at_the_end_is_cancelled(void **state)
{
    struct world *world = *state;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    *loaded = (struct loaded){.world = world};
    world_sql(world,
              "BEGIN; LOCK TABLE vehicle_leases"); /* the first question waits for it, 5 s at the most */
    struct keeper *keeper = start(world, true);
    keeper_load(keeper, NULL, take, loaded);
    keeper_load(keeper, NULL, take, loaded);
    keeper_stop(keeper);
    world_sql(world, "COMMIT");
    mailbox_free(world->mailbox);
    world->mailbox = NULL;
    assert_int_equal(loaded->answers, 2);
    assert_int_equal(loaded->error.code, ERR_CANCELLED);
    free(loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_vehicle_is_what_the_tables_say, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_was_inserted_by_hand_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_no_vehicle_can_be_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_cannot_be_asked_are_known_as_such, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_no_longer_of_the_fleet_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(two_keepers_share_the_vehicles, setup, teardown),
        cmocka_unit_test_setup_teardown(who_dies_is_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_take_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_waits_for_another_s_look, setup, teardown),
        cmocka_unit_test_setup_teardown(leases_hold_no_longer_than_they_were_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_cancelled, setup, teardown),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
