/* A vehicle's many new readings, over two connections at once. Against PostgreSQL. */
#include <math.h>

#include "tests/unit/server_tools/sync_service/writer_world.h"

enum { CHANNELS = 3, SECONDS = 7000, ROWS = CHANNELS * SECONDS };

static int setup(void **state)
{
    struct world *world = world_make(2);
    world->writer = world_writer(world, world->database.url, 2);
    world_connected(world, NULL, 2);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    return 0;
}

static struct write_job *gap(struct world *world, int64_t first_s)
{
    struct write_job *job = world_job(world, 1);
    world_rows(job, CHANNELS, first_s, SECONDS);
    job->lane = LANE_GAP;
    job->expect_new = true;
    job->progress = (struct job_progress){.window = true,
                                          .last_sync_us = WORLD_NOW_US + (first_s + SECONDS) * SECOND_US,
                                          .live_from_us = INT64_MIN,
                                          .live_to_us = INT64_MIN,
                                          .cursor_seq = -1,
                                          .alarms_seq = -1};
    return job;
}

static void assert_home(struct world *world, int64_t seconds)
{
    char sql[256];
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements"), CHANNELS * seconds);
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM vehicles WHERE vehicle_id = 1 AND last_sync_at ="
             " '2026-02-22T10:00:00Z'::timestamptz + interval '%lld s'",
             (long long)seconds);
    assert_int_equal(world_ask(world, sql), 1);
}

static int64_t transactions(struct world *world)
{
    return world_ask(world, "SELECT count(DISTINCT xmin::text) FROM measurements");
}

static int64_t connections(struct world *world)
{
    return world_ask(world, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                            " AND application_name = 'telehaul sync_service'");
}

/* From then on its channels are known. */
static void meet(struct world *world)
{
    struct write_job *job = world_job(world, 1);
    world_rows(job, CHANNELS, 0, 1);
    world_write(world, job);
    world_sql(world, "DELETE FROM measurements");
    world->rows_added = 0;
}

static void many_go_over_two_connections(void **state)
{
    struct world *world = *state;
    meet(world);
    world_write(world, gap(world, 0));
    assert_home(world, SECONDS);
    assert_int_equal(world->rows_added, ROWS);
    assert_int_equal(transactions(world), 2);
    assert_int_equal(connections(world), 3);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements WHERE value <>"
                                      " extract(epoch from time - '2026-02-22T10:00:00Z') + channel_id - 1"),
                     0);
    world_write(world, gap(world, SECONDS));
    assert_home(world, 2 * SECONDS);
    assert_int_equal(transactions(world), 4);
    assert_int_equal(connections(world), 3);
}

/* A channel's number is nobody's before it is committed: a reading must not have it earlier. */
static void what_makes_channels_is_one_transaction(void **state)
{
    struct world *world = *state;
    world_write(world, gap(world, 0));
    assert_home(world, SECONDS);
    assert_int_equal(transactions(world), 1);
    struct write_job *job = gap(world, SECONDS);
    job->channel_count = 1;
    job->channels = calloc(1, sizeof(*job->channels));
    assert_non_null(job->channels);
    *job->channels = (struct job_channel){.remote_id = 8, .name = "oil", .min_value = NAN, .max_value = NAN};
    job->described_us = WORLD_NOW_US;
    world_write(world, job);
    assert_home(world, 2 * SECONDS);
    assert_int_equal(transactions(world), 2);
}

/* A cursor moves in the transaction of its rows. */
static void with_a_cursor_one_connection_takes_all(void **state)
{
    struct world *world = *state;
    meet(world);
    struct write_job *job = gap(world, 0);
    job->progress.store_id = "7b44e0d1-0000-4000-8000-000000000000";
    job->progress.cursor_seq = ROWS;
    world_write(world, job);
    assert_home(world, SECONDS);
    assert_int_equal(transactions(world), 1);
}

static void the_future_is_kept_apart(void **state)
{
    struct world *world = *state;
    meet(world);
    struct write_job *job = gap(world, -SECONDS / 2);
    job->now_limit_us = WORLD_NOW_US - SECOND_US;
    world_write(world, job);
    assert_int_equal(world->rows_added, ROWS / 2);
    assert_int_equal(world->rows_quarantined, ROWS / 2);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements"), ROWS / 2);
}

static void a_key_that_comes_twice_counts_once(void **state)
{
    struct world *world = *state;
    meet(world);
    struct write_job *job = gap(world, 0);
    for (size_t i = 0; i < ROWS; i++) { /* one key alone, another at the end */
        job->rows[i].channel_id = job->rows[0].channel_id;
        job->rows[i].time_us = WORLD_NOW_US + (i + 1 == ROWS);
    }
    world_write(world, job);
    assert_int_equal(world->rows_added, 2);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements"), 2);
}

/* What is there of either half: the first try fails, whole, and nothing of it counts. */
static void what_is_there_already_is_left_out(void **state)
{
    static const int64_t channels[] = {1, 3};
    struct world *world = *state;
    char sql[256];
    meet(world);
    for (size_t i = 0; i < COUNT_OF(channels); i++) {
        world_write(world, gap(world, 0));
        snprintf(sql, sizeof(sql), "DELETE FROM measurements WHERE NOT (channel_id = %lld AND value = 50)",
                 (long long)channels[i]);
        world_sql(world, sql);
        world->rows_added = 0;
        assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements"), 1);
        world_write(world, gap(world, 0));
        assert_home(world, SECONDS);
        assert_int_equal(world->rows_added, ROWS - 1); /* also where the first try committed a half */
        world_sql(world, "TRUNCATE measurements");
    }
}

static void end_one(struct world *world, const char *which)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
             " WHERE datname = current_database() AND application_name = 'telehaul sync_service'"
             " ORDER BY backend_start %s LIMIT 1) AS one",
             which);
    int64_t before = connections(world);
    world_ask(world, sql);
    while (connections(world) == before)
        continue;
}

static void a_second_connection_that_died_unused_costs_no_job(void **state)
{
    struct world *world = *state;
    meet(world);
    world_write(world, gap(world, 0));
    end_one(world, "DESC");
    world_write(world, gap(world, SECONDS));
    assert_home(world, 2 * SECONDS);
}

/* The first one breaks behind the second one's commit: half of the rows are there, and no progress. */
static void progress_never_comes_before_its_rows(void **state)
{
    struct world *world = *state;
    meet(world);
    world_sql(world, "CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                     " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
                     "CREATE TRIGGER end_it BEFORE UPDATE OF last_sync_at ON vehicles"
                     " FOR EACH ROW EXECUTE FUNCTION end_it()");
    assert_int_equal(world_fail(world, gap(world, 0))->code, ERR_UNREACHABLE);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM vehicles WHERE last_sync_at IS NOT NULL"), 0);
    assert_int_equal(world_ask(world, "SELECT count(*) FROM measurements"), ROWS - ROWS / 2);
    world_sql(world, "DROP TRIGGER end_it ON vehicles");
    world_write(world, gap(world, 0));
    assert_home(world, SECONDS);
}

/* PostgreSQL has no connection to spare: one is enough. */
static void one_connection_does_where_there_is_no_second(void **state)
{
    struct world *world = *state;
    world_write_as(world, "unit_narrow", "BYPASSRLS CONNECTION LIMIT 2");
    world_connected(world, "unit_narrow", 2); /* those of the writer before may not have gone yet */
    meet(world);
    world_write(world, gap(world, 0));
    assert_home(world, SECONDS);
    assert_int_equal(transactions(world), 1);
    world_sql(world, "DROP OWNED BY unit_narrow");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_go_over_two_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(what_makes_channels_is_one_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(with_a_cursor_one_connection_takes_all, setup, teardown),
        cmocka_unit_test_setup_teardown(the_future_is_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_comes_twice_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_there_already_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_connection_that_died_unused_costs_no_job, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_never_comes_before_its_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(one_connection_does_where_there_is_no_second, setup, teardown),
    };
    return cmocka_run_group_tests_name("writer_aside", tests, NULL, NULL);
}
