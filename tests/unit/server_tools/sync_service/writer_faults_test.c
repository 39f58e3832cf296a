/* What goes wrong around a writer, and whom it concerns: the one job, never its neighbours. Against
 * PostgreSQL. */
#include "tests/unit/server_tools/sync_service/writer_world.h"

enum { VEHICLES = 10 };

static int setup(void **state)
{
    struct world *world = world_make(VEHICLES);
    world->writer = world_writer(world, world->database.url, 2);
    world_connected(world, NULL, 2); /* whoever ends them, ends both */
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static struct write_job *readings(struct world *world, int64_t vehicle_id, int64_t first_s, int seconds)
{
    struct write_job *job = world_job(world, vehicle_id);
    world_rows(job, 2, first_s, seconds);
    job->expect_new = true;
    return job;
}

static int64_t rows_of(struct world *world, int64_t vehicle_id)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM measurements WHERE vehicle_id = %lld",
             (long long)vehicle_id);
    return world_ask(world, sql);
}

/* One job of each vehicle, this one (0: none) in its place; all of the others are committed. */
static void write_all_but(struct world *world, struct write_job *odd, size_t failed)
{
    world->failed = 0;
    for (int64_t vehicle = 1; vehicle <= VEHICLES; vehicle++)
        writer_put(world->writer,
                   odd != NULL && odd->vehicle_id == vehicle ? odd : readings(world, vehicle, 100, 5));
    world_run(world, VEHICLES);
    assert_int_equal(world->failed, failed);
    for (int64_t vehicle = 1; vehicle <= VEHICLES; vehicle++) {
        if (vehicle != 4)
            assert_int_equal(rows_of(world, vehicle), 10);
    }
}

/* ---- rows that are there ---- */

static void what_is_there_already_is_left_out(void **state)
{
    struct world *world = *state;
    world_write(world, readings(world, 4, 0, 10));
    world->rows_added = 0;
    write_all_but(world, readings(world, 4, 5, 10), 0); /* though nothing of it should be there */
    assert_int_equal(world->rows_added, 9 * 10 + 10);
    assert_int_equal(rows_of(world, 4), 30);
    struct write_job *job = readings(world, 4, 0, 15);
    job->expect_new = false;
    job->journal = (struct job_journal){WORLD_NOW_US, WORLD_NOW_US, "ok", .bytes = 1};
    world_write(world, job);
    assert_int_equal(world_ask(world, "SELECT rows_written FROM sync_journal"), 0);
    assert_int_equal(rows_of(world, 4), 30);
}

static void repeated_rows_count_once(void **state)
{
    struct world *world = *state;
    struct write_job *job = readings(world, 1, 0, 10);
    for (size_t i = 10; i < 20; i++)
        job->rows[i] = job->rows[19 - i];
    world_write(world, job);
    assert_int_equal(world->rows_added, 10);
    assert_int_equal(rows_of(world, 1), 10);
}

static void a_job_may_have_more_rows_than_a_batch(void **state)
{
    struct world *world = *state;
    struct write_job *job = readings(world, 1, 0, CENTRAL_BATCH_ROWS);
    job->lane = LANE_GAP;
    world_write(world, job);
    assert_int_equal(world->rows_added, 2 * CENTRAL_BATCH_ROWS);
    assert_int_equal(rows_of(world, 1), 2 * CENTRAL_BATCH_ROWS);
    world_write(world, readings(world, 1, 0, CENTRAL_BATCH_ROWS)); /* again */
    assert_int_equal(rows_of(world, 1), 2 * CENTRAL_BATCH_ROWS);
}

/* ---- one vehicle's trouble ---- */

static void a_bad_job_harms_no_other(void **state)
{
    struct world *world = *state;
    struct write_job *bad = readings(world, 4, 100, 5);
    bad->journal = (struct job_journal){WORLD_NOW_US, WORLD_NOW_US, "no such status", .bytes = 1};
    write_all_but(world, bad, 1);
    assert_int_equal(rows_of(world, 4), 0);
    assert_non_null(strstr(world->error.text, "status"));
}

static void a_vehicle_that_somebody_imports_is_busy(void **state)
{
    struct world *world = *state;
    world_sql(world, "SELECT pg_advisory_lock(x'74656c6a'::int, 4)");
    write_all_but(world, NULL, 1);
    assert_int_equal(world->error.code, ERR_BUSY);
    assert_int_equal(rows_of(world, 4), 0);
    world_sql(world, "SELECT pg_advisory_unlock_all()");
    world_write(world, readings(world, 4, 100, 5));
}

static void a_vehicle_whose_row_is_held_holds_up_nobody(void **state)
{
    struct world *world = *state;
    world_sql(world, "BEGIN; SELECT FROM vehicles WHERE vehicle_id = 4 FOR UPDATE");
    write_all_but(world, NULL, 1);
    assert_int_equal(world->error.code, ERR_BUSY);
    assert_int_equal(world->order[VEHICLES - 1], 4); /* all others have been told before */
    world_sql(world, "ROLLBACK");
    world_write(world, readings(world, 4, 100, 5));
}

static void a_vehicle_that_is_gone_is_not_found(void **state)
{
    struct world *world = *state;
    world_sql(world, "DELETE FROM vehicles WHERE vehicle_id = 4");
    write_all_but(world, NULL, 1);
    assert_int_equal(world->error.code, ERR_NOT_FOUND);
}

static void a_row_of_no_channel_is_our_own_mistake(void **state)
{
    struct world *world = *state;
    struct write_job *bad = readings(world, 4, 100, 5);
    bad->rows[3].channel_id = 2;
    write_all_but(world, bad, 1);
    assert_int_equal(world->error.code, ERR_INTERNAL);
}

/* A month's table that was dropped under a running service comes back. */
static void a_partition_that_is_gone_is_made_again(void **state)
{
    struct world *world = *state;
    write_all_but(world, NULL, 0);
    world_sql(world, "DROP TABLE measurements_2026_02");
    write_all_but(world, NULL, 0);
}

/* ---- the future ---- */

static void readings_of_the_future_wait_until_their_time_comes(void **state)
{
    struct world *world = *state;
    struct write_job *job = readings(world, 4, -5, 10);
    job->now_limit_us = WORLD_NOW_US;
    world_write(world, job);
    assert_int_equal(world->rows_added, 2 * 6);
    assert_int_equal(world->rows_quarantined, 2 * 4);
    assert_int_equal(rows_of(world, 4), 12);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements_quarantine WHERE vehicle_id = 4"),
                     8);
    job = readings(world, 4, -5, 10); /* again: nothing is added anywhere */
    job->now_limit_us = WORLD_NOW_US;
    world_write(world, job);
    assert_int_equal(world->rows_quarantined, 8);
    job = world_job(world, 4); /* two seconds later two of four seconds have come */
    job->now_limit_us = WORLD_NOW_US + 2 * SECOND_US;
    world_write(world, job);
    assert_int_equal(rows_of(world, 4), 16);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements_quarantine WHERE vehicle_id = 4"),
                     4);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE vehicle_id = 4"
                                      " AND time > '2026-02-22T10:00:00Z' AND value >= 6"),
                     4);
}

/* ---- PostgreSQL ---- */

static void end_writers(struct world *world)
{
    while (world_ask(world, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                            " AND backend_type = 'client backend'") > 0)
        continue;
}

static void a_connection_that_died_unused_costs_no_job(void **state)
{
    struct world *world = *state;
    world_write(world, readings(world, 1, 0, 5));
    end_writers(world);
    world_write(world, readings(world, 1, 5, 5));
    assert_int_equal(rows_of(world, 1), 20);
    assert_true(writer_counts(world->writer).reconnects > 0);
}

/* The connection breaks within COMMIT: nobody knows whether it is committed. Fetched again, it is there once.
 */
static void a_commit_of_which_nobody_knows_is_written_again(void **state)
{
    struct world *world = *state;
    world_sql(world, "CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                     " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
                     "CREATE CONSTRAINT TRIGGER end_it AFTER INSERT ON sync_journal"
                     " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_it()");
    for (int tries = 0; tries < 2; tries++) {
        struct write_job *job = readings(world, 1, 0, 5);
        job->journal = (struct job_journal){WORLD_NOW_US, WORLD_NOW_US, "ok", .bytes = 1};
        assert_int_equal(world_fail(world, job)->code, ERR_UNREACHABLE);
    }
    world_sql(world, "DROP TRIGGER end_it ON sync_journal");
    for (int tries = 0; tries < 2; tries++) {
        world_write(world, readings(world, 1, 0, 5));
        assert_int_equal(rows_of(world, 1), 10);
    }
}

static void while_it_is_away_jobs_fail_and_then_go_on(void **state)
{
    struct world *world = *state;
    char sql[128];
    SCOPE_PG struct pg *admin = pg_open(getenv("TELEHAUL_TEST_POSTGRES"), "unit test", NULL);
    assert_non_null(admin);
    world_write(world, readings(world, 1, 0, 5));
    snprintf(sql, sizeof(sql), "ALTER DATABASE %s ALLOW_CONNECTIONS false", world->database.name);
    assert_true(pg_exec(admin, sql, NULL));
    end_writers(world);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(world_fail(world, readings(world, 1, 5, 5))->code, ERR_UNREACHABLE);
        assert_int_equal(writer_counts(world->writer).queue_bytes, 0);
    }
    assert_false(writer_is_connected(world->writer));
    snprintf(sql, sizeof(sql), "ALTER DATABASE %s ALLOW_CONNECTIONS true", world->database.name);
    assert_true(pg_exec(admin, sql, NULL));
    do { /* it comes back by itself */
        world->failed = 0;
        writer_put(world->writer, readings(world, 1, 5, 5));
        world_run(world, 1);
    } while (world->failed > 0 && !world->late);
    assert_int_equal(rows_of(world, 1), 20);
}

/* ---- a role that row-level security binds ---- */

static void a_role_without_rights_past_rls_writes_too(void **state)
{
    struct world *world = *state;
    world_write_as(world, "unit_plain", "");
    write_all_but(world, NULL, 0);
    assert_int_equal(rows_of(world, 4), 10);
    world_write(world, readings(world, 4, 100, 6));
    assert_int_equal(rows_of(world, 4), 12);
    world_sql(world, "DROP OWNED BY unit_plain");
}

/* ---- order, room, the end ---- */

static void a_vehicle_s_jobs_are_done_in_their_order(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 40; i++) {
        struct write_job *job = readings(world, 4, 10 * i, 5);
        job->lane = i % 3 == 0 ? LANE_LIVE : LANE_GAP;
        job->progress.window = true;
        job->progress.last_sync_us = WORLD_NOW_US + i * SECOND_US;
        writer_put(world->writer, job);
    }
    world->failed = 0;
    world_run(world, 40);
    assert_int_equal(world->failed, 0);
    assert_int_equal(world_ask(world,
                               "SELECT (extract(epoch FROM last_sync_at) * 1000000)::bigint FROM vehicles"
                               " WHERE vehicle_id = 4"),
                     WORLD_NOW_US + 39 * SECOND_US);
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void room_is_said_once_to_everybody_when_half_is_free(void **state)
{
    struct world *world = *state;
    int calls[3] = {0};
    struct room_waiter waiters[3];
    struct write_job *job = readings(world, 1, 0, CENTRAL_BATCH_ROWS);
    size_t bytes = write_job_bytes(job);
    assert_true(writer_has_room(world->writer, WORLD_QUEUE_BYTES));
    room_take_anyway(writer_room(world->writer), &job->part, bytes - 1); /* it was gathered: it counts once */
    assert_true(writer_has_room(world->writer, WORLD_QUEUE_BYTES - bytes + 1));
    assert_false(writer_has_room(world->writer, WORLD_QUEUE_BYTES - bytes + 2));
    writer_put(world->writer, job);
    assert_false(writer_has_room(world->writer, WORLD_QUEUE_BYTES));
    assert_true(writer_has_room(world->writer, WORLD_QUEUE_BYTES - bytes));
    assert_int_equal(writer_counts(world->writer).queue_bytes, bytes);
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct room_waiter){.room = count_call, .context = &calls[i]};
        writer_wait_for_room(world->writer, &waiters[i]);
    }
    writer_wait_no_more(world->writer, &waiters[1]);
    writer_put(world->writer, readings(world, 2, 0, 5));
    world_run(world, 2);
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 0);
    assert_int_equal(calls[2], 1);
}

static void what_waits_at_the_end_is_cancelled(void **state)
{
    struct world *world = *state;
    world_sql(world, "BEGIN; SELECT FROM vehicles WHERE vehicle_id = 1 FOR UPDATE");
    for (int i = 0; i < 5; i++)
        writer_put(world->writer, readings(world, 1, 10 * i, 5));
    writer_stop(world->writer);
    world->writer = NULL;
    world_sql(world, "COMMIT");
    world->failed = 0;
    world_run(world, 5);
    assert_int_equal(world->failed, 5);
    assert_int_equal(world->error.code, ERR_CANCELLED);
    assert_int_equal(rows_of(world, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_already_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_rows_count_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_may_have_more_rows_than_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_job_harms_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vehicle_that_somebody_imports_is_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vehicle_whose_row_is_held_holds_up_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vehicle_that_is_gone_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_of_no_channel_is_our_own_mistake, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partition_that_is_gone_is_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(readings_of_the_future_wait_until_their_time_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_died_unused_costs_no_job, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_of_which_nobody_knows_is_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(while_it_is_away_jobs_fail_and_then_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_role_without_rights_past_rls_writes_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vehicle_s_jobs_are_done_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(room_is_said_once_to_everybody_when_half_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_cancelled, setup, teardown),
    };
    return cmocka_run_group_tests_name("writer_faults", tests, NULL, NULL);
}
