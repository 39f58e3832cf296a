/* The queue: how many at once, in which order, and every way to end. */
#include "tests/unit/common/net/pool_fixture.h"

#include <stdio.h>

#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void runs_many_at_once(void **state)
{
    enum { MANY = 200 };
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, MANY, MANY);
    fixture->server.script = SCRIPT(OK_2);
    fixture->server.hold = MANY; /* whoever is asked waits for the last one */
    for (int i = 0; i < MANY; i++)
        ask(fixture, GET);
    run_to_end(fixture);
    assert_int_equal(fixture->server.busy_most, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_true(fixture->asked[i].ok);
    assert_int_equal(http_pool_counts(fixture->pool).started, MANY);
}

static void waits_in_the_order_of_starts(void **state)
{
    struct pool_fixture *fixture = *state;
    char log[256] = "";
    fixture->server.log = log;
    fixture->server.script = SCRIPT(OK_2);
    pool_fixture_limits(fixture, 1, 8);
    static const char *const targets[] = {"/a", "/b", "/c", "/d", "/e"};
    for (size_t i = 0; i < 5; i++)
        ask(fixture, (struct http_pool_request){.target = targets[i]});
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 5); /* none from within start */
    run_to_end(fixture);
    assert_string_equal(log, "abcde");
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fixture->order[i], i);
}

static void never_more_than_were_allowed(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, 3, 8);
    fixture->server.script = SCRIPT(OK_2, .answer_after_ms = 20);
    fixture->server.hold = 4;
    for (int i = 0; i < 20; i++)
        ask(fixture, GET);
    run_until_requests(fixture, 3);
    run_for(fixture, 30); /* a fourth does not come */
    assert_int_equal(fixture->server.requests, 3);
    assert_int_equal(http_pool_counts(fixture->pool).running, 3);
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 17);
    loop_server_release(&fixture->server);
    run_to_end(fixture);
    assert_int_equal(fixture->server.busy_most, 3);
    assert_int_equal(fixture->server.connections, 3);
}

/* ---- peers that keep us waiting ---- */

enum { GOOD = 20 };

static int64_t now_ms(void)
{
    return clock_monotonic_us(clock_system()) / US_PER_MS;
}

static bool nobody_is_answered(const struct pool_fixture *fixture)
{
    return fixture->server.busy == 0;
}

static bool one_has_ended(const struct pool_fixture *fixture)
{
    return fixture->ended == 1;
}

static bool two_have_ended(const struct pool_fixture *fixture)
{
    return fixture->ended == 2;
}

static bool all_good_have_ended(const struct pool_fixture *fixture)
{
    return fixture->ended == 1 + GOOD;
}

static void who_keeps_us_waiting_holds_up_nobody(void **state)
{
    static const struct loop_server_script silent[] = {
        {.answer = {"", 0}, .then = THEN_SILENT},
        {.answer = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 39}, .then = THEN_SILENT},
    };
    struct pool_fixture *fixture = *state;
    struct asked *slow[3];
    int64_t begun_ms = now_ms();
    pool_fixture_limits(fixture, 2, 8);
    for (size_t i = 0; i < 2; i++) {
        fixture->server.script = silent[i];
        slow[i] = ask(fixture, GET);
        run_until_requests(fixture, (unsigned)i + 1); /* the script is read when a request comes */
        run_until(fixture, nobody_is_answered);
    }
    fixture->server.script = SCRIPT(OK_2);
    const struct asked *good = ask(fixture, GET);
    run_until(fixture, one_has_ended);
    assert_true(good->ok);
    assert_true(now_ms() - begun_ms >= HTTP_POOL_STALL_MS); /* until then they might be at work */
    int64_t asked_ms = now_ms();
    for (int i = 0; i < GOOD; i++)
        ask(fixture, GET);
    run_until(fixture, all_good_have_ended);
    assert_true(now_ms() - asked_ms < (int64_t)GOOD * HTTP_POOL_STALL_MS); /* they waited no more */
    assert_int_equal(slow[0]->ends + slow[1]->ends, 0);
    /* but there is an end of those, too */
    fixture->server.script = silent[0];
    for (int i = 0; i < 3; i++)
        slow[i] = ask(fixture, GET);
    run_until_requests(fixture, 2 + 1 + GOOD + 2);
    run_for(fixture, 2 * HTTP_POOL_STALL_MS);
    assert_int_equal(http_pool_counts(fixture->pool).running, 2 * HTTP_POOL_TIMES);
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 1);
}

static void whoever_waits_for_us_counts(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, 1, 8);
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx", .then = THEN_FLOOD);
    struct asked *paused = ask_streaming(fixture, GET);
    paused->pause_at = 1;
    run_until_taken(fixture, paused, 1);
    const struct asked *next = ask(fixture, GET);
    run_for(fixture, HTTP_POOL_STALL_MS + 500);
    assert_int_equal(next->ends, 0);
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 1);
}

/* ---- from within done ---- */

struct again {
    struct pool_fixture *fixture;
    int left;
    bool in_start;
};

static void ask_again(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct again *again = context;
    struct error err;
    (void)transfer;
    assert_false(again->in_start);
    assert_null(answer->err);
    if (--again->left == 0) {
        loop_stop(again->fixture->loop);
        return;
    }
    const struct http_pool_request request = {.host = "127.0.0.1",
                                              .port = again->fixture->server.port,
                                              .method = "GET",
                                              .target = "/",
                                              .done = ask_again,
                                              .context = again};
    again->in_start = true;
    assert_non_null(http_pool_start(again->fixture->pool, &request, &err));
    again->in_start = false;
}

static void an_end_may_start_the_next(void **state)
{
    struct pool_fixture *fixture = *state;
    struct again again = {.fixture = fixture, .left = 51};
    struct error err;
    fixture->server.script = SCRIPT(OK_2);
    pool_fixture_limits(fixture, 1, 1);
    ask_again(&again, NULL, &(struct http_pool_answer){0});
    assert_true(loop_run(fixture->loop, &err));
    assert_int_equal(fixture->server.requests, 50);
    assert_int_equal(fixture->server.connections, 1);
}

/* ---- ends on request ---- */

static void check_cancelled(const struct asked *asked)
{
    assert_int_equal(asked->ends, 1);
    assert_int_equal(asked->err.code, ERR_CANCELLED);
}

static void is_cancelled_while_it_waits(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, 1, 1);
    fixture->server.script = SCRIPT(OK_2);
    fixture->server.hold = 2; /* the first is not answered before the third was called off */
    const struct asked *first = ask(fixture, GET);
    const struct asked *second = ask(fixture, GET);
    const struct asked *third = ask(fixture, GET);
    http_transfer_cancel(second->transfer); /* before its first turn */
    assert_int_equal(second->ends, 0);
    run_until_requests(fixture, 1);
    run_until(fixture, one_has_ended);
    check_cancelled(second);
    http_transfer_cancel(third->transfer); /* in the queue */
    http_transfer_cancel(third->transfer); /* twice is once */
    run_until(fixture, two_have_ended);
    check_cancelled(third);
    loop_server_release(&fixture->server);
    run_to_end(fixture);
    assert_true(first->ok);
    assert_int_equal(fixture->server.requests, 1);
}

static void is_cancelled_while_it_runs(void **state)
{
    struct pool_fixture *fixture = *state;
    static const struct loop_server_script scripts[] = {
        {.answer = {"", 0}, .then = THEN_SILENT},                               /* no answer yet */
        {.answer = {"HTTP/1.1 200 OK\r\nContent-Le", 27}, .then = THEN_SILENT}, /* in its head */
        {.answer = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 39},
         .then = THEN_SILENT}, /* in its body */
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        fixture->server.script = scripts[i];
        const struct asked *asked = ask(fixture, GET);
        run_for(fixture, 50);
        assert_int_equal(asked->ends, 0);
        http_transfer_cancel(asked->transfer);
        run_to_end(fixture);
        check_cancelled(asked);
        run_for(fixture, 10);
        assert_int_equal(fixture->server.open, 0); /* a connection in the middle of an answer is no use */
    }
    fixture->server.script = SCRIPT(OK_2);
    const struct asked *next = ask(fixture, GET);
    run_to_end(fixture);
    assert_true(next->ok);
}

static void is_cancelled_while_it_connects(void **state)
{
    struct pool_fixture *fixture = *state;
    /* a name needs the resolver's thread; the cancel comes before its answer */
    const struct asked *named = ask(fixture, (struct http_pool_request){.host = "localhost"});
    const struct asked *tls = ask(fixture, (struct http_pool_request){.tls = true}); /* no handshake comes */
    fixture->server.script = SCRIPT("", .then = THEN_SILENT);
    run_for(fixture, 1);
    http_transfer_cancel(named->transfer);
    http_transfer_cancel(tls->transfer);
    run_to_end(fixture);
    check_cancelled(named);
    check_cancelled(tls);
}

static enum http_take cancel_in_piece(void *context, struct view piece)
{
    struct asked *asked = context;
    asked->taken += piece.size;
    http_transfer_cancel(asked->transfer);
    return HTTP_TAKEN;
}

static bool cancel_in_headers(void *context, struct http_transfer *transfer)
{
    const struct asked *asked = context;
    assert_ptr_equal(asked->transfer, transfer);
    http_transfer_cancel(transfer);
    return true;
}

static void is_cancelled_by_its_own_callbacks(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(OK_2);
    const struct asked *piece = ask(fixture, (struct http_pool_request){.piece = cancel_in_piece});
    const struct asked *headers = ask(fixture, (struct http_pool_request){.headers_done = cancel_in_headers});
    run_to_end(fixture);
    check_cancelled(piece);
    assert_int_equal(piece->taken, 2);
    check_cancelled(headers);
}

static void is_cancelled_while_it_is_paused(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx", .then = THEN_FLOOD);
    struct asked *asked = ask_streaming(fixture, GET);
    asked->pause_at = 1;
    run_until_taken(fixture, asked, 1);
    run_for(fixture, 50);
    assert_int_equal(asked->ends, 0);
    http_transfer_resume(asked->transfer);
    http_transfer_cancel(asked->transfer); /* counts more */
    run_to_end(fixture);
    check_cancelled(asked);
}

static void ends_all_when_it_is_freed(void **state)
{
    struct pool_fixture *fixture = *state;
    pool_fixture_limits(fixture, 4, 4);
    fixture->server.script = SCRIPT(OK_2);
    ask(fixture, GET);
    run_to_end(fixture); /* so that there is an idle connection, too */
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx", .then = THEN_FLOOD);
    struct asked *paused = ask_streaming(fixture, GET);
    paused->pause_at = 1;
    for (int i = 0; i < 6; i++)
        ask_streaming(fixture, GET);
    run_until_requests(fixture, 1 + 4);
    run_until_taken(fixture, paused, 1);
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 3);
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    for (size_t i = 1; i < fixture->count; i++)
        check_cancelled(&fixture->asked[i]);
}

static void refuse_to_start(void *context, struct http_transfer *transfer,
                            const struct http_pool_answer *answer)
{
    struct again *again = context;
    struct error err;
    const struct http_pool_request request = {
        .host = "127.0.0.1", .port = 1, .method = "GET", .target = "/", .done = refuse_to_start};
    (void)transfer;
    assert_int_equal(answer->err->code, ERR_CANCELLED);
    assert_null(http_pool_start(again->fixture->pool, &request, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    again->left--;
}

static void starts_nothing_while_it_is_freed(void **state)
{
    struct pool_fixture *fixture = *state;
    struct again again = {.fixture = fixture, .left = 1};
    struct error err;
    const struct http_pool_request request = {.host = "127.0.0.1",
                                              .port = fixture->server.port,
                                              .method = "GET",
                                              .target = "/",
                                              .done = refuse_to_start,
                                              .context = &again};
    assert_non_null(http_pool_start(fixture->pool, &request, &err));
    http_pool_free(fixture->pool);
    fixture->pool = NULL;
    assert_int_equal(again.left, 0);
    http_pool_free(NULL);
}

/* ---- requests that cannot be ---- */

static void refuses_bad_requests(void **state)
{
    struct pool_fixture *fixture = *state;
    static const char *const broken[] = {"X: a\r\nY: b", NULL};
    static const struct {
        struct http_pool_request request;
        enum error_code code;
    } cases[] = {
        {{.host = NULL, .target = "/"}, ERR_USAGE},
        {{.host = "", .target = "/"}, ERR_USAGE},
        {{.host = "a b", .target = "/"}, ERR_USAGE},
        {{.host = "a/b", .target = "/"}, ERR_USAGE},
        {{.host = "user@host", .target = "/"}, ERR_USAGE},
        {{.host = "a\r\nb", .target = "/"}, ERR_USAGE},
        {{.host = "a", .target = "x"}, ERR_INTERNAL},
        {{.host = "a", .target = "/a b"}, ERR_INTERNAL},
        {{.host = "a", .target = "/a\r\nHost: x"}, ERR_INTERNAL},
        {{.host = "a", .target = "/", .headers = broken}, ERR_INTERNAL},
        {{.host = "a", .target = "/", .tls = true, .pin = "abc"}, ERR_INPUT},
        {{.host = "a", .target = "/", .tls = true, .pin = ""}, ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct http_pool_request request = cases[i].request;
        struct error err = {0};
        request.method = "GET";
        assert_null(http_pool_start(fixture->pool, &request, &err));
        assert_int_equal(err.code, cases[i].code);
    }
    assert_int_equal(http_pool_counts(fixture->pool).waiting, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_fixture_set_up, pool_fixture_tear_down)

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(runs_many_at_once),
        TEST(waits_in_the_order_of_starts),
        TEST(never_more_than_were_allowed),
        TEST(who_keeps_us_waiting_holds_up_nobody),
        TEST(whoever_waits_for_us_counts),
        TEST(an_end_may_start_the_next),
        TEST(is_cancelled_while_it_waits),
        TEST(is_cancelled_while_it_runs),
        TEST(is_cancelled_while_it_connects),
        TEST(is_cancelled_by_its_own_callbacks),
        TEST(is_cancelled_while_it_is_paused),
        TEST(ends_all_when_it_is_freed),
        TEST(starts_nothing_while_it_is_freed),
        TEST(refuses_bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
