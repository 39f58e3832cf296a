/* A signed turn whose questions the test answers: each is noted by its name, and kept until it is answered.
 * Made-up machine. Each test program includes it once. */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_AGENT_PULL_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_AGENT_PULL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/rfc3339.h"
#include "server_tools/sync_service/agent_pull_internal.h"
#include "tests/unit/server_tools/sync_service/agent_fakes.h"
#include "tests/unit/server_tools/sync_service/fake_mailbox.h"

#define STORE   "123e4567-e89b-42d3-a456-426614174000"
#define ANOTHER "223e4567-e89b-42d3-a456-426614174000"
#define TEST(n) cmocka_unit_test_setup_teardown(n, set_up, tear_down)

enum { ASKED_BYTES = 256, STATUS_BYTES = 512 };

/* What is under way; at most one. An ask's texts are copied. */
static struct question {
    char asked[ASKED_BYTES]; /* "status readings ...", since the turn began */
    struct export_ask ask;
    char store_id[AGENT_STORE_ID_BYTES], since[RFC3339_US_BYTES];
    void (*status_done)(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer);
    void (*export_done)(void *context, const struct agent_export_result *result);
    void (*readings_done)(void *context, const struct agent_readings_result *result);
    void (*small_done)(void *context, struct agent_small_result *result);
    void *context;
    bool under_way;
    bool of_session; /* it is /status: it ends with the session */
    bool stranger;   /* its agent was never met */
} question;

static inline void ask_next(const char *name, const struct export_ask *ask, void *context)
{
    size_t size = strlen(question.asked);
    assert_false(question.under_way);
    question.under_way = true;
    question.of_session = ask == NULL;
    question.context = context;
    if (ask != NULL) {
        question.ask = *ask;
        snprintf(question.store_id, sizeof(question.store_id), "%s", ask->store_id);
        snprintf(question.since, sizeof(question.since), "%s", ask->since);
        question.ask.store_id = question.store_id;
        question.ask.since = question.since;
    }
    snprintf(question.asked + size, sizeof(question.asked) - size, "%s%s", size > 0 ? " " : "", name);
}

/* ---- the session and its exports ---- */

struct agent_session {
    char unused;
};
struct agent_call {
    char unused;
};
struct agent_export {
    char unused;
};
struct agent_readings {
    char unused;
};
struct agent_small {
    char unused;
};
static struct agent_session the_session;
static struct agent_call the_call;
static struct agent_export the_export;
static struct agent_readings the_readings;
static struct agent_small the_small;

struct agent_session *agent_session_new(const struct sync_scene *scene, struct error *err)
{
    (void)scene;
    (void)err;
    return &the_session;
}

void agent_session_free(struct agent_session *session)
{
    (void)session;
    question.under_way = question.under_way && !question.of_session;
}

bool agent_session_meet(struct agent_session *session, const struct vehicle *vehicle, struct error *err)
{
    (void)session;
    (void)vehicle;
    return !question.stranger || error_set(err, ERR_DENIED, "its agent was never met");
}

const char *agent_session_agent_id(const struct agent_session *session)
{
    (void)session;
    return "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
}

bool agent_session_is_new_agent(const struct agent_session *session)
{
    (void)session;
    return false;
}

struct agent_call *agent_session_request(struct agent_session *session,
                                         const struct http_pool_request *request, struct error *err)
{
    (void)session;
    (void)err;
    assert_string_equal(request->target, "/status");
    question.status_done = request->done;
    ask_next("status", NULL, request->context);
    return &the_call;
}

struct agent_export *agent_export_start(const struct agent_export_config *config, struct error *err)
{
    (void)err;
    question.export_done = config->done;
    ask_next("beginning", config->ask, config->context);
    return &the_export;
}

void agent_export_cancel(struct agent_export *export)
{
    question.under_way = question.under_way && export == NULL;
}

struct agent_readings *agent_readings_start(const struct agent_readings_config *config, struct error *err)
{
    (void)err;
    assert_int_equal(config->lane, LANE_LIVE);
    question.readings_done = config->done;
    ask_next("readings", config->ask, config->context);
    return &the_readings;
}

void agent_readings_cancel(struct agent_readings *readings)
{
    question.under_way = question.under_way && readings == NULL;
}

struct agent_small *agent_small_start(struct agent_session *session, const struct export_ask *ask,
                                      int64_t floor_s, struct channel_book *book,
                                      void (*done)(void *context, struct agent_small_result *result),
                                      void *context, struct error *err)
{
    (void)session;
    (void)floor_s;
    (void)book;
    (void)err;
    question.small_done = done;
    ask_next(ask->stream, ask, context);
    return &the_small;
}

void agent_small_cancel(struct agent_small *small)
{
    question.under_way = question.under_way && small == NULL;
}

/* ---- the lane of gaps: nobody's turn ever comes ---- */

void gap_lane_ask(struct gap_lane *lane, struct gap_ticket *ticket)
{
    (void)lane;
    ticket->waiting = true;
}

void gap_lane_done(struct gap_lane *lane, struct gap_ticket *ticket)
{
    (void)lane;
    ticket->waiting = false;
}

/* ---- the scene ---- */

struct pull_world {
    struct fake_scene fake;
    struct mailbox mailbox;
    struct vehicle vehicle;
    struct puller *puller;
    int told;
    struct turn_result result;
};

static inline void take_result(void *context, const struct turn_result *result)
{
    struct pull_world *world = context;
    world->told++;
    world->result = *result;
}

static inline int set_up(void **state)
{
    struct pull_world *world = calloc(1, sizeof(*world));
    struct error err;
    assert_non_null(world);
    memset(&question, 0, sizeof(question));
    fake_scene_init(&world->fake);
    world->fake.scene.mailbox = &world->mailbox;
    world->vehicle = (struct vehicle){.vehicle_id = 7,
                                      .name = "Truck-01",
                                      .host = "10.0.0.11",
                                      .agent_port = 9876,
                                      .store_id = STORE,
                                      .cursor_seq = 1000,
                                      .alarms_seq = 1000,
                                      .live_after_seq = -1,
                                      .live_seq = -1};
    world->puller = agent_puller.new(&world->fake.scene, &world->vehicle, &err);
    *state = world;
    return world->puller == NULL;
}

static inline int tear_down(void **state)
{
    struct pull_world *world = *state;
    agent_puller.free(world->puller);
    fake_mailbox_read(&world->mailbox);
    while (world->fake.writer.count > 0)
        fake_commit(&world->fake.writer, NULL);
    free(world);
    return 0;
}

static inline void start_turn(struct pull_world *world)
{
    question.asked[0] = '\0';
    world->told = 0;
    agent_puller.start(world->puller, &world->vehicle, take_result, world);
}

/* ---- answers ---- */

static inline void answer_status(unsigned status, const char *body, const struct error *err)
{
    const struct http_pool_answer answer = {
        .err = err, .status = status, .body = view_of(body), .wire_bytes = 100};
    assert_true(question.under_way);
    question.under_way = false;
    question.status_done(question.context, NULL, &answer);
}

/* A machine that offers everything. */
static inline void answer_store(const char *store_id, int64_t next_seq)
{
    char body[STATUS_BYTES];
    snprintf(
        body, sizeof(body),
        "{\"version\":\"1.2.0\",\"store_id\":\"%s\",\"next_seq\":%lld,\"clock\":\"2026-02-22T10:00:03Z\","
        "\"export_formats\":[\"gzip\",\"zstd\"],\"export_streams\":[\"readings\",\"alarms\",\"channels\"]}",
        store_id, (long long)next_seq);
    answer_status(200, body, NULL);
}

static inline void answer_beginning(int64_t first_seq)
{
    const struct export_promise promise = {.count = 1, .first_seq = first_seq, .last_seq = first_seq};
    const struct agent_export_result result = {
        .promise = &promise, .lines = 1, .bytes = 100, .reached = true};
    assert_true(question.under_way);
    question.under_way = false;
    question.export_done(question.context, &result);
}

/* So many readings came, up to seq `last`, all of them in batches that are home. word: of a refusal; err
 * NULL: none. */
static inline void answer_readings(int64_t lines, int64_t last, const char *word, const struct error *err)
{
    struct agent_readings_result result = {
        .err = err, .reached = true, .bytes = 100, .lines = lines, .last = last, .rows_added = lines};
    snprintf(result.word, sizeof(result.word), "%s", word);
    assert_true(question.under_way);
    question.under_way = false;
    question.readings_done(question.context, &result);
}

/* The same, all of them in the last batch, which is left to the turn and holds its part of the room. */
static inline void answer_rest(struct pull_world *world, size_t rows, int64_t last)
{
    const struct agent_pull *pull = (const struct agent_pull *)world->puller;
    struct error err;
    struct write_job *rest = agent_home_job(pull->home, LANE_LIVE, &err);
    assert_non_null(rest);
    rest->rows = calloc(rows, sizeof(*rest->rows));
    rest->row_count = rows;
    room_take_anyway(&world->fake.writer.room, &rest->part, rows * sizeof(*rest->rows));
    const struct agent_readings_result result = {.reached = true,
                                                 .bytes = 100,
                                                 .lines = (int64_t)rows,
                                                 .last = last,
                                                 .rest = rest,
                                                 .rest_after = last - (int64_t)rows};
    assert_true(question.under_way);
    question.under_way = false;
    question.readings_done(question.context, &result);
}

static inline void answer_small(size_t count, int64_t last_seq, const char *word, const struct error *err)
{
    struct agent_small_result result = {
        .err = err, .reached = true, .bytes = 100, .count = count, .last_seq = last_seq};
    snprintf(result.word, sizeof(result.word), "%s", word);
    assert_true(question.under_way);
    question.under_way = false;
    if (count > 0 && strcmp(question.ask.stream, "alarms") == 0)
        result.alarms = calloc(count, sizeof(*result.alarms));
    if (count > 0 && strcmp(question.ask.stream, "channels") == 0)
        result.channels = calloc(count, sizeof(*result.channels));
    question.small_done(question.context, &result);
    assert_null(result.alarms); /* taken, as the next */
    assert_null(result.channels);
}

static inline const struct write_job *only_job(const struct pull_world *world)
{
    assert_false(question.under_way);
    assert_int_equal(world->fake.writer.count, 1);
    return world->fake.writer.jobs[0];
}

#endif
