#include "tests/unit/server_tools/sync_service/agent_pull_world.h"

enum { FAR_BEHIND = 1000 * 1000 };

static void a_turn_asks_in_order_and_ends_with_one_job(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_store(STORE, 1501);
    assert_int_equal(question.ask.after, 1000);
    assert_string_equal(question.ask.store_id, STORE);
    assert_int_equal(question.ask.format, PACK_ZSTD);
    answer_readings(490, 1500, "", NULL); /* ten were alarms */
    answer_small(2, 0, "", NULL);
    assert_int_equal(question.ask.after, 1000);
    answer_small(10, 1499, "", NULL);
    assert_string_equal(question.asked, "status readings channels alarms");
    const struct write_job *job = only_job(world);
    assert_int_equal(job->channel_count, 2);
    assert_int_equal(job->alarm_count, 10);
    assert_int_equal(job->progress.alarms_seq, 1500); /* nothing behind the last was an alarm */
    assert_string_equal(job->status.software_version, "1.2.0");
    assert_int_equal(job->status.clock_offset_us, 3 * US_PER_S);
    assert_int_equal(job->status.seen_us, INT64_C(1771754400000000));
    assert_string_equal(job->journal.status, "ok");
    assert_int_equal(job->journal.rows_written, 490);
    assert_int_equal(job->journal.bytes, 400);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->told, 1);
    assert_int_equal(world->result.status, TURN_OK);
    assert_string_equal(world->result.software_version, "1.2.0");
    assert_int_equal(world->result.db, TURN_DB_OK);
}

static void what_is_not_needed_is_not_asked(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_store(STORE, 1001); /* nothing is new */
    answer_small(1, 0, "", NULL);
    assert_string_equal(question.asked, "status channels");
    fake_commit(&world->fake.writer, NULL);
    start_turn(world);
    answer_store(STORE, 1101);
    answer_readings(100, 1100, "", NULL);
    /* a hundred seq, a hundred readings: none was an alarm; channels were described just now */
    assert_string_equal(question.asked, "status readings");
    assert_int_equal(only_job(world)->progress.alarms_seq, 1100);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->result.status, TURN_OK);
}

static void a_name_that_nobody_has_described_asks_for_channels(void **state)
{
    struct pull_world *world = *state;
    struct agent_pull *pull = (struct agent_pull *)world->puller;
    struct error err;
    int32_t index;
    start_turn(world);
    answer_store(STORE, 1001);
    answer_small(1, 0, "", NULL);
    fake_commit(&world->fake.writer, NULL);
    assert_true(channel_book_by_name(agent_home_book(pull->home), VIEW_LITERAL("new"), &index, &err));
    start_turn(world);
    answer_store(STORE, 1001);
    assert_string_equal(question.asked, "status channels");
}

static void channels_are_asked_for_again_after_a_while(void **state)
{
    struct pull_world *world = *state;
    int turns = 0;
    do {
        start_turn(world);
        answer_store(STORE, 1001);
        if (question.under_way)
            answer_small(0, 0, "", NULL);
        fake_commit(&world->fake.writer, NULL);
    } while (++turns < 300 && (turns == 1 || strcmp(question.asked, "status") == 0));
    assert_string_equal(question.asked, "status channels");
    assert_int_equal(turns, 121); /* the first, and 120 behind it */
}

static void an_older_agent_is_asked_for_readings_alone(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_status(200, "{\"version\":\"1.0.0\",\"store_id\":\"" STORE "\",\"next_seq\":1501}", NULL);
    assert_int_equal(question.ask.format, PACK_GZIP);
    answer_readings(400, 1500, "", NULL);
    assert_string_equal(question.asked, "status readings");
    assert_int_equal(only_job(world)->status.clock_offset_us, INT64_MIN); /* it did not say */
}

static void answer_without_store(void)
{
    answer_status(200,
                  "{\"version\":\"1.2.0\",\"store_id\":null,\"next_seq\":null,"
                  "\"export_streams\":[\"alarms\",\"channels\"]}",
                  NULL);
    assert_string_equal(question.asked, "status");
}

static void a_machine_that_has_measured_nothing_is_well(void **state)
{
    struct pull_world *world = *state;
    world->vehicle.store_id[0] = '\0';
    world->vehicle.cursor_seq = world->vehicle.alarms_seq = 0;
    start_turn(world);
    answer_without_store();
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->result.status, TURN_OK);
    assert_int_equal(world->result.db, TURN_DB_UNKNOWN);
    assert_true(world->result.reached);
}

/* Its disk is mounted late, say: what is home of it stays where it is, and nobody takes the turn for a good
 * one. */
static void a_machine_that_has_lost_its_store_is_not(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_without_store();
    const struct write_job *job = only_job(world);
    assert_false(job->progress.synced);
    assert_int_equal(job->progress.cursor_seq, 1000);
    assert_int_equal(job->progress.alarms_seq, 1000);
    assert_true(job->status.seen_us != INT64_MIN);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->result.status, TURN_ERROR);
    assert_non_null(strstr(world->result.note, "its store cannot be read (it names none)"));
    assert_true(world->result.reached);
}

/* Whoever waits for a connection holds nothing that others wait for. */
static void many_readings_go_home_before_more_is_asked(void **state)
{
    struct pull_world *world = *state;
    struct writer *writer = &world->fake.writer;
    start_turn(world);
    answer_store(STORE, 6001);
    answer_rest(world, 5000, 6000);
    assert_string_equal(question.asked, "status readings");
    assert_int_equal(only_job(world)->progress.cursor_seq, 6000);
    assert_int_equal(only_job(world)->journal.started_us, INT64_MIN); /* not the last one */
    fake_commit(writer, NULL);
    assert_string_equal(question.asked, "status readings channels");
    assert_int_equal(writer->room.used_bytes, 0);
    answer_small(2, 0, "", NULL);
    assert_int_equal(only_job(world)->journal.rows_written, 5000);
    assert_int_equal(only_job(world)->progress.alarms_seq, 6000);
    fake_commit(writer, NULL);
    assert_int_equal(world->result.rows_added, 5000);
    assert_int_equal(world->result.status, TURN_OK);
}

static void few_readings_wait_and_hold_no_room(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_store(STORE, 1101);
    answer_rest(world, 100, 1100);
    assert_string_equal(question.asked, "status readings channels");
    assert_int_equal(world->fake.writer.room.used_bytes, 0);
    answer_small(2, 0, "", NULL);
    assert_int_equal(only_job(world)->row_count, 100);
    assert_int_equal(only_job(world)->progress.cursor_seq, 1100);
}

static void many_readings_that_do_not_get_home_end_the_turn(void **state)
{
    struct pull_world *world = *state;
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "PostgreSQL is away");
    start_turn(world);
    answer_store(STORE, 6001);
    answer_rest(world, 5000, 6000);
    fake_commit(&world->fake.writer, &err);
    assert_string_equal(question.asked, "status readings");
    fake_commit(&world->fake.writer, &err);
    assert_true(world->result.not_ours);
    assert_int_equal(world->told, 1);
}

/* ---- far behind ---- */

static void far_behind_the_newest_come_first_and_the_rest_as_a_gap(void **state)
{
    struct pull_world *world = *state;
    const int64_t newest = 1000 + FAR_BEHIND;
    start_turn(world);
    answer_store(STORE, newest + 1);
    assert_string_equal(question.asked, "status beginning");
    assert_string_equal(question.ask.since,
                        "2026-02-22T09:59:03.000000Z"); /* its clock, PULL_WINDOW_SEC back */
    assert_int_equal(question.ask.limit, 1);
    answer_beginning(newest - 99);
    assert_int_equal(question.ask.after, newest - 100);
    answer_readings(100, newest, "", NULL);
    assert_string_equal(question.asked, "status beginning readings channels");
    answer_small(1, 0, "", NULL);
    assert_int_equal(question.ask.after, 1000); /* alarms of the gap too */
    answer_small(0, 1000, "", NULL);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->told, 1);
}

static void the_newest_are_no_more_than_a_turn_can_carry(void **state)
{
    const int64_t newest = 1000 + FAR_BEHIND;
    const struct {
        int64_t first_seq, after;
    } cases[] = {
        {-1, newest - 1000},         /* it has none of the last minute, or cannot say */
        {newest + 1, newest - 1000}, /* that was measured since */
        {newest, newest - 1},        {2000, newest - 200000}, {1, newest - 200000},
    };
    struct pull_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        start_turn(world);
        answer_store(STORE, newest + 1);
        answer_beginning(cases[i].first_seq);
        assert_int_equal(question.ask.after, cases[i].after);
        answer_readings(0, cases[i].after, "", &(struct error){.code = ERR_TIMEOUT, .text = "it broke off"});
        fake_commit(&world->fake.writer, NULL);
    }
}

static void a_live_range_goes_on_where_it_ended(void **state)
{
    struct pull_world *world = *state;
    world->vehicle.live_after_seq = 5000;
    world->vehicle.live_seq = 6000;
    start_turn(world);
    answer_store(STORE, 6101);
    assert_string_equal(question.asked, "status readings");
    assert_int_equal(question.ask.after, 6000);
    answer_readings(100, 6100, "", NULL);
    answer_small(0, 0, "", NULL);
    answer_small(0, 1000, "", NULL);
    assert_string_equal(only_job(world)->journal.note, "a gap of at most 4000 readings is being filled");
    assert_false(agent_puller.is_filling(world->puller));
    fake_commit(&world->fake.writer, NULL);
    assert_true(agent_puller.is_filling(world->puller));
}

/* ---- another store ---- */

static void a_store_that_changes_in_the_middle_is_followed_once(void **state)
{
    struct pull_world *world = *state;
    struct error err = {.code = ERR_CHANGED, .text = "answered 409 store_changed"};
    start_turn(world);
    answer_store(STORE, 1501);
    answer_readings(0, 1000, "store_changed", &err);
    answer_store(ANOTHER, 51);
    assert_string_equal(question.ask.store_id, ANOTHER);
    assert_int_equal(question.ask.after, 0); /* from its beginning */
    answer_readings(0, 0, "store_changed", &err);
    assert_string_equal(question.asked, "status readings status readings");
    assert_string_equal(only_job(world)->journal.status, "error");
    fake_commit(&world->fake.writer, NULL);
    assert_string_equal(world->result.note, err.text);
    start_turn(world); /* and once in the next one */
    answer_store(ANOTHER, 51);
    answer_readings(0, 0, "store_changed", &err);
    assert_string_equal(question.asked, "status readings status");
}

static void another_store_is_fetched_from_its_beginning(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_store(ANOTHER, 51);
    assert_int_equal(question.ask.after, 0);
    answer_readings(50, 50, "", NULL);
    answer_small(0, 0, "", NULL);
    const struct write_job *job = only_job(world);
    assert_string_equal(job->progress.store_id, ANOTHER);
    assert_non_null(strstr(job->journal.note, "the machine has begun a new store"));
    assert_null(strstr(job->journal.note, "will not come any more")); /* nothing was missing */
    assert_string_equal(job->journal.status, "ok");
}

static void a_store_that_went_back_is_told_and_nothing_is_fetched(void **state)
{
    struct pull_world *world = *state;
    struct error err = {.code = ERR_INPUT, .text = "answered 400 bad_after"};
    start_turn(world);
    answer_store(STORE, 1000); /* 1000 is home, and it says that it never gave it */
    assert_string_equal(question.asked, "status");
    assert_non_null(strstr(only_job(world)->journal.note, "its store went back: 1000 is home"));
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->result.status, TURN_ERROR);
    start_turn(world);
    answer_store(STORE, 1501);
    answer_readings(0, 1000, "bad_after", &err);
    assert_non_null(strstr(only_job(world)->journal.note, "its store went back: 1000 is home"));
}

/* ---- what goes wrong ---- */

static void whoever_says_nothing_was_not_reached_and_who_errs_was(void **state)
{
    static const struct {
        enum error_code code;
        bool reached;
        enum turn_status status;
    } cases[] = {
        {ERR_TIMEOUT, false, TURN_TIMEOUT}, {ERR_UNREACHABLE, false, TURN_ERROR},
        {ERR_MEMORY, false, TURN_ERROR},    {ERR_DENIED, true, TURN_ERROR},
        {ERR_PROTOCOL, true, TURN_ERROR},   {ERR_BUSY, true, TURN_ERROR},
        {ERR_INTERNAL, true, TURN_ERROR},
    };
    struct pull_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {.code = cases[i].code, .text = "so it went"};
        start_turn(world);
        answer_status(0, "", &err);
        assert_int_equal(only_job(world)->status.seen_us, INT64_MIN); /* nobody's /status was understood */
        fake_commit(&world->fake.writer, NULL);
        assert_int_equal(world->result.reached, cases[i].reached);
        assert_int_equal(world->result.status, cases[i].status);
        assert_string_equal(world->result.note, "so it went");
        assert_false(world->result.not_ours);
    }
}

static void a_status_that_is_none_ends_the_turn(void **state)
{
    static const struct {
        unsigned status;
        const char *body, *note;
    } cases[] = {
        {503, "{\"error\":\"busy\"}", "answered 503 busy to GET /status"},
        {200, "<html>", "no good /status: byte 0: expected a value"},
        {200, "{\"version\":\"1\",\"store_id\":\"../x\",\"next_seq\":1}",
         "no good /status: member `store_id`: expected a UUID"},
        {200, "{\"version\":\"1\",\"agent_id\":\"another\",\"store_id\":null,\"next_seq\":null}",
         "no good /status: its certificate says agent "
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
         "abcdef, this says another"},
    };
    struct pull_world *world = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        start_turn(world);
        answer_status(cases[i].status, cases[i].body, NULL);
        assert_string_equal(question.asked, "status");
        assert_int_equal(only_job(world)->status.seen_us, INT64_MIN);
        assert_string_equal(only_job(world)->status.software_version, "");
        fake_commit(&world->fake.writer, NULL);
        assert_int_equal(world->result.status, TURN_ERROR);
        assert_true(world->result.reached);
        assert_string_equal(world->result.note, cases[i].note);
    }
}

static void a_stranger_is_not_asked(void **state)
{
    struct pull_world *world = *state;
    question.stranger = true;
    start_turn(world);
    assert_int_equal(world->told, 0); /* never from within */
    assert_string_equal(question.asked, "");
    fake_commit(&world->fake.writer, NULL);
    assert_string_equal(world->result.note, "its agent was never met");
}

static void without_channels_or_alarms_readings_are_kept(void **state)
{
    struct pull_world *world = *state;
    struct error err = {.code = ERR_PROTOCOL, .text = "line 3: no channel"};
    start_turn(world);
    answer_store(STORE, 1501);
    answer_readings(400, 1500, "", NULL);
    answer_small(0, 0, "", &err);
    err.text[5] = '4';
    answer_small(0, 0, "", &err);
    assert_string_equal(question.asked, "status readings channels alarms");
    const struct write_job *job = only_job(world);
    assert_string_equal(job->journal.status, "ok");
    assert_string_equal(job->journal.note, "alarms did not come: line 4: no channel");
    assert_int_equal(job->progress.alarms_seq, 1000); /* asked for again */
    fake_commit(&world->fake.writer, NULL);
    start_turn(world);
    answer_store(STORE, 1501);
    assert_string_equal(question.asked, "status readings"); /* fakes bring none home */
    answer_readings(400, 1500, "", NULL);
    assert_string_equal(question.asked, "status readings channels"); /* as they were not described */
}

/* As many as one answer has: the next ones are asked for at once, from where these end. */
static void more_alarms_than_one_answer_has_come_one_after_the_other(void **state)
{
    struct pull_world *world = *state;
    start_turn(world);
    answer_store(STORE, 1000 + 2 * AGENT_ALARMS_MAX);
    answer_readings(5, 1000 + 2 * AGENT_ALARMS_MAX - 1, "", NULL);
    answer_small(0, 0, "", NULL);
    answer_small(AGENT_ALARMS_MAX, 1000 + AGENT_ALARMS_MAX, "", NULL);
    assert_int_equal(only_job(world)->progress.alarms_seq, 1000 + AGENT_ALARMS_MAX);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(question.ask.after, 1000 + AGENT_ALARMS_MAX);
    answer_small(3, 1003 + AGENT_ALARMS_MAX, "", NULL);
    assert_int_equal(only_job(world)->progress.alarms_seq, 1000 + 2 * AGENT_ALARMS_MAX - 1);
    fake_commit(&world->fake.writer, NULL);
    assert_int_equal(world->told, 1);
}

static void it_can_be_freed_at_every_question(void **state)
{
    struct pull_world *world = *state;
    struct error err;
    for (int answers = 0; answers < 5; answers++) {
        agent_puller.free(world->puller);
        assert_false(question.under_way); /* whatever it was, it is called off */
        world->puller = agent_puller.new(&world->fake.scene, &world->vehicle, &err);
        assert_non_null(world->puller);
        start_turn(world);
        if (answers > 0)
            answer_store(STORE, 1000 + FAR_BEHIND);
        if (answers > 1)
            answer_beginning(900 + FAR_BEHIND);
        if (answers > 2)
            answer_readings(50, 999 + FAR_BEHIND, "", NULL);
        if (answers > 3)
            answer_small(0, 0, "", NULL);
        assert_true(question.under_way);
    }
    assert_string_equal(question.asked, "status beginning readings channels alarms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turn_asks_in_order_and_ends_with_one_job),
        TEST(what_is_not_needed_is_not_asked),
        TEST(a_name_that_nobody_has_described_asks_for_channels),
        TEST(channels_are_asked_for_again_after_a_while),
        TEST(an_older_agent_is_asked_for_readings_alone),
        TEST(a_machine_that_has_measured_nothing_is_well),
        TEST(a_machine_that_has_lost_its_store_is_not),
        TEST(many_readings_go_home_before_more_is_asked),
        TEST(few_readings_wait_and_hold_no_room),
        TEST(many_readings_that_do_not_get_home_end_the_turn),
        TEST(far_behind_the_newest_come_first_and_the_rest_as_a_gap),
        TEST(the_newest_are_no_more_than_a_turn_can_carry),
        TEST(a_live_range_goes_on_where_it_ended),
        TEST(a_store_that_changes_in_the_middle_is_followed_once),
        TEST(another_store_is_fetched_from_its_beginning),
        TEST(a_store_that_went_back_is_told_and_nothing_is_fetched),
        TEST(whoever_says_nothing_was_not_reached_and_who_errs_was),
        TEST(a_status_that_is_none_ends_the_turn),
        TEST(a_stranger_is_not_asked),
        TEST(without_channels_or_alarms_readings_are_kept),
        TEST(more_alarms_than_one_answer_has_come_one_after_the_other),
        TEST(it_can_be_freed_at_every_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
