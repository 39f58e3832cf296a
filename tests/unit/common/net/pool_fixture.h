/* What the tests of http_pool share: a loop with a deadline, a pool, requests whose end is noted. */
#ifndef TESTS_UNIT_COMMON_NET_POOL_FIXTURE_H
#define TESTS_UNIT_COMMON_NET_POOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/http_client.h"
#include "common/net/http_pool.h"
#include "tests/harness/loop_server.h"

enum { ASKED_MAX = 512, ASKED_BODY_BYTES = 256 };
/* For hangs, not for speed; and what a test of slow peers does not shorten (a floor of 1, in seconds). */
enum { DEADLINE_MS = 120 * 1000, CONNECT_MS = 60 * 1000, FLOOR_S = 60 };

/* One request, and what came of it. */
struct asked {
    struct pool_fixture *fixture;
    struct http_transfer *transfer; /* NULL once it has ended */
    unsigned ends;
    bool ok;
    struct error err; /* code ERR_NONE when ok */
    unsigned status;
    char body[ASKED_BODY_BYTES];
    uint64_t wire_bytes;
    int64_t duration_us;
    /* a sink's */
    uint64_t taken;
    unsigned pieces, heads;
    uint64_t pause_at, stop_at; /* 0: never */
    struct buf kept;            /* what the sink took, while it fits */
    struct buf pem;             /* as done saw it */
    char tag[32];               /* X-Tag as headers_done saw it */
};

struct pool_fixture {
    struct loop *loop;
    struct http_pool *pool;
    struct loop_server server;
    struct asked asked[ASKED_MAX];
    size_t count, ended, wanted; /* the loop stops when so many have ended */
    unsigned order[ASKED_MAX];   /* of their ends */
    bool late;
};

int pool_fixture_set_up(void **state);
int pool_fixture_tear_down(void **state);
/* In place of the pool that is there. */
void pool_fixture_limits(struct pool_fixture *fixture, size_t max_parallel, size_t max_idle);
/* The same, with a limit of its own for connecting. */
void pool_fixture_connects_within(struct pool_fixture *fixture, int64_t connect_ms);
/* Starts one to the raw server: fields that are not set are those of GET /x. */
struct asked *ask(struct pool_fixture *fixture, struct http_pool_request request);
/* The same with a sink. */
struct asked *ask_streaming(struct pool_fixture *fixture, struct http_pool_request request);
/* Runs the loop until all that were asked have ended. */
void run_to_end(struct pool_fixture *fixture);
/* Runs it for a while. */
void run_for(struct pool_fixture *fixture, int64_t ms);
/* Runs it until this holds. */
void run_until(struct pool_fixture *fixture, bool (*holds)(const struct pool_fixture *fixture));
/* Runs it until so many requests have come to the server in all. */
void run_until_requests(struct pool_fixture *fixture, unsigned requests);
/* Runs it until a sink that is to pause has taken something. */
void run_until_taken(struct pool_fixture *fixture, const struct asked *asked, uint64_t bytes);
/* Runs it until so many connections to the server are open. */
void run_until_open(struct pool_fixture *fixture, unsigned open);
/* Server script, one request, its end. */
struct asked *ask_once(struct pool_fixture *fixture, struct loop_server_script script,
                       struct http_pool_request request);

#define SCRIPT(text, ...) ((struct loop_server_script){.answer = VIEW_LITERAL(text), __VA_ARGS__})
#define GET               ((struct http_pool_request){0})

#endif
