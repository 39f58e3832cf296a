#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/crypto/hash.h"
#include "common/net/http_client.h"
#include "common/net/http_server.h"
#include "common/os/file.h"

enum {
    FILE_BYTES = 3 * 1024 * 1024 + 7,
    FLOOR_S = 1,
    PATIENCE_S = 60,
    LATE_MS = 2500,
    BODY_MAX_BYTES = 256,
    FEW_BYTES = 1000
};

/* ---- a server that takes, refuses, or thinks for a while ---- */

struct site {
    struct log log;
    struct http_server *server;
    _Atomic size_t bytes; /* of bodies */
};

static void begin_refused(struct http_request *request)
{
    http_answer_error(request, 409, "busy", "try again later");
}

static void begin_taken(struct http_request *request)
{
    struct sha256 *hash = malloc(sizeof(*hash)); /* of this body: one that was broken off may still come */
    assert_non_null(hash);
    sha256_start(hash);
    http_set_data(request, hash, free);
}

static bool take(struct http_request *request, struct view piece)
{
    struct site *site = http_context(request);
    site->bytes += piece.size;
    sha256_add(http_data(request), piece.data, piece.size);
    return true;
}

static void answer(struct http_request *request)
{
    char hash[SHA256_HEX_BYTES];
    sha256_finish_hex(http_data(request), hash);
    http_answer(request, 200, "text/plain", view_of(hash));
}

static void think(struct http_request *request)
{
    poll(NULL, 0, LATE_MS); /* longer than the floor of progress allows for silence */
    http_answer(request, 200, "text/plain", VIEW_LITERAL("late"));
}

static void answer_late(struct http_request *request)
{
    http_answer_aside(request, think);
}

static const struct http_route routes[] = {
    {.method = HTTP_POST,
     .path = "/take",
     .max_body_bytes = SIZE_MAX,
     .begin = begin_taken,
     .body = take,
     .handle = answer},
    {.method = HTTP_POST,
     .path = "/refused",
     .max_body_bytes = SIZE_MAX,
     .begin = begin_refused,
     .body = take,
     .handle = answer},
    {.method = HTTP_POST,
     .path = "/late",
     .max_body_bytes = SIZE_MAX,
     .begin = begin_taken,
     .body = take,
     .handle = answer_late},
    {.method = HTTP_GET, .path = "/late", .handle = think},
};

/* ---- one exchange ---- */

struct fixture {
    struct site site;
    struct http_client *client;
    struct buf answer;
    int fd;
    char hash[SHA256_HEX_BYTES];
    uint64_t sent;
};

static int make_file(char hash[SHA256_HEX_BYTES])
{
    int fd = memfd_create("upload", MFD_CLOEXEC);
    struct sha256 sum;
    struct error err;
    assert_true(fd >= 0);
    SCOPE_FREE char *content = malloc(FILE_BYTES);
    assert_non_null(content);
    for (size_t i = 0; i < FILE_BYTES; i++)
        content[i] = (char)(i * 31 + i / 251);
    assert_true(file_write_all(fd, content, FILE_BYTES, &err));
    sha256_start(&sum);
    sha256_add(&sum, content, FILE_BYTES);
    sha256_finish_hex(&sum, hash);
    return fd;
}

static void ask_with_floor(struct fixture *fixture, uint16_t port, int floor_s)
{
    struct error err;
    http_client_free(fixture->client);
    fixture->client = http_client_new(
        &(struct http_client_config){.host = "127.0.0.1", .port = port, .floor_s = floor_s}, &err);
    assert_non_null(fixture->client);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    assert_non_null(fixture);
    struct http_server_config config = {
        .bind = "127.0.0.1",
        .routes = routes,
        .route_count = COUNT_OF(routes),
        .context = &fixture->site,
        .log = &fixture->site.log,
        .clock = clock_system(),
    };
    log_init(&fixture->site.log, "test", clock_system());
    fixture->site.log.fd = -1;
    fixture->site.server = http_server_start(&config, &err);
    assert_non_null(fixture->site.server);
    ask_with_floor(fixture, http_server_port(fixture->site.server), PATIENCE_S);
    fixture->answer = (struct buf)BUF_LIMIT(BODY_MAX_BYTES);
    fixture->fd = make_file(fixture->hash);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(fixture->client);
    http_server_stop(fixture->site.server);
    buf_clear(&fixture->answer);
    close(fixture->fd);
    free(fixture);
    return 0;
}

static void note_sent(void *context, uint64_t bytes)
{
    struct fixture *fixture = context;
    assert_true(bytes >= fixture->sent);
    fixture->sent = bytes;
}

/* The status, or 0 with err. */
static unsigned send_file(struct fixture *fixture, const char *target, uint64_t bytes, int answer_s,
                          struct error *err)
{
    const struct http_upload upload = {
        .fd = fixture->fd, .bytes = bytes, .answer_s = answer_s, .sent = note_sent, .context = fixture};
    struct http_exchange exchange = {
        .method = "POST", .target = target, .upload = &upload, .answer_body = &fixture->answer};
    fixture->sent = 0;
    buf_reset(&fixture->answer);
    return http_client_exchange(fixture->client, &exchange, err) ? exchange.status : 0;
}

/* ---- the tests ---- */

static void sends_the_whole_file(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    for (int round = 1; round <= 2; round++) { /* also again on the kept connection */
        assert_int_equal(send_file(fixture, "/take", FILE_BYTES, PATIENCE_S, &err), 200);
        assert_string_equal(buf_text(&fixture->answer), fixture->hash);
        assert_int_equal(fixture->site.bytes, (size_t)round * FILE_BYTES);
        assert_int_equal(fixture->sent, FILE_BYTES);
    }
    assert_int_equal(send_file(fixture, "/take", 0, PATIENCE_S, &err), 200);
    assert_int_equal(fixture->site.bytes, (size_t)2 * FILE_BYTES);
}

static void sends_nothing_to_who_refuses_it(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    assert_int_equal(send_file(fixture, "/refused", FILE_BYTES, PATIENCE_S, &err), 409);
    assert_int_equal(fixture->sent, 0);
    assert_int_equal(fixture->site.bytes, 0);
    assert_non_null(strstr(buf_text(&fixture->answer), "\"busy\""));
    assert_int_equal(send_file(fixture, "/take", FILE_BYTES, PATIENCE_S, &err),
                     200); /* and is good for the next */
}

static void says_when_the_file_is_shorter(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    assert_int_equal(send_file(fixture, "/take", FILE_BYTES + 1, PATIENCE_S, &err), 0);
    assert_int_equal(err.code, ERR_CHANGED);
    assert_int_equal(send_file(fixture, "/take", FILE_BYTES, PATIENCE_S, &err), 200);
}

static void waits_for_the_answer(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    ask_with_floor(fixture, http_server_port(fixture->site.server), FLOOR_S);
    assert_int_equal(send_file(fixture, "/late", FEW_BYTES, 30, &err), 200);
    assert_string_equal(buf_text(&fixture->answer), "late");
    assert_int_equal(send_file(fixture, "/late", FEW_BYTES, 1, &err), 0);
    assert_int_equal(err.code, ERR_TIMEOUT);
    /* and without an upload the floor is what it was */
    struct http_exchange get = {.method = "GET", .target = "/late", .answer_body = &fixture->answer};
    assert_false(http_client_exchange(fixture->client, &get, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
}

/* It takes connections, reads nothing and says nothing. */
static void gives_up_on_who_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    SCOPE_FD int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(deaf, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(deaf, 1), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&address, &size), 0);
    ask_with_floor(fixture, ntohs(address.sin_port), FLOOR_S);
    assert_int_equal(send_file(fixture, "/", FILE_BYTES, 30, &err), 0);
    assert_int_equal(err.code, ERR_TIMEOUT);
}

int main(void)
{
    struct error err;
    if (!http_client_global_init(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_the_whole_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_nothing_to_who_refuses_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_when_the_file_is_shorter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_up_on_who_takes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
