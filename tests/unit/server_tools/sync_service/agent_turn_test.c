#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/sync_service/agent_turn.h"
#include "tests/unit/server_tools/sync_service/agent_fakes.h"
#include "tests/unit/server_tools/sync_service/fake_mailbox.h"

#define STORE      "123e4567-e89b-42d3-a456-426614174000"
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct fixture {
    struct fake_scene fake;
    struct mailbox mailbox;
    struct agent_home *home;
    struct agent_turn turn;
    int told;
    struct turn_result result;
};

static void take_result(void *context, const struct turn_result *result)
{
    struct fixture *fixture = context;
    fixture->told++;
    fixture->result = *result;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    const struct vehicle vehicle = {.vehicle_id = 7, .store_id = STORE, .live_after_seq = -1, .live_seq = -1};
    assert_non_null(fixture);
    fake_scene_init(&fixture->fake);
    fixture->fake.scene.mailbox = &fixture->mailbox;
    fixture->home = agent_home_new(&fixture->fake.scene, &err);
    assert_non_null(fixture->home);
    agent_home_adopt(fixture->home, &vehicle);
    *state = fixture;
    if (!agent_turn_init(&fixture->turn, &fixture->fake.scene, fixture->home, &err))
        return 1;
    agent_turn_begin(&fixture->turn, take_result, fixture);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agent_turn_clear(&fixture->turn);
    fake_mailbox_read(&fixture->mailbox);
    agent_home_free(fixture->home);
    while (fixture->fake.writer.count > 0)
        fake_commit(&fixture->fake.writer, NULL);
    free(fixture);
    return 0;
}

static void fail_with(struct fixture *fixture, enum error_code code, const char *text)
{
    struct error err;
    error_set(&err, code, "%s", text);
    agent_turn_fail(&fixture->turn, &err);
}

/* The oldest job ends so. */
static void commit(struct fixture *fixture, enum error_code code)
{
    struct error err = {.code = code, .text = "PostgreSQL says so"};
    fake_commit(&fixture->fake.writer, code == ERR_NONE ? NULL : &err);
}

/* Readings 1..3 are the last job's. */
static void gather(struct fixture *fixture)
{
    struct write_job *job = agent_turn_job(&fixture->turn);
    assert_non_null(job);
    job->row_count = 3;
    job->rows = calloc(3, sizeof(*job->rows));
    fixture->turn.put.after = 0;
    fixture->turn.put.to = 3;
}

static const struct write_job *last_job(const struct fixture *fixture)
{
    assert_int_equal(fixture->fake.writer.count, 1);
    return fixture->fake.writer.jobs[0];
}

static void a_turn_ends_with_a_job_that_says_how_it_went(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    fixture->turn.result.bytes = 1234;
    fixture->turn.status.seen_us = 77;
    snprintf(fixture->turn.note, sizeof(fixture->turn.note), "its clock was set");
    clock_fake_advance(&fixture->fake.clock, 2 * (int64_t)US_PER_S);
    agent_turn_end(&fixture->turn);
    const struct write_job *job = last_job(fixture);
    assert_int_equal(job->vehicle_id, 7);
    assert_int_equal(job->lane, LANE_LIVE);
    assert_string_equal(job->status.sync_status, "ok");
    assert_int_equal(job->status.seen_us, 77);
    assert_string_equal(job->journal.status, "ok");
    assert_string_equal(job->journal.note, "its clock was set");
    assert_int_equal(job->journal.bytes, 1234);
    assert_int_equal(job->journal.finished_us - job->journal.started_us, 2 * US_PER_S);
    assert_int_equal(job->progress.cursor_seq, 3);
    assert_true(job->progress.synced);
    assert_int_equal(fixture->told, 0); /* it counts when it is committed */
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->told, 1);
    assert_int_equal(fixture->result.status, TURN_OK);
    assert_int_equal(fixture->result.rows_added, 3);
    assert_string_equal(fixture->result.note, "its clock was set");
    assert_false(fixture->result.not_ours);
}

static void what_went_wrong_first_is_said(void **state)
{
    static const struct {
        enum error_code code;
        enum turn_status status;
        const char *word;
    } cases[] = {
        {ERR_TIMEOUT, TURN_TIMEOUT, "timeout"},
        {ERR_UNREACHABLE, TURN_ERROR, "error"},
        {ERR_DENIED, TURN_ERROR, "error"},
        {ERR_PROTOCOL, TURN_ERROR, "error"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        agent_turn_begin(&fixture->turn, take_result, fixture);
        assert_false(agent_turn_has_failed(&fixture->turn)); /* the turn before is forgotten */
        snprintf(fixture->turn.note, sizeof(fixture->turn.note), "all is well");
        fail_with(fixture, cases[i].code, "the first");
        fail_with(fixture, ERR_INTERNAL, "the second");
        assert_true(agent_turn_has_failed(&fixture->turn));
        agent_turn_end(&fixture->turn);
        const struct write_job *job = last_job(fixture);
        assert_string_equal(job->status.sync_status, cases[i].word);
        assert_string_equal(job->journal.status, cases[i].word);
        assert_string_equal(job->journal.note, "the first");
        assert_false(job->progress.synced);
        commit(fixture, ERR_NONE);
        assert_int_equal(fixture->result.status, cases[i].status);
        assert_string_equal(fixture->result.note, "the first");
        assert_false(fixture->result.not_ours);
    }
    assert_int_equal(fixture->told, COUNT_OF(cases));
}

/* What came of a turn that failed is kept all the same. */
static void readings_of_a_turn_that_failed_come_home(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    fail_with(fixture, ERR_TIMEOUT, "it broke off");
    agent_turn_end(&fixture->turn);
    assert_int_equal(last_job(fixture)->row_count, 3);
    assert_int_equal(last_job(fixture)->progress.cursor_seq, 3);
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->result.rows_added, 3);
}

static void rows_that_postgresql_refuses_do_not_keep_the_journal_from_it(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    fixture->turn.put.alarms_to = 3;
    agent_turn_end(&fixture->turn);
    commit(fixture, ERR_INPUT);
    assert_int_equal(fixture->told, 0);
    const struct write_job *job = last_job(fixture);
    assert_int_equal(job->row_count, 0);
    assert_int_equal(job->progress.cursor_seq, 0); /* nothing moves */
    assert_int_equal(job->progress.alarms_seq, 0);
    assert_false(job->progress.synced);
    assert_string_equal(job->journal.status, "error");
    assert_string_equal(job->journal.note, "PostgreSQL says so");
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->told, 1);
    assert_int_equal(fixture->result.status, TURN_ERROR);
    assert_true(fixture->result.not_ours);
    assert_int_equal(fixture->result.rows_added, 0);
    assert_string_equal(fixture->result.note, "PostgreSQL says so");
}

static void a_journal_that_is_refused_too_is_not_tried_for_ever(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    agent_turn_end(&fixture->turn);
    commit(fixture, ERR_INPUT);
    commit(fixture, ERR_INPUT);
    assert_int_equal(fixture->told, 1);
    assert_int_equal(fixture->fake.writer.put, 2);
    assert_true(fixture->result.not_ours);
}

static void while_postgresql_is_away_it_is_said_at_once(void **state)
{
    static const enum error_code codes[] = {ERR_UNREACHABLE, ERR_CANCELLED};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        agent_turn_begin(&fixture->turn, take_result, fixture);
        gather(fixture);
        agent_turn_end(&fixture->turn);
        commit(fixture, codes[i]);
        assert_int_equal(fixture->told, i + 1);
        assert_int_equal(fixture->fake.writer.count, 0);
        assert_int_equal(fixture->result.status, TURN_ERROR);
        assert_true(fixture->result.not_ours);
    }
}

/* The machine begins another store in the middle: what came of the old one counts as its own. */
static void what_is_flushed_counts_to_the_turn(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    agent_turn_flush(&fixture->turn);
    assert_int_equal(last_job(fixture)->progress.cursor_seq, 3);
    assert_int_equal(last_job(fixture)->journal.started_us, INT64_MIN); /* no entry of its own */
    agent_turn_flush(&fixture->turn);                                   /* there is nothing any more */
    assert_int_equal(fixture->fake.writer.put, 1);
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->told, 0);
    gather(fixture);
    agent_turn_end(&fixture->turn);
    assert_int_equal(last_job(fixture)->journal.rows_written, 3); /* the writer adds its own */
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->result.rows_added, 6);
    assert_int_equal(fixture->result.status, TURN_OK);
}

static void a_flush_that_fails_fails_the_turn(void **state)
{
    struct fixture *fixture = *state;
    gather(fixture);
    agent_turn_flush(&fixture->turn);
    commit(fixture, ERR_INPUT);
    agent_turn_end(&fixture->turn);
    assert_string_equal(last_job(fixture)->journal.status, "error");
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->result.status, TURN_ERROR);
    assert_true(fixture->result.not_ours);
}

static void a_job_that_is_taken_replaces_what_there_was(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    gather(fixture);
    struct write_job *other = agent_home_job(fixture->home, LANE_LIVE, &err);
    assert_non_null(other);
    agent_turn_take_job(&fixture->turn, other);
    assert_ptr_equal(agent_turn_job(&fixture->turn), other);
    agent_turn_end(&fixture->turn);
    assert_ptr_equal(last_job(fixture), other);
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->told, 1);
}

static void after_it_is_cleared_nobody_is_told_and_the_job_comes_home(void **state)
{
    struct fixture *fixture = *state;
    struct agent_turn *turn = calloc(1, sizeof(*turn));
    struct error err;
    assert_non_null(turn);
    assert_true(agent_turn_init(turn, &fixture->fake.scene, fixture->home, &err));
    agent_turn_begin(turn, take_result, fixture);
    assert_non_null(agent_turn_job(turn));
    turn->put.after = 0;
    turn->put.to = 3;
    agent_turn_end(turn);
    agent_turn_clear(turn);
    free(turn); /* as its owner does */
    commit(fixture, ERR_NONE);
    assert_int_equal(fixture->told, 0);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 3);
}

static void a_long_reason_fits(void **state)
{
    struct fixture *fixture = *state;
    char text[ERROR_TEXT_BYTES];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fail_with(fixture, ERR_PROTOCOL, text);
    agent_turn_end(&fixture->turn);
    assert_int_equal(strlen(last_job(fixture)->journal.note), TURN_NOTE_BYTES - 1);
    commit(fixture, ERR_NONE);
    assert_int_equal(strlen(fixture->result.note), TURN_NOTE_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turn_ends_with_a_job_that_says_how_it_went),
        TEST(what_went_wrong_first_is_said),
        TEST(readings_of_a_turn_that_failed_come_home),
        TEST(rows_that_postgresql_refuses_do_not_keep_the_journal_from_it),
        TEST(a_journal_that_is_refused_too_is_not_tried_for_ever),
        TEST(while_postgresql_is_away_it_is_said_at_once),
        TEST(what_is_flushed_counts_to_the_turn),
        TEST(a_flush_that_fails_fails_the_turn),
        TEST(a_job_that_is_taken_replaces_what_there_was),
        TEST(after_it_is_cleared_nobody_is_told_and_the_job_comes_home),
        TEST(a_long_reason_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
