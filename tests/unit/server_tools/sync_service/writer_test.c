/* What is in the tables when a job is done, and what a group of them does. Against PostgreSQL. */
#include "tests/unit/server_tools/sync_service/writer_world.h"

static int setup(void **state)
{
    struct world *world = world_make(20);
    world->writer = world_writer(world, world->database.url, 2);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static void readings_come_with_their_progress_and_journal(void **state)
{
    struct world *world = *state;
    struct write_job *job = world_job(world, 3);
    world_rows(job, 2, -10, 5);
    job->expect_new = true;
    job->status.seen_us = WORLD_NOW_US;
    job->status.sync_status = "ok";
    snprintf(job->status.software_version, sizeof(job->status.software_version), "1.2.0");
    job->status.clock_offset_us = -1500001;
    job->progress.window = true;
    job->progress.last_sync_us = WORLD_NOW_US - 5 * SECOND_US;
    job->progress.live_from_us = WORLD_NOW_US - 3 * SECOND_US;
    job->progress.live_to_us = WORLD_NOW_US;
    job->journal = (struct job_journal){WORLD_NOW_US - SECOND_US, WORLD_NOW_US,  "ok",
                                        .rows_written = 5,        .bytes = 1000, .note = "a note"};
    world_write(world, job);
    assert_int_equal(world->rows_added, 10);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE vehicle_id = 3"), 10);
    assert_int_equal(world_ask(world, "SELECT value FROM measurements JOIN channel_config USING (vehicle_id,"
                                      " channel_id) WHERE name = 'channel_8' AND remote_id = 8"
                                      " AND time = '2026-02-22T09:59:53Z'"),
                     4);
    assert_string_equal(world_text(world, "SELECT concat_ws(' ', last_seen_at, sync_status, software_version,"
                                          " last_sync_at) FROM vehicles WHERE vehicle_id = 3"),
                        "2026-02-22 10:00:00+00 ok 1.2.0 2026-02-22 09:59:55+00");
    assert_string_equal(world_text(world, "SELECT concat_ws(' ', live_from, live_to, clock_offset_ms,"
                                          " clock_checked_at) FROM vehicle_sync WHERE vehicle_id = 3"),
                        "2026-02-22 09:59:57+00 2026-02-22 10:00:00+00 -1501 2026-02-22 10:00:00+00");
    assert_string_equal(world_text(world,
                                   "SELECT concat_ws(' ', journal_id, finished_at - started_at, status,"
                                   " rows_written, bytes, note) FROM sync_journal"),
                        "1 00:00:01 ok 15 1000 a note");
}

static void a_group_of_vehicles_is_written(void **state)
{
    struct world *world = *state;
    for (int vehicle = 1; vehicle <= 20; vehicle++) {
        struct write_job *job = world_job(world, vehicle);
        world_rows(job, 5, -vehicle, vehicle);
        job->expect_new = true;
        job->journal = (struct job_journal){WORLD_NOW_US, WORLD_NOW_US, "ok", .bytes = vehicle};
        writer_put(world->writer, job);
    }
    world_run(world, 20);
    assert_int_equal(world->failed, 0);
    assert_int_equal(world->rows_added, 5 * 20 * 21 / 2);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM (SELECT vehicle_id FROM measurements"
                                      " GROUP BY vehicle_id HAVING count(*) = 5 * vehicle_id) AS right_ones"),
                     20);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM sync_journal WHERE journal_id = 1"
                                      " AND rows_written = 5 * vehicle_id AND bytes = vehicle_id"),
                     20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readings_come_with_their_progress_and_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_of_vehicles_is_written, setup, teardown),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
