#include "common/net/http_pool.h"

#include <stdlib.h>

#include "common/net/http_pool_internal.h"
#include "common/os/process.h"

enum {
    HOSTS_A_MULTI = 100,
    MULTIS_MAX = 1024,
    /* Half as many again as are to be kept (http_pool_multi.c), and for each multi handle a timer of ours and
     * two of libcurl's. */
    FDS_PER_10_KEPT = 16,
    FDS_ELSEWHERE = 256,
    IDLE_MAX = 1000 * 1000,
    TICK_MS = 100,
};

/* ---- easy handles ---- */

static struct http_pool_easy *take_easy(struct http_pool *pool, struct error *err)
{
    struct http_pool_easy *easy = pool->easies;
    if (easy != NULL) {
        pool->easies = easy->next;
        return easy;
    }
    easy = calloc(1, sizeof(*easy));
    if (easy != NULL)
        easy->curl = curl_easy_init();
    if (easy == NULL || easy->curl == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a connection");
        free(easy);
        return NULL;
    }
    http_curl_set_fixed(easy->curl, easy->message);
    http_curl_set_tls(easy->curl);
    curl_easy_setopt(easy->curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    return easy;
}

static void give_back(struct http_pool *pool, struct http_pool_easy *easy)
{
    curl_easy_setopt(easy->curl, CURLOPT_HTTPHEADER, NULL); /* the transfer's */
    easy->next = pool->easies;
    pool->easies = easy;
}

static void free_easies(struct http_pool *pool)
{
    struct http_pool_easy *next;
    for (struct http_pool_easy *easy = pool->easies; easy != NULL; easy = next) {
        next = easy->next;
        curl_easy_cleanup(easy->curl);
        free(easy);
    }
}

/* ---- beginning and ending ---- */

static void note_stall(struct http_transfer *transfer, bool stalls)
{
    struct http_pool *pool = transfer->pool;
    pool->stalled += stalls;
    pool->stalled -= transfer->stalled;
    transfer->stalled = stalls;
}

static void take_off(struct http_transfer *transfer)
{
    struct http_pool *pool = transfer->pool;
    CURL *curl = transfer->easy->curl;
    long connections = 0;
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
    if (connections == 0 && http_curl_is_connected(curl))
        pool->counts.reused_connections++;
    http_pool_socket_idle(pool, transfer->fd);
    curl_multi_remove_handle(transfer->multi->multi, curl);
    give_back(pool, transfer->easy);
}

void http_pool_finish(struct http_transfer *transfer, const struct error *err)
{
    struct http_pool *pool = transfer->pool;
    transfer->finished = true;
    note_stall(transfer, false);
    if (transfer->easy != NULL)
        take_off(transfer);
    http_chain_remove(&transfer->link);
    http_chain_remove(&transfer->due);
    if (err != NULL)
        pool->counts.failed++;
    int64_t now_us = clock_monotonic_us(clock_system());
    const struct http_pool_answer answer = {
        .err = err,
        .status = transfer->head.status,
        .body = buf_view(&transfer->kept),
        .wire_bytes = transfer->wire_bytes,
        .duration_us = transfer->started_us > 0 ? now_us - transfer->started_us : 0,
    };
    transfer->request.done(transfer->request.context, transfer, &answer);
    http_transfer_free(transfer);
    if (pool->waiting.count > 0)
        http_pool_kick(pool);
}

static void finish_cancelled(struct http_transfer *transfer)
{
    struct error err;
    error_set(&err, ERR_CANCELLED, "the request to %s:%u was called off", transfer->site.host,
              transfer->site.port);
    http_pool_finish(transfer, &err);
}

static bool begin(struct http_transfer *transfer, struct error *err)
{
    struct http_pool *pool = transfer->pool;
    struct http_pool_multi *multi = http_pool_multi_of(pool, transfer->site_key, err);
    struct http_pool_easy *easy = multi != NULL ? take_easy(pool, err) : NULL;
    if (easy == NULL)
        return false;
    transfer->easy = easy;
    transfer->multi = multi;
    return http_transfer_begin(transfer, err);
}

static bool may_start(const struct http_pool *pool)
{
    size_t most = pool->config.max_parallel;
    return pool->running.count - pool->stalled < most && pool->running.count < HTTP_POOL_TIMES * most;
}

static void start_waiting(struct http_pool *pool)
{
    struct http_transfer *transfer;
    while (may_start(pool) && (transfer = http_chain_first(&pool->waiting)) != NULL) {
        struct error err;
        http_chain_remove(&transfer->link);
        http_chain_add(&pool->running, &transfer->link, transfer);
        pool->counts.started++;
        if (!begin(transfer, &err))
            http_pool_finish(transfer, &err);
    }
    if (pool->running.count > 0 && !pool->ticking) {
        pool->ticking = true;
        loop_timer_set(pool->tick, TICK_MS, TICK_MS);
    }
}

/* ---- turns of the loop ---- */

void http_pool_kick(struct http_pool *pool)
{
    if (pool->kicked || pool->closing)
        return;
    pool->kicked = true;
    loop_timer_set(pool->kick, 0, 0);
}

static void look_after(struct http_transfer *transfer)
{
    http_chain_remove(&transfer->due);
    if (transfer->cancelled) {
        finish_cancelled(transfer);
        return;
    }
    if (transfer->broken) {
        http_pool_finish(transfer, &transfer->err);
        return;
    }
    bool resumes = transfer->resumed && transfer->paused;
    transfer->resumed = false;
    CURLcode code = resumes ? http_transfer_go_on(transfer) : CURLE_OK;
    struct error err;
    if (code != CURLE_OK && !http_transfer_outcome(transfer, code, &err))
        http_pool_finish(transfer, &err);
}

static void on_kick(void *context, uint64_t times)
{
    struct http_pool *pool = context;
    (void)times;
    pool->kicked = false;
    /* what becomes due meanwhile has the next turn */
    struct http_transfer *transfer;
    for (size_t left = pool->due.count; left > 0 && (transfer = http_chain_first(&pool->due)) != NULL; left--)
        look_after(transfer);
    start_waiting(pool);
    struct http_pool_multi *multi;
    for (size_t left = pool->due_multis.count;
         left > 0 && (multi = http_chain_first(&pool->due_multis)) != NULL; left--) {
        http_chain_remove(&multi->due);
        http_pool_multi_drive(multi, CURL_SOCKET_TIMEOUT, 0);
    }
}

static void on_tick(void *context, uint64_t times)
{
    struct http_pool *pool = context;
    int64_t now_us = clock_monotonic_us(clock_system());
    (void)times;
    const struct http_link *next;
    for (const struct http_link *link = pool->running.first; link != NULL; link = next) {
        struct http_transfer *transfer = link->owner;
        struct error err;
        next = link->next; /* done may start and cancel, but that waits for the next kick */
        if (http_transfer_in_time(transfer, now_us, &err))
            note_stall(transfer, http_transfer_stalls(transfer, now_us));
        else
            http_pool_finish(transfer, &err);
    }
    if (pool->waiting.count > 0)
        http_pool_kick(pool);
    if (pool->running.count == 0) {
        pool->ticking = false;
        loop_timer_set(pool->tick, -1, 0);
    }
}

/* ---- what callers call ---- */

/* Fewer connections are kept when there are not descriptors enough for those that are at work. */
static void fit_into_descriptors(struct http_pool_config *config)
{
    size_t at_work = config->max_parallel * HTTP_POOL_TIMES + FDS_ELSEWHERE;
    size_t idle = config->max_idle < IDLE_MAX ? config->max_idle : IDLE_MAX;
    size_t limit = process_raise_descriptors(at_work + idle * FDS_PER_10_KEPT / 10);
    size_t left = limit > at_work ? (limit - at_work) * 10 / FDS_PER_10_KEPT : 0;
    config->max_idle = idle < left ? idle : left;
}

static bool pool_start(struct http_pool *pool, struct error *err)
{
    const struct http_pool_config *config = &pool->config;
    fit_into_descriptors(&pool->config);
    pool->multi_count = (config->max_idle + HOSTS_A_MULTI - 1) / HOSTS_A_MULTI;
    if (pool->multi_count == 0)
        pool->multi_count = 1;
    if (pool->multi_count > MULTIS_MAX)
        pool->multi_count = MULTIS_MAX;
    pool->multis = calloc(pool->multi_count, sizeof(struct http_pool_multi *));
    if (pool->multis == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for connections");
    pool->kick = loop_timer(config->loop, -1, 0, on_kick, pool, err);
    if (pool->kick != NULL)
        pool->tick = loop_timer(config->loop, -1, 0, on_tick, pool, err);
    return pool->tick != NULL;
}

struct http_pool *http_pool_new(const struct http_pool_config *config, struct error *err)
{
    struct http_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for connections");
        return NULL;
    }
    pool->config = *config;
    if (pool->config.max_parallel == 0)
        pool->config.max_parallel = 1;
    if (pool->config.connect_ms <= 0)
        pool->config.connect_ms = HTTP_CLIENT_CONNECT_MS;
    if (!pool_start(pool, err)) {
        http_pool_free(pool);
        return NULL;
    }
    return pool;
}

void http_pool_free(struct http_pool *pool)
{
    if (pool == NULL)
        return;
    pool->closing = true;
    for (struct http_transfer *transfer; (transfer = http_chain_first(&pool->running)) != NULL;)
        finish_cancelled(transfer);
    for (struct http_transfer *transfer; (transfer = http_chain_first(&pool->waiting)) != NULL;)
        finish_cancelled(transfer);
    http_pool_multis_free(pool);
    free_easies(pool);
    loop_remove(pool->kick);
    loop_remove(pool->tick);
    free(pool);
}

struct http_transfer *http_pool_start(struct http_pool *pool, const struct http_pool_request *request,
                                      struct error *err)
{
    if (pool->closing) {
        error_set(err, ERR_CANCELLED, "no more requests: it ends");
        return NULL;
    }
    struct http_transfer *transfer = http_transfer_new(pool, request, err);
    if (transfer == NULL)
        return NULL;
    http_chain_add(&pool->waiting, &transfer->link, transfer);
    http_pool_kick(pool);
    return transfer;
}

static void make_due(struct http_transfer *transfer)
{
    if (transfer->finished)
        return;
    http_chain_add(&transfer->pool->due, &transfer->due, transfer);
    http_pool_kick(transfer->pool);
}

void http_transfer_resume(struct http_transfer *transfer)
{
    transfer->resumed = true;
    make_due(transfer);
}

void http_transfer_cancel(struct http_transfer *transfer)
{
    transfer->cancelled = true;
    make_due(transfer);
}

void http_transfer_break(struct http_transfer *transfer)
{
    transfer->broken = true;
    make_due(transfer);
}

struct http_pool_counts http_pool_counts(const struct http_pool *pool)
{
    struct http_pool_counts counts = pool->counts;
    counts.running = pool->running.count;
    counts.waiting = pool->waiting.count;
    return counts;
}
