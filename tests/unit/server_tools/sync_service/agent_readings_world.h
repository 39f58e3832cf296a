/* An export of readings whose one request the test answers. Made-up readings. Each test program includes it
 * once. */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_AGENT_READINGS_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_AGENT_READINGS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "server_tools/sync_service/agent_readings.h"
#include "tests/unit/server_tools/sync_service/agent_fakes.h"

#define STORE      "123e4567-e89b-42d3-a456-426614174000"
#define FIRST_US   INT64_C(1771754400000000) /* 2026-02-22T10:00:00Z */
#define LATER_US   (FIRST_US + INT64_C(3600000000))
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- a session whose one request the test answers ---- */

struct agent_call {
    struct http_pool_request request;
    char target[EXPORT_TARGET_MAX_BYTES];
    bool forgotten;
    int resumed;
    const char *count, *first, *last, *store, *type;
};

struct agent_session {
    struct agent_call call;
};

struct agent_call *agent_session_request(struct agent_session *session,
                                         const struct http_pool_request *request, struct error *err)
{
    (void)err;
    session->call.request = *request;
    snprintf(session->call.target, sizeof(session->call.target), "%s", request->target);
    return &session->call;
}

void agent_call_resume(struct agent_call *call)
{
    call->resumed++;
}

void agent_call_forget(struct agent_call *call)
{
    call->forgotten = true;
}

const char *http_transfer_header(const struct http_transfer *transfer, const char *name)
{
    const struct agent_call *call = (const void *)transfer;
    const struct {
        const char *name, *value;
    } headers[] = {{"X-Record-Count", call->count},
                   {"X-First-Seq", call->first},
                   {"X-Last-Seq", call->last},
                   {"X-Store-Id", call->store},
                   {"Content-Type", call->type},
                   {"X-Period-Start", "2026-02-22T10:00:00Z"},
                   {"X-Period-End", "2026-02-22T10:00:00Z"}};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        if (strcmp(name, headers[i].name) == 0)
            return headers[i].value;
    }
    return NULL;
}

/* ---- the scene ---- */

struct told {
    int times;
    struct agent_readings_result result;
    struct error err;
};

struct fixture {
    struct fake_scene fake;
    struct agent_session session;
    struct agent_home *home;
    struct agent_readings *readings;
    struct told told;
    struct buf body;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    fake_scene_init(&fixture->fake);
    fixture->home = agent_home_new(&fixture->fake.scene, &err);
    const struct vehicle vehicle = {
        .vehicle_id = 7, .store_id = STORE, .cursor_seq = 100, .live_after_seq = -1, .live_seq = -1};
    agent_home_adopt(fixture->home, &vehicle);
    fixture->session.call = (struct agent_call){.store = STORE, .type = "application/zstd"};
    fixture->body = (struct buf)BUF_LIMIT(FAKE_BODY_MAX_BYTES);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    write_job_free(fixture->told.result.rest);
    if (fixture->told.times == 0)
        agent_readings_cancel(fixture->readings);
    agent_home_free(fixture->home);
    while (fixture->fake.writer.count > 0)
        fake_commit(&fixture->fake.writer, NULL);
    buf_clear(&fixture->body);
    free(fixture);
    return 0;
}

static inline void note(void *context, const struct agent_readings_result *result)
{
    struct told *told = context;
    told->times++;
    told->result = *result;
    if (result->err != NULL)
        told->err = *result->err;
    told->result.err = result->err != NULL ? &told->err : NULL;
}

struct wish {
    int64_t limit, until;
    bool hold_rest, table;
    int64_t now_us; /* 0: an hour after the first reading */
};

static inline void start(struct fixture *fixture, const struct wish *wish)
{
    struct error err;
    const struct export_ask ask = {.stream = "readings",
                                   .format = PACK_ZSTD,
                                   .store_id = STORE,
                                   .since = wish->table ? "2026-02-22T10:00:00Z" : "",
                                   .has_seq = !wish->table,
                                   .after = 100,
                                   .limit = wish->limit};
    const struct agent_readings_config config = {.writer = &fixture->fake.writer,
                                                 .session = &fixture->session,
                                                 .home = fixture->home,
                                                 .ask = &ask,
                                                 .lane = LANE_GAP,
                                                 .until = wish->until != 0 ? wish->until : INT64_MAX,
                                                 .now_us = wish->now_us != 0 ? wish->now_us : LATER_US,
                                                 .hold_rest = wish->hold_rest,
                                                 .done = note,
                                                 .context = &fixture->told};
    fixture->readings = agent_readings_start(&config, &err);
    assert_non_null(fixture->readings);
}

static inline bool send_headers(struct fixture *fixture, const char *count, const char *first,
                                const char *last)
{
    struct agent_call *call = &fixture->session.call;
    call->count = count;
    call->first = first;
    call->last = last;
    return call->request.headers_done(call->request.context, (void *)call);
}

static inline enum http_take send_piece(struct fixture *fixture, struct view piece)
{
    const struct agent_call *call = &fixture->session.call;
    return call->request.piece(call->request.context, piece);
}

static inline void end(struct fixture *fixture, unsigned status, enum error_code code)
{
    const struct agent_call *call = &fixture->session.call;
    struct error err = {.code = code, .text = "the link broke"};
    const struct http_pool_answer answer = {
        .status = status, .err = code != ERR_NONE ? &err : NULL, .wire_bytes = fixture->body.size};
    call->request.done(call->request.context, (void *)call, &answer);
}

/* Lines of seq first..last, packed. */
static inline void make_body(struct fixture *fixture, int64_t first, int64_t last)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(FAKE_BODY_MAX_BYTES);
    for (int64_t seq = first; seq <= last; seq++)
        buf_printf(&text,
                   "{\"seq\":%" PRId64 ",\"time\":\"2026-02-22T10:%02d:%02d.%06dZ\",\"channel\":\"c%d\","
                   "\"value\":%d.5}\n",
                   seq, (int)(seq / 60000000 % 60), (int)(seq / 1000000 % 60), (int)(seq % 1000000),
                   (int)(seq % 3), (int)(seq % 1000));
    assert_false(text.over_limit || text.no_memory);
    fake_pack(&fixture->body, text.data, text.size);
}

static inline void feed_all(struct fixture *fixture)
{
    assert_int_equal(send_piece(fixture, buf_view(&fixture->body)), HTTP_TAKEN);
}

#endif
