/* Polls /status of the vehicles of a farm over TLS, kept alive, in turn, so many at once, and prints how fast
 * and at what cost in memory: one line of JSON. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/app/options.h"
#include "common/crypto/cert.h"
#include "common/net/http_client.h"
#include "common/net/http_pool.h"
#include "common/os/file.h"
#include "tests/bench/farm_sim.h"

enum { STATUS_TOTAL_MS = 30 * 1000 };

struct poller {
    int64_t count, port, parallel, seconds;
    const char *cert_path;
    char pin[SHA256_HEX_BYTES];
    struct loop *loop;
    struct http_pool *pool;
    int64_t next, ended, failed; /* polls */
    int64_t until_us;            /* 0: one poll of every vehicle */
    int64_t started_us;
    char failure[2 * ERROR_TEXT_BYTES];
};

static void poll_next(struct poller *poller);

static void on_answer(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct poller *poller = context;
    (void)transfer;
    poller->ended++;
    if (answer->err != NULL || answer->status != 200) {
        poller->failed++;
        snprintf(poller->failure, sizeof(poller->failure), "status %u %s", answer->status,
                 answer->err != NULL ? answer->err->text : "");
    }
    bool more = poller->until_us > 0 ? clock_monotonic_us(clock_system()) < poller->until_us
                                     : poller->next < poller->count;
    if (more)
        poll_next(poller);
    else if (poller->ended == poller->next)
        loop_stop(poller->loop);
}

static void poll_next(struct poller *poller)
{
    static const char *const headers[] = {"Authorization: Bearer made-up", NULL};
    struct in_addr address = {.s_addr = htonl(sim_address((int32_t)(poller->next++ % poller->count)))};
    char host[INET_ADDRSTRLEN];
    struct error err;
    inet_ntop(AF_INET, &address, host, sizeof(host));
    const struct http_pool_request request = {
        .host = host,
        .port = (uint16_t)poller->port,
        .tls = true,
        .pin = poller->pin,
        .method = "GET",
        .target = "/status",
        .headers = headers,
        .total_ms = STATUS_TOTAL_MS,
        .done = on_answer,
        .context = poller,
    };
    if (http_pool_start(poller->pool, &request, &err) == NULL) {
        fprintf(stderr, "poll_fleet: %s\n", err.text);
        exit(1);
    }
}

static int64_t rss_bytes(void)
{
    SCOPE_FILE FILE *file = fopen("/proc/self/statm", "re");
    int64_t size = 0;
    int64_t resident = 0;
    if (file == NULL || fscanf(file, "%" SCNd64 " %" SCNd64, &size, &resident) != 2)
        return 0;
    return resident * sysconf(_SC_PAGESIZE);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

/* One poll of every vehicle, or polls in turn for a while. Their count. */
static int64_t run(struct poller *poller, int64_t seconds, struct error *err)
{
    poller->next = poller->ended = 0;
    poller->started_us = clock_monotonic_us(clock_system());
    poller->until_us = seconds > 0 ? poller->started_us + seconds * US_PER_S : 0;
    for (int64_t i = 0; i < poller->parallel && i < poller->count; i++)
        poll_next(poller);
    return loop_run(poller->loop, err) ? poller->ended : 0;
}

static bool measure(struct poller *poller, struct error *err)
{
    int64_t rss_before = rss_bytes();
    int64_t connected = run(poller, 0, err);
    double connect_s = (double)(clock_monotonic_us(clock_system()) - poller->started_us) / US_PER_S;
    int64_t cpu_before = cpu_us();
    int64_t polls = run(poller, poller->seconds, err);
    double seconds = (double)(clock_monotonic_us(clock_system()) - poller->started_us) / US_PER_S;
    double cpu = (double)(cpu_us() - cpu_before) / (double)(polls > 0 ? polls : 1);
    struct http_pool_counts counts = http_pool_counts(poller->pool);
    if (poller->failed > 0)
        return error_set(err, ERR_INTERNAL, "%" PRId64 " polls failed, the last with %s", poller->failed,
                         poller->failure);
    printf("{\"vehicles\":%" PRId64 ",\"polls_s\":%.0f,\"cpu_us\":%.1f,\"kb\":%.1f,\"reused\":%.4f,"
           "\"connects_s\":%.0f}\n",
           poller->count, (double)polls / seconds, cpu,
           (double)(rss_bytes() - rss_before) / 1024 / (double)poller->count,
           (double)counts.reused_connections / (double)polls, (double)connected / connect_s);
    return true;
}

static bool prepare(struct poller *poller, struct error *err)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    SCOPE_BUF struct buf pem = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    if (!file_read_path(poller->cert_path, &pem, err) || !cert_agent_id(buf_view(&pem), poller->pin, err) ||
        !http_client_global_init(err))
        return false;
    poller->loop = loop_new(err);
    if (poller->loop == NULL)
        return false;
    const struct http_pool_config config = {
        .loop = poller->loop, .max_parallel = (size_t)poller->parallel, .max_idle = (size_t)poller->count};
    poller->pool = http_pool_new(&config, err);
    return poller->pool != NULL;
}

int main(int argc, char **argv)
{
    struct poller poller = {.count = 1000, .parallel = 200, .seconds = 5};
    struct option options[] = {
        option_text("cert", &poller.cert_path, "FILE", "the farm's certificate, whose key is pinned"),
        {"count", OPTION_NUMBER, &poller.count, "N", "vehicles (1000)", 1, 100000, false},
        {"tls-port", OPTION_NUMBER, &poller.port, "PORT", "of the farm", 1, 65535, true},
        {"parallel", OPTION_NUMBER, &poller.parallel, "N", "polls at once (200)", 1, 10000, false},
        {"seconds", OPTION_NUMBER, &poller.seconds, "S", "of polling once all are connected (5)", 1, 3600,
         false},
    };
    options[0].required = true;
    const struct program program = {.name = "poll_fleet",
                                    .summary = "Polls the vehicles of a farm over TLS, kept alive.",
                                    .usage = "poll_fleet --cert FILE --tls-port PORT [--count N]",
                                    .options = options,
                                    .option_count = sizeof(options) / sizeof(*options)};
    struct option_list words = {0};
    struct error err = {0};
    int code = options_parse(&program, argc, argv, &words);
    if (code >= 0)
        return code;
    bool ok = prepare(&poller, &err) && measure(&poller, &err);
    if (!ok)
        fprintf(stderr, "poll_fleet: %s\n", err.text);
    http_pool_free(poller.pool);
    loop_free(poller.loop);
    return ok ? 0 : 1;
}
