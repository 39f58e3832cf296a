/* What is forgotten and what is moved, in chunks. Against PostgreSQL. */
#include "server_tools/sync_service/keeper_chores.h"
#include "server_tools/sync_service/sync_db.h"

#include "tests/unit/server_tools/sync_service/writer_world.h"

static int setup(void **state)
{
    *state = world_make(3);
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static struct pg *open_pg(struct world *world)
{
    struct error err = {0};
    struct pg *pg = sync_db_open(world->database.url, &err);
    if (pg == NULL)
        fail_msg("%s", err.text);
    return pg;
}

static void entries_of_more_than_30_days_are_forgotten(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    world_sql(world, "INSERT INTO sync_journal SELECT vehicle, n, at, at, 'ok', 0, 0, '' FROM "
                     "generate_series(1, 2) AS vehicle,"
                     " generate_series(1, 15000) AS n, LATERAL (SELECT '2026-01-20T00:00:00Z'::timestamptz"
                     " + n * interval '1 second' AS at) AS times");
    world_sql(world, "UPDATE sync_journal SET finished_at = '2026-02-22T10:00:00Z' WHERE vehicle_id = 2 AND "
                     "journal_id > 14998");
    SCOPE_PG struct pg *pg = open_pg(world);
    if (!chore_prune_journal(pg, WORLD_NOW_US - INT64_C(86400) * 30 * SECOND_US, &err))
        fail_msg("%s", err.text);
    assert_string_equal(
        world_text(world, "SELECT string_agg(vehicle_id || ':' || journal_id, ' ') FROM sync_journal"),
        "2:14999 2:15000");
}

static void processes_that_died_an_hour_ago_are_forgotten(void **state)
{
    struct world *world = *state;
    world_sql(world,
              "INSERT INTO sync_workers (worker_id, host, pid, expires_at) VALUES"
              " ('a', '', 1, now() - interval '61 minutes'), ('b', '', 1, now() - interval '59 minutes'),"
              " ('c', '', 1, now() + interval '1 minute')");
    SCOPE_PG struct pg *pg = open_pg(world);
    assert_true(chore_forget_workers(pg, NULL));
    assert_string_equal(
        world_text(world, "SELECT string_agg(worker_id, ' ' ORDER BY worker_id) FROM sync_workers"), "b c");
}

static void readings_go_home_when_their_time_has_come(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    int64_t released = -1;
    world_sql(world,
              "INSERT INTO measurements_quarantine SELECT vehicle, 1, '2026-02-22T10:00:00Z'::timestamptz"
              " + n * interval '1 second', n FROM generate_series(1, 2) AS vehicle, generate_series(-11999, "
              "5) AS n");
    world_sql(world,
              "INSERT INTO measurements_quarantine VALUES (2, 1, '2025-12-31T23:59:59Z', -1)"); /* a month of
                                                                                                   its own */
    SCOPE_PG struct pg *pg = open_pg(world);
    if (!chore_release_quarantine(pg, "{1}", WORLD_NOW_US, &released, &err))
        fail_msg("%s", err.text);
    assert_int_equal(released, 12000);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE vehicle_id = 1"), 12000);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE vehicle_id = 2"), 0);
    world_sql(world,
              "INSERT INTO measurements VALUES (2, 1, '2026-02-22T09:59:59Z', 77)"); /* it came another way */
    if (!chore_release_quarantine(pg, NULL, WORLD_NOW_US, &released, &err))
        fail_msg("%s", err.text);
    assert_int_equal(released, 12001);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE vehicle_id = 2"), 12001);
    assert_int_equal(
        world_ask(world,
                  "SELECT value FROM measurements WHERE vehicle_id = 2 AND time = '2026-02-22T09:59:59Z'"),
        77);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements_quarantine"), 10);
    assert_true(chore_release_quarantine(pg, NULL, WORLD_NOW_US, &released, &err));
    assert_int_equal(released, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_of_more_than_30_days_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_that_died_an_hour_ago_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(readings_go_home_when_their_time_has_come, setup, teardown),
    };
    return cmocka_run_group_tests_name("keeper_chores", tests, NULL, NULL);
}
