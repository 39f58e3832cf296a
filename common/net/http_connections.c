#include "common/net/http_connections.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

struct http_connection {
    bool used;
    bool closing;   /* shut down by us; its owner has not yet noticed */
    bool cut_short; /* its owner's alone */
    int fd;
    struct http_address address;
    struct http_connection_progress progress;
};

struct http_connections {
    struct http_connection_limits limits;
    const struct clock *clock;
    pthread_mutex_t lock;
    pthread_cond_t request_done;
    size_t used;       /* rows in use */
    size_t in_request; /* of these, between headers and the end of the answer */
    size_t closing;    /* of these, shut down by us */
    struct http_connection rows[];
};

/* Above this share of the table, new connections push out silent ones. */
enum { HTTP_FULL_NUMERATOR = 7, HTTP_FULL_DENOMINATOR = 8 };
enum {
    HTTP_LOOK_MS = 50, /* so often somebody who waits looks whose turn it is */
    NS_PER_S = 1000 * 1000 * 1000,
};

struct http_connections *http_connections_new(const struct http_connection_limits *limits,
                                              const struct clock *clock, struct error *err)
{
    struct http_connections *table =
        calloc(1, sizeof(*table) + limits->max_connections * sizeof(table->rows[0]));
    if (table == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a table of connections");
        return NULL;
    }
    table->limits = *limits;
    table->clock = clock;
    pthread_mutex_init(&table->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&table->request_done, &attributes);
    pthread_condattr_destroy(&attributes);
    return table;
}

void http_connections_free(struct http_connections *table)
{
    if (table == NULL)
        return;
    pthread_cond_destroy(&table->request_done);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static bool is_in_request(const struct http_connection *row)
{
    return row->progress.state == HTTP_SENDS_BODY || row->progress.state == HTTP_TAKES_ANSWER;
}

static void set_state(struct http_connections *table, struct http_connection *row,
                      enum http_connection_state state)
{
    table->in_request -= is_in_request(row);
    row->progress =
        (struct http_connection_progress){.state = state, .since_us = clock_monotonic_us(table->clock)};
    table->in_request += is_in_request(row);
    if (table->in_request == 0)
        pthread_cond_broadcast(&table->request_done);
}

bool http_connections_admits(struct http_connections *table, const struct http_address *address)
{
    unsigned same = 0;
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->limits.max_connections; i++)
        same += table->rows[i].used && strcmp(table->rows[i].address.key, address->key) == 0;
    pthread_mutex_unlock(&table->lock);
    return same < table->limits.max_connections_an_address;
}

/* Under the lock. */
static void shut(struct http_connections *table, struct http_connection *row,
                 enum http_connection_verdict how)
{
    if (how == HTTP_ABORT)
        setsockopt(row->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1, .l_linger = 0},
                   sizeof(struct linger));
    shutdown(row->fd, SHUT_RDWR);
    table->closing += !row->closing;
    row->closing = true;
}

/* Silent from the beginning goes before silent after a request; the older goes first. */
static bool goes_before(const struct http_connection *a, const struct http_connection *b)
{
    if (b == NULL || a->progress.state != b->progress.state)
        return b == NULL || a->progress.state < b->progress.state;
    return a->progress.since_us < b->progress.since_us;
}

static void push_one_out(struct http_connections *table)
{
    struct http_connection *first = NULL;
    for (size_t i = 0; i < table->limits.max_connections; i++) {
        struct http_connection *row = &table->rows[i];
        if (row->used && !row->closing && !is_in_request(row) && goes_before(row, first))
            first = row;
    }
    if (first != NULL)
        shut(table, first, HTTP_CLOSE);
}

struct http_connection *http_connections_add(struct http_connections *table, int fd,
                                             const struct http_address *address)
{
    struct http_connection *row = NULL;
    pthread_mutex_lock(&table->lock);
    size_t full_at = (size_t)table->limits.max_connections * HTTP_FULL_NUMERATOR / HTTP_FULL_DENOMINATOR;
    if (table->used - table->closing >= full_at)
        push_one_out(table);
    for (size_t i = 0; i < table->limits.max_connections && row == NULL; i++) {
        if (!table->rows[i].used)
            row = &table->rows[i];
    }
    if (row != NULL) {
        *row = (struct http_connection){.used = true, .fd = fd, .address = *address};
        table->used++;
        set_state(table, row, HTTP_OWES_FIRST_HEADERS);
    }
    pthread_mutex_unlock(&table->lock);
    return row;
}

void http_connections_remove(struct http_connections *table, struct http_connection *row)
{
    pthread_mutex_lock(&table->lock);
    set_state(table, row, HTTP_OWES_NEXT_HEADERS);
    table->closing -= row->closing;
    table->used--;
    row->used = false;
    pthread_mutex_unlock(&table->lock);
}

const struct http_address *http_connection_address(const struct http_connection *row)
{
    return &row->address;
}

static void change_state(struct http_connections *table, struct http_connection *row,
                         enum http_connection_state state)
{
    pthread_mutex_lock(&table->lock);
    set_state(table, row, state);
    pthread_mutex_unlock(&table->lock);
}

void http_connection_headers_done(struct http_connections *table, struct http_connection *row,
                                  bool body_follows)
{
    change_state(table, row, body_follows ? HTTP_SENDS_BODY : HTTP_TAKES_ANSWER);
}

void http_connection_answers(struct http_connections *table, struct http_connection *row)
{
    if (row->progress.state != HTTP_TAKES_ANSWER) /* written by this thread alone */
        change_state(table, row, HTTP_TAKES_ANSWER);
}

void http_connection_request_done(struct http_connections *table, struct http_connection *row)
{
    change_state(table, row, HTTP_OWES_NEXT_HEADERS);
}

void http_connection_set_cut_short(struct http_connection *row)
{
    row->cut_short = true;
}

bool http_connection_cut_short(const struct http_connection *row)
{
    return row->cut_short;
}

int http_connection_fd(const struct http_connection *row)
{
    return row->fd;
}

void http_connection_abort(struct http_connections *table, struct http_connection *row)
{
    pthread_mutex_lock(&table->lock);
    shut(table, row, HTTP_ABORT);
    pthread_mutex_unlock(&table->lock);
}

static bool tcp_info_of(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof(*info);
    memset(info, 0, sizeof(*info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

bool http_connection_peer_left(const struct http_connection *row)
{
    /* include/net/tcp_states.h: no header for programs has them beside linux/tcp.h */
    enum { TCP_STATE_ESTABLISHED = 1 };
    struct tcp_info info;
    return tcp_info_of(row->fd, &info) && info.tcpi_state != TCP_STATE_ESTABLISHED;
}

/* ---- what is due ---- */

static enum http_connection_verdict judge_floor(struct http_connection_progress *progress,
                                                const struct http_connection_limits *limits,
                                                const struct http_connection_sample *sample, uint64_t moved,
                                                uint64_t expected)
{
    uint64_t taken = moved - progress->window_bytes;
    if (!progress->waiting || taken >= progress->window_expected) {
        progress->waiting = true;
        progress->window_us = sample->now_us;
        progress->window_bytes = moved;
        progress->window_expected = expected;
        return HTTP_KEEP;
    }
    int64_t window_us = (int64_t)limits->progress_window_ms * US_PER_MS;
    if (sample->now_us - progress->window_us < window_us)
        return HTTP_KEEP;
    uint64_t floor = (uint64_t)limits->progress_floor_bytes_s * (uint64_t)limits->progress_window_ms /
                     (US_PER_S / US_PER_MS);
    if (taken < floor)
        return HTTP_ABORT;
    progress->waiting = false;
    return judge_floor(progress, limits, sample, moved, expected);
}

enum http_connection_verdict http_connection_judge(struct http_connection_progress *progress,
                                                   const struct http_connection_limits *limits,
                                                   const struct http_connection_sample *sample)
{
    if (progress->state == HTTP_OWES_FIRST_HEADERS)
        return sample->now_us - progress->since_us >= (int64_t)limits->first_header_deadline_ms * US_PER_MS
                   ? HTTP_CLOSE
                   : HTTP_KEEP;
    if (progress->state == HTTP_SENDS_BODY && sample->unread_bytes == 0)
        return judge_floor(progress, limits, sample, sample->received_bytes, UINT64_MAX);
    if (progress->state != HTTP_SENDS_BODY && sample->unsent_bytes > 0) {
        progress->since_us = sample->now_us; /* idle begins when the answer's last byte is taken */
        return judge_floor(progress, limits, sample, sample->acked_bytes, sample->unsent_bytes);
    }
    progress->waiting = false;
    if (progress->state == HTTP_OWES_NEXT_HEADERS &&
        sample->now_us - progress->since_us >= (int64_t)limits->idle_ms * US_PER_MS)
        return HTTP_CLOSE;
    return HTTP_KEEP;
}

static enum http_connection_verdict look_at(const struct http_connections *table, struct http_connection *row,
                                            int64_t now_us)
{
    struct http_connection_sample sample = {.now_us = now_us};
    struct tcp_info info;
    int unsent = 0, unread = 0;
    if (row->progress.state != HTTP_OWES_FIRST_HEADERS) {
        if (!tcp_info_of(row->fd, &info) || ioctl(row->fd, SIOCOUTQ, &unsent) != 0 ||
            ioctl(row->fd, SIOCINQ, &unread) != 0)
            return HTTP_KEEP; /* no longer a connection: its owner finds out */
        sample.received_bytes = info.tcpi_bytes_received;
        sample.acked_bytes = info.tcpi_bytes_acked;
        sample.unsent_bytes = (uint64_t)unsent;
        sample.unread_bytes = (uint64_t)unread;
    }
    return http_connection_judge(&row->progress, &table->limits, &sample);
}

size_t http_connections_sweep(struct http_connections *table)
{
    size_t closed = 0;
    pthread_mutex_lock(&table->lock);
    int64_t now_us = clock_monotonic_us(table->clock);
    for (size_t i = 0; i < table->limits.max_connections; i++) {
        struct http_connection *row = &table->rows[i];
        if (!row->used || row->closing)
            continue;
        enum http_connection_verdict verdict = look_at(table, row, now_us);
        if (verdict != HTTP_KEEP) {
            shut(table, row, verdict);
            closed++;
        }
    }
    pthread_mutex_unlock(&table->lock);
    return closed;
}

/* What is next is ours to do: to read what has come, or to write where there is room. */
static bool is_our_turn(const struct http_connection *row)
{
    int unsent = 0, unread = 0;
    if (!row->used || row->closing || !is_in_request(row) || ioctl(row->fd, SIOCOUTQ, &unsent) != 0 ||
        ioctl(row->fd, SIOCINQ, &unread) != 0)
        return false;
    return row->progress.state == HTTP_SENDS_BODY ? unread > 0 : unsent == 0;
}

/* Under the lock. */
static bool anything_is_ours(const struct http_connections *table)
{
    for (size_t i = 0; i < table->limits.max_connections; i++) {
        if (is_our_turn(&table->rows[i]))
            return true;
    }
    return false;
}

/* Under the lock, which it gives up meanwhile. */
static void wait_for_requests(struct http_connections *table, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / US_PER_S,
                                   .tv_nsec = until_us % US_PER_S * (NS_PER_S / US_PER_S)};
    int result = 0;
    while (table->in_request > 0 && result == 0)
        result = pthread_cond_timedwait(&table->request_done, &table->lock, &until);
}

bool http_connections_wait_idle(struct http_connections *table, int grace_ms, int most_ms)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    int64_t most_us = now_us + (int64_t)most_ms * US_PER_MS;
    pthread_mutex_lock(&table->lock);
    wait_for_requests(table, now_us + (int64_t)grace_ms * US_PER_MS);
    while (table->in_request > 0 && anything_is_ours(table)) {
        now_us = clock_monotonic_us(clock_system());
        if (now_us >= most_us)
            break;
        wait_for_requests(table, now_us + HTTP_LOOK_MS * US_PER_MS);
    }
    bool idle = table->in_request == 0;
    pthread_mutex_unlock(&table->lock);
    return idle;
}

size_t http_connections_count(struct http_connections *table)
{
    pthread_mutex_lock(&table->lock);
    size_t used = table->used;
    pthread_mutex_unlock(&table->lock);
    return used;
}
