#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/sync_service/agent_gap.h"
#include "tests/unit/server_tools/sync_service/agent_fakes.h"

#define STORE      "123e4567-e89b-42d3-a456-426614174000"
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- one piece's readings, which the test ends ---- */

struct agent_readings {
    struct agent_readings_config config;
    struct export_ask ask;
    char store_id[65];
    bool under_way;
    int started;
    bool refuses;
};

static struct agent_readings piece;

struct agent_readings *agent_readings_start(const struct agent_readings_config *config, struct error *err)
{
    assert_false(piece.under_way); /* one at a time */
    if (piece.refuses) {
        error_set(err, ERR_MEMORY, "no memory left for an export");
        return NULL;
    }
    piece.started++;
    piece.config = *config;
    piece.ask = *config->ask;
    snprintf(piece.store_id, sizeof(piece.store_id), "%s", config->ask->store_id);
    piece.under_way = true;
    return &piece;
}

void agent_readings_cancel(struct agent_readings *readings)
{
    if (readings == NULL)
        return;
    assert_true(readings->under_way); /* it is freed otherwise */
    readings->under_way = false;
}

/* ---- a lane with one place, whose turns are the test's ---- */

struct gap_lane {
    struct gap_ticket *ticket;
    int asked;
};

void gap_lane_ask(struct gap_lane *lane, struct gap_ticket *ticket)
{
    lane->asked++;
    lane->ticket = ticket;
    ticket->waiting = true;
}

void gap_lane_done(struct gap_lane *lane, struct gap_ticket *ticket)
{
    (void)lane;
    ticket->waiting = ticket->running = false;
}

struct fixture {
    struct fake_scene fake;
    struct gap_lane lane;
    struct agent_home *home;
    struct agent_gap *gap;
    bool failed; /* the gap says so */
    struct vehicle vehicle;
};

/* Readings 1..100 are home, and a live range 5000..6000. */
static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    assert_non_null(fixture);
    piece = (struct agent_readings){.started = 0};
    fake_scene_init(&fixture->fake);
    fixture->fake.scene.gaps = &fixture->lane;
    fixture->vehicle = (struct vehicle){
        .vehicle_id = 7, .store_id = STORE, .cursor_seq = 100, .live_after_seq = 5000, .live_seq = 6000};
    fixture->home = agent_home_new(&fixture->fake.scene, &err);
    assert_non_null(fixture->home);
    agent_home_adopt(fixture->home, &fixture->vehicle);
    fixture->gap = agent_gap_new(&fixture->fake.scene, "Truck-01", fixture->home, &fixture->failed, &err);
    *state = fixture;
    return fixture->gap == NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agent_gap_free(fixture->gap);
    agent_home_free(fixture->home);
    free(fixture);
    return 0;
}

static void fill(struct fixture *fixture)
{
    agent_gap_fill(fixture->gap, NULL, PACK_ZSTD);
}

/* Its turn has come. */
static void run(struct fixture *fixture)
{
    struct gap_ticket *ticket = fixture->lane.ticket;
    assert_true(ticket->waiting);
    ticket->waiting = false;
    ticket->running = true;
    ticket->run(ticket->context);
}

/* The piece ends; the cursor is there by then. */
static void end_piece(struct fixture *fixture, int64_t cursor, const struct error *err)
{
    const struct agent_readings_result result = {.err = err, .rows_added = 10, .bytes = 100};
    assert_true(piece.under_way);
    piece.under_way = false;
    fixture->vehicle.cursor_seq = cursor;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    piece.config.done(piece.config.context, &result);
}

static void a_piece_is_what_lies_between_cursor_and_live_range(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_true(agent_gap_is_filling(fixture->gap));
    assert_int_equal(piece.started, 0); /* not before its turn */
    run(fixture);
    assert_int_equal(piece.started, 1);
    assert_string_equal(piece.ask.stream, "readings");
    assert_string_equal(piece.store_id, STORE);
    assert_true(piece.ask.has_seq);
    assert_int_equal(piece.ask.after, 100);
    assert_int_equal(piece.ask.limit, 4900);
    assert_int_equal(piece.config.until, 5000);
    assert_int_equal(piece.config.lane, LANE_GAP);
    end_piece(fixture, 6000, NULL); /* it touched the live range: all is home */
    assert_false(agent_gap_is_filling(fixture->gap));
    assert_int_equal(fixture->lane.asked, 1);
}

static void a_large_gap_is_filled_piece_by_piece_in_turn_with_others(void **state)
{
    struct fixture *fixture = *state;
    fixture->vehicle.live_after_seq = 2 * AGENT_GAP_PIECE_ROWS + 100 + 7;
    fixture->vehicle.live_seq = fixture->vehicle.live_after_seq + 1;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    fill(fixture);
    for (int64_t at = 100; at < 2 * AGENT_GAP_PIECE_ROWS; at += AGENT_GAP_PIECE_ROWS) {
        run(fixture);
        assert_int_equal(piece.ask.after, at);
        assert_int_equal(piece.ask.limit, AGENT_GAP_PIECE_ROWS);
        end_piece(fixture, at + AGENT_GAP_PIECE_ROWS, NULL);
        assert_true(fixture->lane.ticket->waiting); /* behind the others */
        assert_false(piece.under_way);
    }
    run(fixture);
    assert_int_equal(piece.ask.limit, 7);
}

static void without_a_gap_nothing_is_asked(void **state)
{
    struct fixture *fixture = *state;
    fixture->vehicle.live_after_seq = fixture->vehicle.live_seq = -1;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    fill(fixture);
    assert_false(agent_gap_is_filling(fixture->gap));
    assert_int_equal(fixture->lane.asked, 0);
}

static void a_gap_that_is_being_filled_is_not_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    fill(fixture); /* the next turn of the vehicle, while it waits */
    run(fixture);
    fill(fixture); /* and while it runs */
    assert_int_equal(fixture->lane.asked, 1);
    assert_int_equal(piece.started, 1);
}

/* The live turn may have closed it meanwhile. */
static void a_gap_that_is_gone_when_its_turn_comes_is_let_be(void **state)
{
    struct fixture *fixture = *state;
    struct agent_gap_news news;
    fill(fixture);
    fixture->vehicle.live_after_seq = fixture->vehicle.live_seq = -1;
    agent_home_adopt(fixture->home, &fixture->vehicle);
    run(fixture);
    assert_int_equal(piece.started, 0);
    assert_false(agent_gap_is_filling(fixture->gap));
    agent_gap_take_news(fixture->gap, &news);
    assert_false(fixture->failed);
    assert_string_equal(news.problem, "");
}

static void a_piece_that_fails_waits_for_the_vehicles_next_turn(void **state)
{
    struct fixture *fixture = *state;
    struct agent_gap_news news;
    struct error err;
    error_set(&err, ERR_TIMEOUT, "it broke off");
    fill(fixture);
    run(fixture);
    end_piece(fixture, 200, &err);
    assert_false(agent_gap_is_filling(fixture->gap));
    assert_int_equal(fixture->lane.asked, 1);
    agent_gap_take_news(fixture->gap, &news);
    assert_string_equal(news.problem, "it broke off");
    assert_true(fixture->failed);
    assert_int_equal(news.rows_added, 10);
    assert_int_equal(news.bytes, 100);
    agent_gap_take_news(fixture->gap, &news); /* told once */
    assert_string_equal(news.problem, "");
    assert_int_equal(news.rows_added + news.bytes, 0);
    fill(fixture);
    run(fixture);
    assert_int_equal(piece.ask.after, 200); /* what came is not fetched again */
}

static void a_piece_that_cannot_be_begun_gives_its_place_back(void **state)
{
    struct fixture *fixture = *state;
    struct agent_gap_news news;
    piece.refuses = true;
    fill(fixture);
    run(fixture);
    assert_false(agent_gap_is_filling(fixture->gap));
    agent_gap_take_news(fixture->gap, &news);
    assert_string_equal(news.problem, "no memory left for an export");
    assert_true(fixture->failed);
}

static void it_can_be_stopped_while_it_waits_and_while_it_runs(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    agent_gap_stop(fixture->gap);
    assert_false(agent_gap_is_filling(fixture->gap));
    fill(fixture);
    run(fixture);
    agent_gap_stop(fixture->gap);
    assert_false(agent_gap_is_filling(fixture->gap));
    assert_false(piece.under_way);
    agent_gap_stop(fixture->gap); /* no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_piece_is_what_lies_between_cursor_and_live_range),
        TEST(a_large_gap_is_filled_piece_by_piece_in_turn_with_others),
        TEST(without_a_gap_nothing_is_asked),
        TEST(a_gap_that_is_being_filled_is_not_asked_for_again),
        TEST(a_gap_that_is_gone_when_its_turn_comes_is_let_be),
        TEST(a_piece_that_fails_waits_for_the_vehicles_next_turn),
        TEST(a_piece_that_cannot_be_begun_gives_its_place_back),
        TEST(it_can_be_stopped_while_it_waits_and_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
