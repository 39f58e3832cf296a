#include "tests/unit/server_tools/sync_service/agent_readings_world.h"

enum { PIECE_BYTES = 16 * 1024 };

/* Piece by piece from *at, until it pauses; whether all of it went. */
static bool feed_on(struct fixture *fixture, size_t *at)
{
    while (*at < fixture->body.size) {
        size_t left = fixture->body.size - *at;
        struct view piece = {fixture->body.data + *at, left < PIECE_BYTES ? left : PIECE_BYTES};
        enum http_take take = send_piece(fixture, piece);
        assert_int_not_equal(take, HTTP_STOP);
        if (take == HTTP_PAUSE)
            return false;
        *at += piece.size;
    }
    return true;
}

static void what_is_gathered_counts_in_the_writers_room(void **state)
{
    struct fixture *fixture = *state;
    const struct room *room = &fixture->fake.writer.room;
    size_t at = 0;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 50100);
    send_headers(fixture, "50000", "101", "50100");
    assert_true(feed_on(fixture, &at));
    assert_int_equal(fixture->fake.writer.put, 0);
    assert_true(room->used_bytes >= 50000 * sizeof(struct central_row));
    end(fixture, 200, ERR_NONE);
    assert_int_equal(room->used_bytes, write_job_bytes(fixture->fake.writer.jobs[0]));
    fake_commit(&fixture->fake.writer, NULL);
    assert_int_equal(room->used_bytes, 0);
}

static void what_is_cancelled_gives_its_room_back(void **state)
{
    struct fixture *fixture = *state;
    size_t at = 0;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 50100);
    send_headers(fixture, "50000", "101", "50100");
    assert_true(feed_on(fixture, &at));
    agent_readings_cancel(fixture->readings);
    assert_int_equal(fixture->fake.writer.room.used_bytes, 0);
    fixture->readings = NULL;
}

static void without_room_small_batches_wait_for_their_own_end_alone(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    const size_t full = writer->room.limit_bytes;
    size_t at = 0;
    int64_t rows = 0;
    start(fixture, &(struct wish){.limit = 0, .hold_rest = true});
    make_body(fixture, 101, 50100);
    send_headers(fixture, "50000", "101", "50100");
    writer->room.used_bytes = full; /* somebody else's, all the time */
    while (!feed_on(fixture, &at)) {
        int resumed = fixture->session.call.resumed;
        assert_int_equal(writer->count, 1); /* what it had is in the writer's hands */
        assert_in_range(writer->jobs[0]->row_count, AGENT_STEP_ROWS / 2, 20 * AGENT_STEP_ROWS);
        rows += (int64_t)writer->jobs[0]->row_count;
        assert_int_equal(writer->room.used_bytes, full + write_job_bytes(writer->jobs[0]));
        fake_commit(writer, NULL);
        assert_int_equal(fixture->session.call.resumed, resumed + 1);
    }
    assert_true(writer->put >= 3);
    end(fixture, 200, ERR_NONE);
    rows += (int64_t)fixture->told.result.rest->row_count;
    assert_int_equal(rows, 50000);
    assert_int_equal(agent_home_position(fixture->home)->cursor, fixture->told.result.rest_after);
    write_job_free(POINTER_TAKE(fixture->told.result.rest));
    assert_int_equal(writer->room.used_bytes, full);
}

static void room_that_comes_back_makes_batches_large_again(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->fake.writer;
    size_t at = 0;
    start(fixture, &(struct wish){.limit = 0});
    make_body(fixture, 101, 200100);
    send_headers(fixture, "200000", "101", "200100");
    writer->room.used_bytes = writer->room.limit_bytes;
    assert_false(feed_on(fixture, &at));
    writer->room.used_bytes -= writer->room.limit_bytes;
    fake_commit(writer, NULL);
    while (!feed_on(fixture, &at))
        assert_in_range(writer->count, 1, AGENT_BATCHES_MAX);
    assert_int_equal(writer->jobs[0]->row_count, AGENT_BATCH_ROWS);
    end(fixture, 200, ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_gathered_counts_in_the_writers_room),
        TEST(what_is_cancelled_gives_its_room_back),
        TEST(without_room_small_batches_wait_for_their_own_end_alone),
        TEST(room_that_comes_back_makes_batches_large_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
