#include "tests/unit/common/net/pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum { POOL_PARALLEL = 64, POOL_IDLE = 64, LOOK_MS = 2 };

static void too_late(void *context, uint64_t times)
{
    struct pool_fixture *fixture = context;
    (void)times;
    fixture->late = true;
    loop_stop(fixture->loop);
}

static void stop(void *context, uint64_t times)
{
    struct pool_fixture *fixture = context;
    (void)times;
    loop_stop(fixture->loop);
}

static void make_pool(struct pool_fixture *fixture, size_t max_parallel, size_t max_idle, int64_t connect_ms)
{
    struct error err;
    const struct http_pool_config config = {
        .loop = fixture->loop, .max_parallel = max_parallel, .max_idle = max_idle, .connect_ms = connect_ms};
    http_pool_free(fixture->pool);
    fixture->pool = http_pool_new(&config, &err);
    assert_non_null(fixture->pool);
}

void pool_fixture_limits(struct pool_fixture *fixture, size_t max_parallel, size_t max_idle)
{
    make_pool(fixture, max_parallel, max_idle, CONNECT_MS);
}

void pool_fixture_connects_within(struct pool_fixture *fixture, int64_t connect_ms)
{
    make_pool(fixture, POOL_PARALLEL, POOL_IDLE, connect_ms);
}

int pool_fixture_set_up(void **state)
{
    struct pool_fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    assert_non_null(fixture);
    fixture->loop = loop_new(&err);
    assert_non_null(fixture->loop);
    pool_fixture_limits(fixture, POOL_PARALLEL, POOL_IDLE);
    loop_server_start(&fixture->server, fixture->loop, (struct loop_server_script){0});
    *state = fixture;
    return 0;
}

int pool_fixture_tear_down(void **state)
{
    struct pool_fixture *fixture = *state;
    http_pool_free(fixture->pool);
    loop_server_stop(&fixture->server);
    loop_free(fixture->loop);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_int_equal(fixture->asked[i].ends, 1);
        buf_clear(&fixture->asked[i].kept);
        buf_clear(&fixture->asked[i].pem);
    }
    free(fixture);
    return 0;
}

static void on_done(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct asked *asked = context;
    struct pool_fixture *fixture = asked->fixture;
    assert_ptr_equal(transfer, asked->transfer);
    asked->transfer = NULL;
    asked->ends++;
    asked->ok = answer->err == NULL;
    if (!asked->ok)
        asked->err = *answer->err;
    asked->status = answer->status;
    snprintf(asked->body, sizeof(asked->body), "%.*s", VIEW_ARG(answer->body));
    asked->wire_bytes = answer->wire_bytes;
    asked->duration_us = answer->duration_us;
    buf_append_text(&asked->pem, http_transfer_peer_cert_pem(transfer));
    fixture->order[fixture->ended++] = (unsigned)(asked - fixture->asked);
    if (fixture->ended == fixture->wanted)
        loop_stop(fixture->loop);
}

static enum http_take take(void *context, struct view piece)
{
    struct asked *asked = context;
    if (asked->pause_at > 0 && asked->taken >= asked->pause_at)
        return HTTP_PAUSE;
    if (asked->stop_at > 0 && asked->taken >= asked->stop_at)
        return HTTP_STOP;
    asked->taken += piece.size;
    asked->pieces++;
    buf_append_view(&asked->kept, piece);
    return HTTP_TAKEN;
}

static bool take_headers(void *context, struct http_transfer *transfer)
{
    struct asked *asked = context;
    const char *tag = http_transfer_header(transfer, "x-tag");
    snprintf(asked->tag, sizeof(asked->tag), "%s", tag != NULL ? tag : "none");
    asked->heads++;
    return true;
}

struct asked *ask(struct pool_fixture *fixture, struct http_pool_request request)
{
    struct error err;
    assert_true(fixture->count < ASKED_MAX);
    struct asked *asked = &fixture->asked[fixture->count++];
    *asked = (struct asked){.fixture = fixture, .kept = BUF_LIMIT(1024 * 1024), .pem = BUF_LIMIT(64 * 1024)};
    if (request.host == NULL)
        request.host = "127.0.0.1";
    if (request.port == 0)
        request.port = fixture->server.port;
    if (request.method == NULL)
        request.method = "GET";
    if (request.target == NULL)
        request.target = "/x";
    if (request.floor_s == 0)
        request.floor_s = FLOOR_S;
    request.done = on_done;
    request.context = asked;
    asked->transfer = http_pool_start(fixture->pool, &request, &err);
    assert_non_null(asked->transfer);
    return asked;
}

struct asked *ask_streaming(struct pool_fixture *fixture, struct http_pool_request request)
{
    request.piece = take;
    request.headers_done = take_headers;
    return ask(fixture, request);
}

static void run_with(struct pool_fixture *fixture, int64_t ms, void (*fired)(void *context, uint64_t times))
{
    struct error err;
    struct loop_watch *timer = loop_timer(fixture->loop, ms, 0, fired, fixture, &err);
    assert_non_null(timer);
    assert_true(loop_run(fixture->loop, &err));
    loop_remove(timer);
    assert_false(fixture->late);
}

void run_to_end(struct pool_fixture *fixture)
{
    fixture->wanted = fixture->count;
    if (fixture->ended < fixture->wanted)
        run_with(fixture, DEADLINE_MS, too_late);
    assert_int_equal(fixture->ended, fixture->count);
}

void run_for(struct pool_fixture *fixture, int64_t ms)
{
    fixture->wanted = SIZE_MAX;
    run_with(fixture, ms, stop);
}

struct condition {
    struct pool_fixture *fixture;
    bool (*holds)(const struct condition *condition);
    bool (*of_test)(const struct pool_fixture *fixture);
    const struct asked *asked;
    uint64_t wanted;
};

static void look(void *context, uint64_t times)
{
    const struct condition *condition = context;
    (void)times;
    if (condition->holds(condition))
        loop_stop(condition->fixture->loop);
}

static void run_until_condition(struct condition condition)
{
    struct pool_fixture *fixture = condition.fixture;
    struct error err;
    fixture->wanted = SIZE_MAX;
    if (condition.holds(&condition))
        return;
    struct loop_watch *timer = loop_timer(fixture->loop, LOOK_MS, LOOK_MS, look, &condition, &err);
    assert_non_null(timer);
    run_with(fixture, DEADLINE_MS, too_late);
    loop_remove(timer);
    assert_true(condition.holds(&condition));
}

static bool holds_for_test(const struct condition *condition)
{
    return condition->of_test(condition->fixture);
}

void run_until(struct pool_fixture *fixture, bool (*holds)(const struct pool_fixture *fixture))
{
    run_until_condition((struct condition){.fixture = fixture, .holds = holds_for_test, .of_test = holds});
}

static bool has_requests(const struct condition *condition)
{
    return condition->fixture->server.requests >= condition->wanted;
}

void run_until_requests(struct pool_fixture *fixture, unsigned requests)
{
    run_until_condition((struct condition){.fixture = fixture, .holds = has_requests, .wanted = requests});
}

static bool has_taken(const struct condition *condition)
{
    return condition->asked->taken >= condition->wanted || condition->asked->ends > 0;
}

void run_until_taken(struct pool_fixture *fixture, const struct asked *asked, uint64_t bytes)
{
    run_until_condition(
        (struct condition){.fixture = fixture, .holds = has_taken, .asked = asked, .wanted = bytes});
}

static bool has_open(const struct condition *condition)
{
    return condition->fixture->server.open == condition->wanted;
}

void run_until_open(struct pool_fixture *fixture, unsigned open)
{
    run_until_condition((struct condition){.fixture = fixture, .holds = has_open, .wanted = open});
}

struct asked *ask_once(struct pool_fixture *fixture, struct loop_server_script script,
                       struct http_pool_request request)
{
    fixture->server.script = script;
    struct asked *asked = request.piece != NULL ? ask_streaming(fixture, request) : ask(fixture, request);
    run_to_end(fixture);
    loop_server_drop_all(&fixture->server);
    return asked;
}
