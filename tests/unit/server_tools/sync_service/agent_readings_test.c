#include "tests/unit/server_tools/sync_service/agent_readings_world.h"

/* ---- what is well ---- */

static void readings_come_home_as_one_batch(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 0});
    assert_string_equal(fixture->session.call.target, "/data/export?after=100&store=" STORE);
    make_body(fixture, 101, 110);
    assert_true(send_headers(fixture, "10", "101", "110"));
    feed_all(fixture);
    end(fixture, 200, ERR_NONE);
    assert_int_equal(fixture->told.times, 0); /* not before they are committed */
    const struct write_job *job = fixture->fake.writer.jobs[0];
    assert_int_equal(job->row_count, 10);
    assert_true(job->expect_new);
    assert_int_equal(job->lane, LANE_GAP);
    assert_int_equal(job->progress.cursor_seq, 110);
    assert_int_equal(job->rows[0].time_us, INT64_C(1771754400000101));
    assert_int_equal(job->rows[3].channel_id, job->rows[0].channel_id);
    assert_true(view_is(channel_book_name(job->book, job->rows[0].channel_id), "c2"));
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.times, 1);
    assert_null(fixture->told.result.err);
    assert_int_equal(fixture->told.result.rows_added, 10);
    assert_int_equal(fixture->told.result.last, 110);
    assert_int_equal(fixture->told.result.end, EXPORT_WHOLE);
}

static void the_last_batch_is_left_to_who_wants_it(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.hold_rest = true});
    make_body(fixture, 101, 110);
    send_headers(fixture, "10", "101", "110");
    feed_all(fixture);
    end(fixture, 200, ERR_NONE);
    assert_int_equal(fixture->told.times, 1);
    assert_int_equal(fixture->fake.writer.put, 0);
    assert_int_equal(fixture->told.result.rest->row_count, 10);
    assert_int_equal(fixture->told.result.rest_after, 100);
}

static void many_readings_are_many_batches_and_wait_for_the_writer(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 250100);
    send_headers(fixture, "250000", "101", "250100");
    feed_all(fixture);
    assert_int_equal(writer->count, 1); /* the second waits for the first one's end */
    assert_int_equal(writer->jobs[0]->row_count, AGENT_BATCH_ROWS);
    assert_int_equal(writer->jobs[0]->progress.cursor_seq, 100 + AGENT_BATCH_ROWS);
    assert_int_equal(send_piece(fixture, (struct view){"x", 1}), HTTP_PAUSE);
    fake_commit(writer, NULL);
    assert_true(fixture->session.call.resumed > 0);
    end(fixture, 200, ERR_NONE);
    fake_commit(writer, NULL);
    assert_int_equal(fixture->told.times, 0);
    assert_int_equal(writer->jobs[0]->row_count, 50000);
    fake_commit(writer, NULL);
    assert_int_equal(fixture->told.result.rows_added, 250000);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 250100);
}

static void what_lies_behind_the_end_of_a_gap_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 50, .until = 105});
    make_body(fixture, 101, 110);
    send_headers(fixture, "10", "101", "110");
    assert_int_equal(send_piece(fixture, buf_view(&fixture->body)), HTTP_STOP);
    end(fixture, 200, ERR_CANCELLED);
    assert_int_equal(fixture->fake.writer.jobs[0]->row_count, 5);
    fake_commit(&fixture->fake.writer, NULL);
    assert_null(fixture->told.result.err);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 105);
}

static void a_gap_without_readings_ends_too(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 50, .until = 105});
    make_body(fixture, 109, 110);
    send_headers(fixture, "2", "109", "110");
    assert_int_equal(send_piece(fixture, buf_view(&fixture->body)), HTTP_STOP);
    end(fixture, 200, ERR_CANCELLED);
    assert_int_equal(fixture->fake.writer.jobs[0]->row_count, 0);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 105);
}

static void a_table_moves_on_by_time(void **state)
{
    static const char text[] =
        "{\"time\":\"2026-02-22T10:00:01.000000Z\",\"channel\":\"a\",\"value\":1}\n"
        "{\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"a\",\"value\":null}\n";
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.table = true, .limit = 10});
    assert_string_equal(fixture->session.call.target, "/data/export?since=2026-02-22T10%3A00%3A00Z&limit=10");
    fake_pack(&fixture->body, text, sizeof(text) - 1);
    assert_true(send_headers(fixture, "2", NULL, NULL));
    feed_all(fixture);
    end(fixture, 200, ERR_NONE);
    assert_false(fixture->fake.writer.jobs[0]->expect_new);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.result.last, INT64_C(1771754401000000));
}

static void a_table_moves_no_further_than_now(void **state)
{
    static const char text[] = "{\"time\":\"2026-02-22T10:00:01.000000Z\",\"channel\":\"a\",\"value\":1}\n"
                               "{\"time\":\"2027-02-22T10:00:00.000000Z\",\"channel\":\"a\",\"value\":2}\n";
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.table = true, .limit = 10, .now_us = FIRST_US + 5 * US_PER_S});
    fake_pack(&fixture->body, text, sizeof(text) - 1);
    assert_true(send_headers(fixture, "2", NULL, NULL));
    feed_all(fixture);
    end(fixture, 200, ERR_NONE);
    const struct write_job *job = fixture->fake.writer.jobs[0];
    assert_int_equal(job->row_count, 2); /* it is kept; the writer puts it aside */
    assert_int_equal(job->progress.cursor_seq, FIRST_US + 5 * US_PER_S);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.result.last, FIRST_US + 5 * US_PER_S);
}

/* ---- what breaks off ---- */

static void a_break_keeps_the_lines_that_came_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 5100);
    send_headers(fixture, "5000", "101", "5100");
    assert_int_equal(send_piece(fixture, (struct view){fixture->body.data, fixture->body.size - 8}),
                     HTTP_TAKEN);
    end(fixture, 200, ERR_UNREACHABLE);
    int64_t kept = (int64_t)fixture->fake.writer.jobs[0]->row_count;
    assert_true(kept > 0);
    assert_int_equal(fixture->fake.writer.jobs[0]->progress.cursor_seq, 100 + kept);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.err.code, ERR_UNREACHABLE);
    assert_int_equal(fixture->told.result.end, EXPORT_BROKE);
}

static void postgresql_away_ends_the_stream(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "PostgreSQL is away");
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 100101);
    send_headers(fixture, "200000", "101", "200100");
    feed_all(fixture);
    fake_commit(&fixture->fake.writer, &err);
    assert_true(fixture->session.call.forgotten);
    assert_true(fixture->told.result.not_ours);
    assert_int_equal(fixture->told.times, 1);
}

static void a_refusal_has_its_word(void **state)
{
    struct fixture *fixture = *state;
    const struct agent_call *call = &fixture->session.call;
    const struct http_pool_answer answer = {.status = 409, .body = view_of("{\"error\":\"store_changed\"}")};
    start(fixture, &(struct wish){.limit = 0});
    call->request.done(call->request.context, (void *)call, &answer);
    assert_int_equal(fixture->told.result.end, EXPORT_REFUSED);
    assert_string_equal(fixture->told.result.word, "store_changed");
}

/* ---- lies: nothing of the batch that was filling is kept ---- */

struct lie {
    const char *name;
    int64_t first, last; /* what comes */
    const char *count, *first_said, *last_said;
    bool caught_late; /* at the end, not while it comes */
};

static void a_lie_is_found_and_nothing_is_kept(void **state)
{
    static const struct lie lies[] = {
        {"more lines than said", 101, 110, "9", "101", "110", false},
        {"fewer lines than said", 101, 110, "11", "101", "110", true},
        {"another first seq", 101, 110, "10", "102", "110", false},
        {"a seq above the last", 101, 110, "10", "101", "109", false},
        {"a seq below the last", 101, 110, "10", "101", "111", true},
        {"what is home already", 100, 109, "10", "100", "109", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        void *fresh;
        assert_int_equal(set_up(&fresh), 0);
        struct fixture *fixture = fresh;
        start(fixture, &(struct wish){.limit = 0});
        make_body(fixture, lies[i].first, lies[i].last);
        assert_true(send_headers(fixture, lies[i].count, lies[i].first_said, lies[i].last_said));
        enum http_take take = send_piece(fixture, buf_view(&fixture->body));
        assert_int_equal(take, lies[i].caught_late ? HTTP_TAKEN : HTTP_STOP);
        end(fixture, 200, lies[i].caught_late ? ERR_NONE : ERR_CANCELLED);
        if (fixture->told.times != 1 || fixture->told.err.code != ERR_PROTOCOL)
            fail_msg("%s: %s", lies[i].name, fixture->told.err.text);
        assert_int_equal(fixture->fake.writer.put, 0);
        assert_int_equal(fixture->told.result.last, 100);
        tear_down(&fresh);
    }
}

static void a_stream_without_its_end_is_not_whole(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 110);
    send_headers(fixture, "10", "101", "110");
    send_piece(fixture, (struct view){fixture->body.data, fixture->body.size - 4});
    end(fixture, 200, ERR_NONE);
    assert_int_equal(fixture->told.err.code, ERR_PROTOCOL);
    assert_int_equal(fixture->fake.writer.put, 0);
}

static void lines_without_end_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    SCOPE_BUF struct buf text = BUF_LIMIT(FAKE_BODY_MAX_BYTES);
    char *blanks = buf_reserve(&text, 32 << 20);
    memset(blanks, ' ', 32 << 20);
    buf_commit(&text, 32 << 20);
    start(fixture, &(struct wish){.limit = 0});
    fake_pack(&fixture->body, text.data, text.size);
    send_headers(fixture, "10", "101", "110");
    assert_int_equal(send_piece(fixture, buf_view(&fixture->body)), HTTP_STOP);
    end(fixture, 200, ERR_CANCELLED);
    assert_non_null(strstr(fixture->told.err.text, "longer than"));
}

static void headers_that_promise_nothing_stop_it(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 0});
    fixture->session.call.store = "another";
    assert_false(send_headers(fixture, "10", "101", "110"));
    end(fixture, 200, ERR_CANCELLED);
    assert_non_null(strstr(fixture->told.err.text, "not of the store"));
    assert_int_equal(fixture->told.result.end, EXPORT_DAMAGED);
}

static void whole_batches_before_damage_stay(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 100105);
    send_headers(fixture, "200000", "101", "200100");
    feed_all(fixture);
    end(fixture, 200, ERR_NONE);
    assert_int_equal(fixture->fake.writer.put, 1);
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(fixture->told.err.code, ERR_PROTOCOL);
    assert_int_equal(agent_home_position(fixture->home)->cursor, 100100);
    assert_int_equal(fixture->fake.writer.put, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readings_come_home_as_one_batch),
        TEST(the_last_batch_is_left_to_who_wants_it),
        TEST(many_readings_are_many_batches_and_wait_for_the_writer),
        TEST(what_lies_behind_the_end_of_a_gap_is_not_taken),
        TEST(a_gap_without_readings_ends_too),
        TEST(a_table_moves_on_by_time),
        TEST(a_table_moves_no_further_than_now),
        TEST(a_break_keeps_the_lines_that_came_and_says_so),
        TEST(postgresql_away_ends_the_stream),
        TEST(a_refusal_has_its_word),
        cmocka_unit_test(a_lie_is_found_and_nothing_is_kept),
        TEST(a_stream_without_its_end_is_not_whole),
        TEST(lines_without_end_are_not_kept),
        TEST(headers_that_promise_nothing_stop_it),
        TEST(whole_batches_before_damage_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
