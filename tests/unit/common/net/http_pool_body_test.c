/* What comes in: whole answers, broken ones, floods, packed ones, and pauses. */
#include "tests/unit/common/net/pool_fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/pack/gzip.h"

/* ---- answers ---- */

static void takes_a_whole_answer(void **state)
{
    struct pool_fixture *fixture = *state;
    const struct asked *sized =
        ask_once(fixture, SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), GET);
    assert_true(sized->ok);
    assert_int_equal(sized->status, 200);
    assert_string_equal(sized->body, "hello");
    assert_int_equal(sized->wire_bytes, 5);
    assert_true(sized->duration_us > 0);
    const struct asked *chunked = ask_once(
        fixture,
        SCRIPT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), GET);
    assert_true(chunked->ok);
    assert_string_equal(chunked->body, "hello");
    assert_int_equal(chunked->wire_bytes, 5);
    const struct asked *none = ask_once(fixture, SCRIPT("HTTP/1.1 204 No Content\r\n\r\n"), GET);
    assert_true(none->ok);
    assert_int_equal(none->status, 204);
}

static void streams_into_the_sink(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT("HTTP/1.1 100 Continue\r\nX-Tag: early\r\n\r\n"
                                    "HTTP/1.1 200 OK\r\nX-TAG:  seven\r\nContent-Length: 5\r\n\r\nhello");
    struct asked *asked = ask_streaming(fixture, GET);
    run_to_end(fixture);
    assert_true(asked->ok);
    assert_string_equal(buf_text(&asked->kept), "hello");
    assert_string_equal(asked->body, "");
    assert_int_equal(asked->heads, 1);
    assert_string_equal(asked->tag, "seven");

    fixture->server.script = SCRIPT("HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\nwrong");
    asked = ask_streaming(fixture, GET);
    run_to_end(fixture);
    assert_true(asked->ok);
    assert_int_equal(asked->taken + asked->heads, 0); /* an error's body is no data */
    assert_string_equal(asked->body, "wrong");
}

static void a_sink_can_stop_it(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script =
        SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx", .then = THEN_FLOOD);
    struct asked *asked = ask_streaming(fixture, GET);
    asked->stop_at = 100000;
    run_to_end(fixture);
    assert_int_equal(asked->err.code, ERR_CANCELLED);
    assert_int_equal(asked->status, 200);
    assert_true(asked->taken >= 100000 && asked->taken < 300000);
    assert_int_equal(asked->wire_bytes, asked->taken);
}

static void refuses_what_is_no_whole_http(void **state)
{
    struct pool_fixture *fixture = *state;
    static const struct {
        const char *answer;
        enum error_code code;
    } cases[] = {
        {"", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", ERR_UNREACHABLE},
        {"SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTOCOL},
        {"HTTP/1.1 200 OK\r\n\r\nends anywhere", ERR_PROTOCOL},
        {"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", ERR_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", ERR_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct loop_server_script script = {.answer = view_of(cases[i].answer), .then = THEN_CLOSE};
        const struct asked *asked = ask_once(fixture, script, GET);
        if (asked->err.code != cases[i].code)
            print_error("answer %zu: ok %d, code %d, %s\n", i, asked->ok, asked->err.code, asked->err.text);
        assert_false(asked->ok);
        assert_int_equal(asked->err.code, cases[i].code);
    }
    assert_int_equal(http_pool_counts(fixture->pool).failed, sizeof(cases) / sizeof(*cases));
}

#define PACKED      ((struct http_pool_request){.gzip = true})
#define ENDS_ITSELF ((struct http_pool_request){.gzip = true, .body_ends_itself = true})

/* The end of the connection is the body's: for a caller who sees for himself whether it is whole. */
static void takes_what_ends_with_its_connection(void **state)
{
    struct pool_fixture *fixture = *state;
    static const char *const heads[] = {
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s{\"a\":1}", heads[i]);
        const struct loop_server_script script = {.answer = view_of(text), .then = THEN_CLOSE};
        const struct asked *asked = ask_once(fixture, script, ENDS_ITSELF);
        assert_true(asked->ok);
        assert_string_equal(asked->body, "{\"a\":1}");
        struct asked *sunk = ask_streaming(fixture, ENDS_ITSELF);
        run_to_end(fixture);
        assert_true(sunk->ok);
        assert_string_equal(buf_text(&sunk->kept), "{\"a\":1}");
        assert_int_equal(ask_once(fixture, script, PACKED)->err.code, ERR_PROTOCOL); /* nobody said so */
    }
    const struct asked *refused =
        ask_once(fixture, SCRIPT("HTTP/1.0 401 No\r\n\r\nno", .then = THEN_CLOSE), ENDS_ITSELF);
    assert_true(refused->ok);
    assert_int_equal(refused->status, 401);
    /* what has a length, or chunks, is held to it */
    assert_false(ask_once(fixture,
                          SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", .then = THEN_CLOSE),
                          ENDS_ITSELF)
                     ->ok);
    assert_false(ask_once(fixture,
                          SCRIPT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
                                 .then = THEN_CLOSE),
                          ENDS_ITSELF)
                     ->ok);
}

static void does_not_follow_redirects(void **state)
{
    struct pool_fixture *fixture = *state;
    const struct asked *asked = ask_once(
        fixture, SCRIPT("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nno"), GET);
    assert_true(asked->ok);
    assert_int_equal(asked->status, 302);
    assert_string_equal(asked->body, "no");
    assert_int_equal(fixture->server.requests, 1);
}

/* ---- floods ---- */

static void refuses_header_floods(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_BUF struct buf answer = BUF_LIMIT(4 * HTTP_CLIENT_MAX_HEADER_BYTES);
    buf_append_text(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; answer.size < HTTP_CLIENT_MAX_HEADER_BYTES + 4096; i++)
        buf_printf(&answer, "X-Header-%d: %050d\r\n", i, i);
    buf_append_text(&answer, "Content-Length: 0\r\n\r\n");
    const struct asked *asked =
        ask_once(fixture, (struct loop_server_script){.answer = buf_view(&answer)}, GET);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);

    buf_reset(&answer);
    while (answer.size < HTTP_CLIENT_MAX_HEADER_BYTES + 4096)
        buf_append_text(&answer, "HTTP/1.1 100 Continue\r\n\r\n");
    asked =
        ask_once(fixture, (struct loop_server_script){.answer = buf_view(&answer), .then = THEN_SILENT}, GET);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);
    asked = ask_once(fixture, SCRIPT("HTTP/1.1 200 OK\r\nX: y", .then = THEN_FLOOD), GET);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);
}

#define ENDLESS "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nx"

#define ENDLESS_ITSELF "HTTP/1.0 200 OK\r\n\r\nx"

/* A body without a known end has the same limits. */
static void bounds_what_ends_with_its_connection(void **state)
{
    struct pool_fixture *fixture = *state;
    struct http_pool_request request = {.max_body_bytes = 100000, .body_ends_itself = true};
    const struct asked *asked = ask_once(fixture, SCRIPT(ENDLESS_ITSELF, .then = THEN_FLOOD), request);
    assert_int_equal(asked->err.code, ERR_LIMIT);
    request.total_ms = 300;
    asked = ask_once(fixture, SCRIPT(ENDLESS_ITSELF, .then = THEN_SILENT), request);
    assert_int_equal(asked->err.code, ERR_TIMEOUT);
    const struct asked *error = ask_once(fixture, SCRIPT("HTTP/1.0 500 No\r\n\r\nx", .then = THEN_FLOOD),
                                         (struct http_pool_request){.body_ends_itself = true});
    assert_int_equal(error->err.code, ERR_PROTOCOL);
}

static void bounds_what_it_takes(void **state)
{
    struct pool_fixture *fixture = *state;
    const struct loop_server_script endless = SCRIPT(ENDLESS, .then = THEN_FLOOD);
    const struct asked *kept =
        ask_once(fixture, endless, (struct http_pool_request){.max_body_bytes = 100000});
    assert_int_equal(kept->err.code, ERR_LIMIT);
    assert_int_equal(kept->status, 200);
    const struct asked *unnamed = ask_once(fixture, endless, GET); /* kept, and no limit was named */
    assert_int_equal(unnamed->err.code, ERR_LIMIT);
    assert_true(unnamed->wire_bytes > 100000 && unnamed->wire_bytes <= 1024 * 1024);
    fixture->server.script = endless;
    const struct asked *sunk = ask_streaming(fixture, (struct http_pool_request){.max_body_bytes = 5000000});
    run_to_end(fixture);
    assert_int_equal(sunk->err.code, ERR_LIMIT);
    assert_true(sunk->taken > 4900000 && sunk->taken < 5200000);
    const struct asked *error = ask_once(
        fixture, SCRIPT("HTTP/1.1 500 No\r\nContent-Length: 1000000000000\r\n\r\nx", .then = THEN_FLOOD),
        GET);
    assert_int_equal(error->err.code, ERR_PROTOCOL);
}

/* ---- packed answers ---- */

/* An answer of `size` bytes of blanks behind this head, packed; cut: so many bytes of the packed are missing.
 */
static void make_packed_behind(const char *head, struct buf *answer, size_t size, size_t cut)
{
    struct error err;
    struct gzip_writer *writer = gzip_writer_new(&err);
    SCOPE_FREE char *text = malloc(size);
    SCOPE_BUF struct buf packed = BUF_LIMIT(64 * 1024 * 1024);
    assert_true(writer != NULL && text != NULL);
    memset(text, ' ', size);
    struct view in = {text, size};
    for (bool ended = false; !ended;) {
        char *out = buf_reserve(&packed, 64 * 1024);
        assert_non_null(out);
        buf_commit(&packed, gzip_write(writer, &in, true, out, 64 * 1024, &ended));
    }
    gzip_writer_free(writer);
    *answer = (struct buf)BUF_LIMIT(64 * 1024 * 1024);
    buf_append_text(answer, head);
    if (strstr(head, "HTTP/1.0") == NULL)
        buf_printf(answer, "Content-Length: %zu\r\n", packed.size - cut);
    buf_append_text(answer, "\r\n");
    buf_append(answer, packed.data, packed.size - cut);
}

static void make_packed(struct buf *answer, size_t size, size_t cut)
{
    make_packed_behind("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", answer, size, cut);
}

static void unpacks_what_was_packed(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_BUF struct buf answer = {0};
    make_packed(&answer, 200, 0);
    const struct loop_server_script script = {.answer = buf_view(&answer)};
    const struct asked *kept = ask_once(fixture, script, PACKED);
    assert_true(kept->ok);
    assert_int_equal(strlen(kept->body), 200);
    assert_true(kept->wire_bytes > 0 && kept->wire_bytes < 200);
    assert_non_null(strstr(buf_text(&fixture->server.seen), "\r\nAccept-Encoding: gzip\r\n"));
    fixture->server.script = script;
    struct asked *sunk = ask_streaming(fixture, PACKED);
    run_to_end(fixture);
    assert_int_equal(sunk->taken, 200);
    const struct asked *plain =
        ask_once(fixture, SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), PACKED);
    assert_string_equal(plain->body, "ok"); /* nobody need pack it */
}

static void refuses_damaged_packed_answers(void **state)
{
    struct pool_fixture *fixture = *state;
    for (size_t cut = 1; cut < 20; cut += 6) {
        SCOPE_BUF struct buf answer = {0};
        make_packed(&answer, 5000, cut);
        const struct asked *asked =
            ask_once(fixture, (struct loop_server_script){.answer = buf_view(&answer)}, PACKED);
        assert_int_equal(asked->err.code, ERR_PROTOCOL);
    }
    SCOPE_BUF struct buf answer = {0};
    make_packed(&answer, 5000, 0);
    answer.data[answer.size - 6] ^= 1; /* its checksum */
    const struct asked *asked =
        ask_once(fixture, (struct loop_server_script){.answer = buf_view(&answer)}, PACKED);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);
    asked = ask_once(fixture,
                     SCRIPT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
                     PACKED);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);
}

/* Its trailer says where it ends: nothing shorter is whole, and nothing may follow. */
static void packed_ends_with_its_trailer(void **state)
{
    static const char head[] = "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n";
    struct pool_fixture *fixture = *state;
    SCOPE_BUF struct buf whole = {0};
    make_packed_behind(head, &whole, 200, 0);
    size_t packed_bytes = whole.size - strlen(head) - 2;
    const struct asked *asked = ask_once(
        fixture, (struct loop_server_script){.answer = buf_view(&whole), .then = THEN_CLOSE}, ENDS_ITSELF);
    assert_true(asked->ok);
    assert_int_equal(strlen(asked->body), 200);
    for (size_t cut = 1; cut < packed_bytes; cut++) {
        SCOPE_BUF struct buf answer = {0};
        make_packed_behind(head, &answer, 200, cut);
        const struct loop_server_script script = {.answer = buf_view(&answer), .then = THEN_CLOSE};
        asked = ask_once(fixture, script, ENDS_ITSELF);
        assert_int_equal(asked->err.code, ERR_PROTOCOL);
    }
    buf_append_text(&whole, "x");
    asked = ask_once(fixture, (struct loop_server_script){.answer = buf_view(&whole), .then = THEN_CLOSE},
                     ENDS_ITSELF);
    assert_int_equal(asked->err.code, ERR_PROTOCOL);
}

static void a_bomb_stays_in_its_buffer(void **state)
{
    enum { BOMB_BYTES = 20 * 1024 * 1024, LIMIT = 1000000 };
    struct pool_fixture *fixture = *state;
    SCOPE_BUF struct buf answer = {0};
    make_packed(&answer, BOMB_BYTES, 0);
    const struct loop_server_script script = {.answer = buf_view(&answer)};
    const struct asked *kept =
        ask_once(fixture, script, (struct http_pool_request){.gzip = true, .max_body_bytes = LIMIT});
    assert_int_equal(kept->err.code, ERR_LIMIT);
    fixture->server.script = script;
    struct asked *sunk =
        ask_streaming(fixture, (struct http_pool_request){.gzip = true, .max_body_bytes = LIMIT});
    run_to_end(fixture);
    assert_int_equal(sunk->err.code, ERR_LIMIT);
    assert_true(sunk->taken < LIMIT + 128 * 1024);

    /* paused in its middle: what is unpacked already stays below a buffer */
    fixture->server.script = script;
    struct asked *paused = ask_streaming(fixture, PACKED);
    paused->pause_at = 1;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    run_until_taken(fixture, paused, 1);
    run_for(fixture, 100);
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_true(paused->taken > 0 && paused->taken <= 64 * 1024);
    assert_true(after < before + 1024 * 1024);
    while (paused->ends == 0) {
        paused->pause_at = paused->taken + 1000000; /* again and again */
        http_transfer_resume(paused->transfer);
        run_for(fixture, 5);
    }
    assert_true(paused->ok);
    assert_int_equal(paused->taken, BOMB_BYTES);
}

/* ---- pauses ---- */

/* The server has found no room for so many looks in turn: the network's buffers have taken all they take. */
static bool buffers_are_full(const struct pool_fixture *fixture)
{
    enum { LOOKS = 50 };
    static uint64_t flooded;
    static int looks;
    looks = fixture->server.flooded == flooded ? looks + 1 : 0;
    flooded = fixture->server.flooded;
    return looks >= LOOKS;
}

static void a_pause_stops_the_server(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT(ENDLESS, .then = THEN_FLOOD);
    struct asked *asked = ask_streaming(fixture, (struct http_pool_request){.floor_s = 1});
    asked->pause_at = 1000000;
    run_until_taken(fixture, asked, 1000000);
    run_until(fixture, buffers_are_full);
    uint64_t flooded = fixture->server.flooded;
    uint64_t taken = asked->taken;
    assert_true(taken >= 1000000 && taken < 1200000);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    run_for(fixture, 1500); /* longer than the floor of progress: it is our pause */
    assert_int_equal(asked->ends, 0);
    assert_int_equal(asked->taken, taken);
    assert_true(fixture->server.flooded < flooded + 4 * 1024 * 1024); /* the network's buffers, not ours */
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + 64 * 1024);
    asked->pause_at = 3000000;
    http_transfer_resume(asked->transfer);
    run_until_taken(fixture, asked, 3000000);
    run_for(fixture, 100);
    assert_true(asked->taken >= 3000000 && asked->taken < 3200000);
    asked->pause_at = 0;
    asked->stop_at = 5000000;
    http_transfer_resume(asked->transfer);
    http_transfer_resume(asked->transfer);
    run_to_end(fixture);
    assert_int_equal(asked->err.code, ERR_CANCELLED);
}

static void nothing_is_lost_by_pauses(void **state)
{
    struct pool_fixture *fixture = *state;
    SCOPE_BUF struct buf answer = BUF_LIMIT(1024 * 1024);
    buf_append_text(&answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    SCOPE_BUF struct buf expected = BUF_LIMIT(1024 * 1024);
    for (int i = 0; i < 4000; i++) {
        buf_printf(&answer, "%x\r\n%08d,%0*d\r\n", 9 + 1 + i % 90, i, 1 + i % 90, i % 7);
        buf_printf(&expected, "%08d,%0*d", i, 1 + i % 90, i % 7);
    }
    buf_append_text(&answer, "0\r\n\r\n");
    fixture->server.script = (struct loop_server_script){.answer = buf_view(&answer)};
    struct asked *asked = ask_streaming(fixture, GET);
    asked->pause_at = 1;
    unsigned pauses = 0;
    while (asked->ends == 0) {
        run_for(fixture, 2);
        pauses++;
        asked->pause_at = asked->taken + 1;
        if (asked->transfer != NULL)
            http_transfer_resume(asked->transfer);
    }
    assert_true(asked->ok);
    assert_true(pauses > 5);
    assert_true(view_equal(buf_view(&asked->kept), buf_view(&expected)));
    assert_int_equal(asked->wire_bytes, expected.size);
}

/* The last piece is the one that is not taken: the answer has come whole, and still it is not over. */
static void a_pause_at_the_very_end_holds(void **state)
{
    struct pool_fixture *fixture = *state;
    fixture->server.script = SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", .then = THEN_CLOSE);
    struct asked *asked = ask_streaming(fixture, GET);
    asked->pause_at = UINT64_MAX;
    asked->taken = UINT64_MAX; /* even the first is not taken */
    run_for(fixture, 100);
    assert_int_equal(asked->ends, 0);
    asked->taken = 0;
    asked->pause_at = 0;
    http_transfer_resume(asked->transfer);
    run_to_end(fixture);
    assert_true(asked->ok);
    assert_string_equal(buf_text(&asked->kept), "hello");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_fixture_set_up, pool_fixture_tear_down)

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(takes_a_whole_answer),
        TEST(streams_into_the_sink),
        TEST(a_sink_can_stop_it),
        TEST(refuses_what_is_no_whole_http),
        TEST(takes_what_ends_with_its_connection),
        TEST(does_not_follow_redirects),
        TEST(refuses_header_floods),
        TEST(bounds_what_ends_with_its_connection),
        TEST(bounds_what_it_takes),
        TEST(unpacks_what_was_packed),
        TEST(refuses_damaged_packed_answers),
        TEST(packed_ends_with_its_trailer),
        TEST(a_bomb_stays_in_its_buffer),
        TEST(a_pause_stops_the_server),
        TEST(nothing_is_lost_by_pauses),
        TEST(a_pause_at_the_very_end_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
