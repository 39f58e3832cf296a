#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "server_tools/sync_service/writer_queue.h"

enum { JOBS = 8 };

static struct {
    struct writer_queue queue;
    struct write_job jobs[JOBS];
    struct write_job *taken[JOBS];
} t;

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    return 0;
}

static void put(int job, int64_t vehicle_id, enum writer_lane lane, size_t rows)
{
    t.jobs[job] = (struct write_job){.vehicle_id = vehicle_id, .lane = lane, .row_count = rows};
    queue_put(&t.queue, &t.jobs[job]);
}

/* The numbers of the jobs that come, as digits; at most so many rows and jobs. */
static const char *take(enum writer_lane lane, size_t rows_max, size_t jobs_max)
{
    static char text[JOBS + 1];
    size_t count = queue_take(&t.queue, lane, rows_max, jobs_max, t.taken);
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('0' + (t.taken[i] - t.jobs));
    text[count] = '\0';
    return text;
}

static void jobs_of_several_vehicles_come_together(void **state)
{
    (void)state;
    put(0, 10, LANE_LIVE, 5);
    put(1, 10 + QUEUE_BUCKETS, LANE_LIVE, 5); /* the same bucket */
    put(2, 12, LANE_GAP, 5);
    put(3, 13, LANE_LIVE, 5);
    assert_string_equal(take(LANE_LIVE, 100, 100), "013");
    assert_false(queue_has(&t.queue, LANE_LIVE));
    assert_string_equal(take(LANE_GAP, 100, 100), "2");
    assert_int_equal(t.queue.jobs, 4);
    for (int i = 0; i < 4; i++)
        queue_finish(&t.queue, &t.jobs[i]);
    assert_int_equal(t.queue.jobs, 0);
}

static void no_more_rows_and_jobs_than_asked_for(void **state)
{
    (void)state;
    put(0, 1, LANE_LIVE, 1000); /* the first comes whatever it has */
    put(1, 2, LANE_LIVE, 5);
    put(2, 3, LANE_LIVE, 5);
    put(3, 4, LANE_LIVE, 1);
    put(4, 5, LANE_LIVE, 0);
    assert_string_equal(take(LANE_LIVE, 100, 100), "0");
    assert_string_equal(take(LANE_LIVE, 10, 100), "12");
    assert_string_equal(take(LANE_LIVE, 10, 1), "3");
    assert_string_equal(take(LANE_LIVE, 0, 1), "4");
    assert_string_equal(take(LANE_LIVE, 100, 100), "");
}

static void a_vehicle_s_jobs_come_one_after_the_other(void **state)
{
    (void)state;
    put(0, 1, LANE_LIVE, 1);
    put(1, 1, LANE_LIVE, 1);
    put(2, 1, LANE_GAP, 1);
    assert_string_equal(take(LANE_LIVE, 100, 100), "0");
    assert_string_equal(take(LANE_LIVE, 100, 100), "");
    queue_finish(&t.queue, &t.jobs[0]);
    assert_string_equal(take(LANE_GAP, 100, 100), "");
    assert_string_equal(take(LANE_LIVE, 100, 100), "1");
    put(3, 1, LANE_LIVE, 1);
    queue_finish(&t.queue, &t.jobs[1]);
    assert_string_equal(take(LANE_LIVE, 100, 100), "2"); /* a live one waits behind it */
    queue_finish(&t.queue, &t.jobs[2]);
    assert_string_equal(take(LANE_LIVE, 100, 100), "3");
    queue_finish(&t.queue, &t.jobs[3]);
    assert_int_equal(t.queue.jobs, 0);
}

static void a_gap_is_done_live_when_a_live_job_comes_behind_it(void **state)
{
    (void)state;
    put(0, 1, LANE_GAP, 1);
    put(1, 2, LANE_GAP, 1);
    put(2, 3, LANE_GAP, 1);
    put(3, 2, LANE_GAP, 1);
    put(4, 2, LANE_LIVE, 1);
    assert_string_equal(take(LANE_LIVE, 100, 100), "1");
    assert_string_equal(take(LANE_GAP, 100, 100), "02");
    put(5, 1, LANE_LIVE, 1); /* its gap is being written: it waits for that */
    assert_false(queue_has(&t.queue, LANE_LIVE));
    queue_finish(&t.queue, &t.jobs[1]);
    assert_string_equal(take(LANE_LIVE, 100, 100), "3");
    queue_finish(&t.queue, &t.jobs[0]);
    queue_finish(&t.queue, &t.jobs[3]);
    assert_string_equal(take(LANE_LIVE, 100, 100), "54");
}

/* Any order of putting, taking and finishing: no job is lost, none overtakes another of its vehicle. */
static void nothing_is_lost_in_a_thousand_moves(void **state)
{
    (void)state;
    enum { MOVES = 20000, VEHICLES = 5, POOL = 64 };
    static struct write_job pool[POOL];
    static bool used[POOL];
    struct write_job *busy[POOL];
    int64_t last[VEHICLES] = {0};
    size_t busy_count = 0;
    uint32_t random = 12345;
    int64_t number = 0;
    for (int move = 0; move < MOVES; move++) {
        random = random * 1664525 + 1013904223;
        uint32_t what = random >> 8;
        size_t slot = what % POOL;
        if (what % 3 == 0 && !used[slot]) {
            pool[slot] = (struct write_job){.vehicle_id = (what >> 8) % VEHICLES,
                                            .lane = (what >> 12) % 2 == 0 ? LANE_LIVE : LANE_GAP,
                                            .rows_added = ++number};
            used[slot] = true;
            queue_put(&t.queue, &pool[slot]);
        } else if (what % 3 == 1 && busy_count < POOL) {
            busy_count +=
                queue_take(&t.queue, (what >> 8) % 2 == 0 ? LANE_LIVE : LANE_GAP, 100, 1, &busy[busy_count]);
        } else if (what % 3 == 2 && busy_count > 0) {
            struct write_job *job = busy[--busy_count];
            assert_true(job->rows_added > last[job->vehicle_id]);
            last[job->vehicle_id] = job->rows_added;
            queue_finish(&t.queue, job);
            used[job - pool] = false;
        }
        size_t there = 0;
        for (size_t i = 0; i < POOL; i++)
            there += used[i];
        assert_int_equal(t.queue.jobs, there);
        assert_true(busy_count <= VEHICLES); /* one of a vehicle at a time */
    }
    assert_true(number > POOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(jobs_of_several_vehicles_come_together, setup),
        cmocka_unit_test_setup(no_more_rows_and_jobs_than_asked_for, setup),
        cmocka_unit_test_setup(a_vehicle_s_jobs_come_one_after_the_other, setup),
        cmocka_unit_test_setup(a_gap_is_done_live_when_a_live_job_comes_behind_it, setup),
        cmocka_unit_test_setup(nothing_is_lost_in_a_thousand_moves, setup),
    };
    return cmocka_run_group_tests_name("writer_queue", tests, NULL, NULL);
}
