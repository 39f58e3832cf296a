/* A server with one route of each kind, for tests/integration/test_http_server*.py and the benches.
 *   http_test_server [--tls] [--bind ADDRESS] [--deadline MS] [--idle MS] [--window MS] [--heartbeat MS]
 * [--verbose] Prints "port N" once it listens; ends on SIGTERM or SIGINT, printing what each stream's end
 * counted. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/crypto/cert.h"
#include "common/net/http_server.h"

enum { UPLOAD_MAX_BYTES = 64 * 1024 * 1024, ECHO_MAX_BYTES = 8192, PEM_MAX_BYTES = 16 * 1024 };

struct site {
    _Atomic(struct http_events *) events; /* requests may come before it is there */
    atomic_int released;                  /* streams that ended */
    atomic_int events_sent;
};

static void answer_text(struct http_request *request, unsigned status, const char *text)
{
    http_answer(request, status, "text/plain", view_of(text));
}

static void before(struct http_request *request)
{
    if (http_header(request, "X-Refuse") != NULL)
        http_answer_error(request, 403, "refused", "by the hook");
}

static void hello(struct http_request *request)
{
    answer_text(request, 200, "hello");
}

static void show(struct http_request *request)
{
    char text[1024];
    const char *value = http_query(request, "q");
    const char *cookie = http_cookie(request, "session");
    const char *header = http_header(request, "x-test");
    snprintf(text, sizeof(text), "path=%s q=%s count=%zu cookie=%s header=%s peer=%s key=%s",
             http_path(request), value ? value : "-", http_query_count(request), cookie ? cookie : "-",
             header ? header : "-", http_peer(request), http_peer_key(request));
    answer_text(request, 200, text);
}

static void echo(struct http_request *request)
{
    http_answer(request, 200, "application/octet-stream", http_body(request));
}

static void never_answers(struct http_request *request)
{
    (void)request;
}

/* ---- a stream of as many bytes as asked for; fail=1: it breaks off there ---- */

struct flow {
    struct site *site;
    size_t left;
    bool fails;
};

static ssize_t read_flow(void *context, char *out, size_t out_bytes)
{
    struct flow *flow = context;
    if (flow->left == 0)
        return flow->fails ? -1 : 0;
    size_t size = flow->left < out_bytes ? flow->left : out_bytes;
    memset(out, 'x', size);
    flow->left -= size;
    return (ssize_t)size;
}

static void release_flow(void *context)
{
    struct flow *flow = context;
    atomic_fetch_add(&flow->site->released, 1);
    free(flow);
}

static void stream(struct http_request *request)
{
    const char *bytes = http_query(request, "bytes");
    struct flow *flow = calloc(1, sizeof(*flow));
    if (flow == NULL)
        return;
    flow->site = http_context(request);
    flow->left = bytes != NULL ? strtoull(bytes, NULL, 10) : 1000;
    flow->fails = http_query(request, "fail") != NULL;
    http_answer_stream(request, 200, "application/octet-stream", read_flow, flow, release_flow);
}

static void released(struct http_request *request)
{
    struct site *site = http_context(request);
    char text[32];
    snprintf(text, sizeof(text), "%d", atomic_load(&site->released));
    answer_text(request, 200, text);
}

/* ---- an answer that waits until a byte comes out of a FIFO; silent=1: it never comes ---- */

static void wait_and_answer(struct http_request *request)
{
    SCOPE_FD int fd = open(http_query(request, "fifo"), O_RDONLY | O_CLOEXEC);
    char byte;
    if (fd >= 0 && read(fd, &byte, 1) == 1 && http_query(request, "silent") == NULL)
        answer_text(request, 200, "waited");
}

static void wait_aside(struct http_request *request)
{
    http_answer_aside(request, wait_and_answer);
}

/* ---- an upload that is counted, not kept ---- */

struct upload {
    size_t bytes;
};

static void begin_upload(struct http_request *request)
{
    if (http_query(request, "busy") != NULL) {
        http_answer_error(request, 409, "busy", "try again later");
        return;
    }
    struct upload *upload = calloc(1, sizeof(*upload));
    http_set_data(request, upload, free);
}

static bool take_upload(struct http_request *request, struct view piece)
{
    struct upload *upload = http_data(request);
    upload->bytes += piece.size;
    if (http_query(request, "bad") == NULL)
        return true;
    http_answer_error(request, 400, "bad_package", "as asked");
    return false;
}

static void end_upload(struct http_request *request)
{
    struct upload *upload = http_data(request);
    char text[32];
    snprintf(text, sizeof(text), "%zu", upload->bytes);
    answer_text(request, 200, text);
}

/* ---- events ---- */

static void subscribe(struct http_request *request)
{
    struct site *site = http_context(request);
    SCOPE_BUF struct buf first = BUF_LIMIT(1024);
    http_event_format(&first, "first", http_header(request, "Last-Event-ID"), VIEW_LITERAL("{}"));
    http_events_subscribe(site->events, request, buf_view(&first));
}

static void publish(struct http_request *request)
{
    struct site *site = http_context(request);
    char id[16];
    snprintf(id, sizeof(id), "%d", atomic_fetch_add(&site->events_sent, 1) + 1);
    http_events_send(site->events, "news", id, http_body(request));
    answer_text(request, 200, id);
}

static void subscribers(struct http_request *request)
{
    struct site *site = http_context(request);
    char text[32];
    snprintf(text, sizeof(text), "%zu", http_events_subscribers(site->events));
    answer_text(request, 200, text);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/hello", 0, hello, NULL, NULL},
    {HTTP_GET, "/show", 0, show, NULL, NULL},
    {HTTP_GET, "/assets/*", 0, show, NULL, NULL},
    {HTTP_POST, "/echo", ECHO_MAX_BYTES, echo, NULL, NULL},
    {HTTP_PUT, "/echo", ECHO_MAX_BYTES, echo, NULL, NULL},
    {HTTP_POST, "/nobody", 0, hello, NULL, NULL},
    {HTTP_GET, "/silent", 0, never_answers, NULL, NULL},
    {HTTP_GET, "/stream", 0, stream, NULL, NULL},
    {HTTP_GET, "/released", 0, released, NULL, NULL},
    {HTTP_GET, "/aside", 0, wait_aside, NULL, NULL},
    {HTTP_POST, "/upload", UPLOAD_MAX_BYTES, end_upload, begin_upload, take_upload},
    {HTTP_PUT, "/discard", SIZE_MAX, end_upload, begin_upload, take_upload}, /* of any size, for benches */
    {HTTP_GET, "/events", 0, subscribe, NULL, NULL},
    {HTTP_POST, "/publish", (size_t)256 * 1024, publish, NULL, NULL},
    {HTTP_GET, "/subscribers", 0, subscribers, NULL, NULL},
};

static const char *const headers[] = {"X-Content-Type-Options: nosniff", NULL};

static const struct option options[] = {
    {"tls", no_argument, NULL, 't'},
    {"bind", required_argument, NULL, 'b'},
    {"deadline", required_argument, NULL, 'd'},
    {"idle", required_argument, NULL, 'i'},
    {"window", required_argument, NULL, 'w'},
    {"heartbeat", required_argument, NULL, 'h'},
    {"verbose", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static bool read_options(int argc, char **argv, struct http_server_config *config, struct log *log, bool *tls)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int number = optarg != NULL ? (int)strtol(optarg, NULL, 10) : 0;
        switch (option) {
        case 't':
            *tls = true;
            break;
        case 'b':
            config->bind = optarg;
            break;
        case 'd':
            config->first_header_deadline_ms = number;
            break;
        case 'i':
            config->idle_ms = number;
            break;
        case 'w':
            config->progress_window_ms = number;
            break;
        case 'h':
            config->sse_heartbeat_ms = number;
            break;
        case 'v':
            log->level = LOG_DEBUG;
            break;
        default:
            return false;
        }
    }
    return true;
}

static int fail(const struct error *err)
{
    fprintf(stderr, "http_test_server: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct error err;
    struct log log;
    struct site site = {.events = NULL};
    bool tls = false;
    log_init(&log, "http_test_server", clock_system());
    log.level = LOG_WARN;
    struct http_server_config config = {
        .bind = "127.0.0.1",
        .routes = routes,
        .route_count = COUNT_OF(routes),
        .context = &site,
        .headers = headers,
        .before = before,
        .log = &log,
        .clock = clock_system(),
    };
    if (!read_options(argc, argv, &config, &log, &tls))
        return 2;
    SCOPE_BUF struct buf cert = BUF_LIMIT(PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(PEM_MAX_BYTES);
    if (tls) {
        if (!cert_make("test", config.clock, &cert, &key, &err))
            return fail(&err);
        config.cert_pem = buf_text(&cert);
        config.key_pem = buf_text(&key);
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct http_server *server = http_server_start(&config, &err);
    if (server == NULL)
        return fail(&err);
    struct http_events *events = http_events_new(server, &err);
    if (events == NULL)
        return fail(&err);
    atomic_store(&site.events, events);
    printf("port %u\n", (unsigned)http_server_port(server));
    fflush(stdout);
    int caught;
    sigwait(&ends, &caught);
    http_events_free(events);
    http_server_stop(server);
    printf("released %d\n", atomic_load(&site.released));
    return 0;
}
