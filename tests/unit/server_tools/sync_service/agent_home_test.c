#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/server_tools/sync_service/agent_fakes.h"

#define STORE   "123e4567-e89b-42d3-a456-426614174000"
#define ANOTHER "223e4567-e89b-42d3-a456-426614174000"

/* ---- what is home ---- */

static void readings_are_joined_to_what_they_touch(void **state)
{
    (void)state;
    static const struct {
        int64_t cursor, live_after, live_seq, after, to;
        int64_t want_cursor, want_live_after, want_live_seq;
    } rows[] = {
        {0, -1, -1, 0, 10, 10, -1, -1},          /* the first */
        {10, -1, -1, 10, 20, 20, -1, -1},        /* what follows */
        {20, -1, -1, 5, 10, 20, -1, -1},         /* again */
        {20, -1, -1, 15, 30, 30, -1, -1},        /* half again */
        {0, -1, -1, 500, 600, 0, 500, 600},      /* the newest first */
        {0, 500, 600, 600, 700, 0, 500, 700},    /* the live range goes on */
        {0, 500, 600, 500, 550, 0, 500, 600},    /* again */
        {0, 500, 600, 0, 100, 100, 500, 600},    /* the gap is filled */
        {100, 500, 600, 100, 500, 600, -1, -1},  /* up to the live range */
        {100, 500, 600, 100, 550, 600, -1, -1},  /* and into it */
        {100, 500, 600, 100, 650, 650, -1, -1},  /* and beyond it */
        {100, 500, 600, 900, 999, 100, 900, 999} /* far ahead: a live range anew */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct home_position position = {
            .cursor = rows[i].cursor, .live_after = rows[i].live_after, .live_seq = rows[i].live_seq};
        home_position_add(&position, rows[i].after, rows[i].to);
        assert_int_equal(position.cursor, rows[i].want_cursor);
        assert_int_equal(position.live_after, rows[i].want_live_after);
        assert_int_equal(position.live_seq, rows[i].want_live_seq);
    }
}

/* ---- jobs ---- */

struct told {
    int times, failed;
    int64_t rows;
};

static void note(void *context, const struct home_result *result)
{
    struct told *told = context;
    told->times++;
    told->failed += result->err != NULL;
    told->rows += result->rows_added;
}

struct fixture {
    struct fake_scene fake;
    struct agent_home *home;
    struct vehicle vehicle;
    struct told told;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fake_scene_init(&fixture->fake);
    fixture->home = agent_home_new(&fixture->fake.scene, NULL);
    fixture->vehicle =
        (struct vehicle){.vehicle_id = 7, .store_id = STORE, .live_after_seq = -1, .live_seq = -1};
    agent_home_adopt(fixture->home, &fixture->vehicle);
    *state = fixture;
    return fixture->home != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agent_home_free(fixture->home);
    while (fixture->fake.writer.count > 0)
        fake_commit(&fixture->fake.writer, NULL);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, int64_t after, int64_t to)
{
    struct error err;
    struct write_job *job = agent_home_job(fixture->home, LANE_GAP, &err);
    assert_non_null(job);
    job->row_count = 3;
    job->rows = calloc(3, sizeof(*job->rows));
    const struct home_put what = {
        .job = job, .after = after, .to = to, .alarms_to = -1, .done = note, .context = &fixture->told};
    assert_true(agent_home_put(fixture->home, &what, &err));
}

static void a_job_knows_its_vehicle_and_what_lies_in_the_future(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 0, 10);
    const struct write_job *job = fixture->fake.writer.jobs[0];
    assert_int_equal(job->vehicle_id, 7);
    assert_int_equal(job->lane, LANE_GAP);
    assert_int_equal(job->now_limit_us, INT64_C(1771754400000000) + 300 * INT64_C(1000000));
    assert_ptr_equal(job->book, agent_home_book(fixture->home));
}

static void jobs_go_one_at_a_time_and_each_from_what_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    put(fixture, 0, 10);
    put(fixture, 10, 20);
    assert_int_equal(writer->count, 1);
    assert_int_equal(writer->jobs[0]->progress.cursor_seq, 10);
    assert_string_equal(writer->jobs[0]->progress.store_id, STORE);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 0);
    fake_commit(writer, NULL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 10);
    assert_int_equal(writer->jobs[0]->progress.cursor_seq, 20);
    fake_commit(writer, NULL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 20);
    assert_int_equal(fixture->told.times, 2);
    assert_int_equal(fixture->told.rows, 6);
}

static void a_job_that_fails_leaves_no_hole_behind_the_cursor(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "gone");
    put(fixture, 0, 10);
    put(fixture, 10, 20);
    fake_commit(writer, &err);
    assert_int_equal(fixture->told.failed, 1);
    assert_int_equal(writer->jobs[0]->progress.cursor_seq, 0);
    assert_int_equal(writer->jobs[0]->progress.live_after_seq, 10);
    fake_commit(writer, NULL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 0);
}

static void the_tables_are_believed_unless_jobs_are_on_their_way(void **state)
{
    struct fixture *fixture = *state;
    fixture->vehicle.cursor_seq = 50;
    fixture->vehicle.live_after_seq = 80;
    fixture->vehicle.live_seq = 90;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 50);
    assert_int_equal(agent_home_position(fixture->home)->live_seq, 90);
    put(fixture, 50, 60);
    fixture->vehicle.cursor_seq = 1;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 50);
}

static void a_live_range_that_the_cursor_has_passed_is_none(void **state)
{
    struct fixture *fixture = *state;
    fixture->vehicle.cursor_seq = 80;
    fixture->vehicle.live_after_seq = 80;
    fixture->vehicle.live_seq = 90;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    assert_int_equal(agent_home_position(fixture->home)->live_after, -1);
}

static void jobs_of_the_store_before_move_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    put(fixture, 0, 10);
    put(fixture, 10, 20);
    agent_home_begin_store(fixture->home, ANOTHER);
    fake_commit(writer, NULL);
    assert_string_equal(writer->jobs[0]->progress.store_id, ANOTHER);
    assert_int_equal(writer->jobs[0]->progress.live_after_seq, -1);
    assert_int_equal(writer->jobs[0]->progress.cursor_seq, 0);
    fake_commit(writer, NULL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 0);
    assert_int_equal(fixture->told.rows, 6);
}

static void nobody_is_told_after_he_was_forgotten(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 0, 10);
    put(fixture, 10, 20);
    agent_home_forget(fixture->home, &fixture->told);
    fake_commit(&fixture->fake.writer, NULL);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.times, 0);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 20);
}

static void a_vehicle_may_go_while_its_jobs_are_written(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 0, 10);
    put(fixture, 10, 20);
    agent_home_free(fixture->home);
    fixture->home = NULL;
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.times, 0);
    assert_int_equal(fixture->fake.writer.put, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_are_joined_to_what_they_touch),
        cmocka_unit_test_setup_teardown(a_job_knows_its_vehicle_and_what_lies_in_the_future, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(jobs_go_one_at_a_time_and_each_from_what_is_committed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_job_that_fails_leaves_no_hole_behind_the_cursor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_tables_are_believed_unless_jobs_are_on_their_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_live_range_that_the_cursor_has_passed_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_of_the_store_before_move_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_told_after_he_was_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vehicle_may_go_while_its_jobs_are_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
