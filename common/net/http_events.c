/* Event streams: each subscriber has a bounded queue; its connection is suspended while that is empty.
 * Locks: a hub's before libmicrohttpd's own and before the connection table's; never the other way round. */
#include <stdlib.h>
#include <string.h>

#include "common/net/http_internal.h"

struct subscriber {
    struct http_events *hub;
    struct subscriber *next;
    struct MHD_Connection *connection;
    struct http_connection *row;
    struct buf queue;
    int64_t last_us; /* when something was last queued */
    bool suspended;
    bool ended; /* its stream ends when the queue is empty */
};

struct http_events {
    struct http_server *server;
    struct http_events *next; /* the server's list */
    pthread_mutex_t lock;
    struct subscriber *subscribers;
    size_t count;
    bool closed;
};

static const char sse_beginning[] = "retry: 3000\n\n"; /* ms until EventSource comes back */
static const char sse_heartbeat[] = ":\n\n";

/* Under the hub's lock. */
static void wake(struct subscriber *subscriber)
{
    if (!subscriber->suspended)
        return;
    subscriber->suspended = false;
    MHD_resume_connection(subscriber->connection);
}

/* Under the hub's lock. One that cannot take it is dropped: it neither reads nor asks. */
static void queue(struct subscriber *subscriber, struct view text, int64_t now_us)
{
    if (subscriber->ended)
        return;
    subscriber->last_us = now_us;
    if (!buf_append_view(&subscriber->queue, text)) {
        subscriber->ended = true;
        http_connection_abort(subscriber->hub->server->connections, subscriber->row);
    }
    wake(subscriber);
}

struct http_events *http_events_new(struct http_server *server, struct error *err)
{
    struct http_events *hub = calloc(1, sizeof(*hub));
    if (hub == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an event stream");
        return NULL;
    }
    hub->server = server;
    pthread_mutex_init(&hub->lock, NULL);
    pthread_mutex_lock(&server->hubs_lock);
    hub->next = server->hubs;
    server->hubs = hub;
    pthread_mutex_unlock(&server->hubs_lock);
    return hub;
}

void http_events_end(struct http_events *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->closed = true;
    for (struct subscriber *s = hub->subscribers; s != NULL; s = s->next) {
        s->ended = true;
        wake(s);
    }
    pthread_mutex_unlock(&hub->lock);
}

/* The hub's memory stays until the server's end: a request under way may still hold it. */
void http_events_free(struct http_events *events)
{
    if (events != NULL)
        http_events_end(events);
}

struct http_events *http_events_next(struct http_events *hub)
{
    return hub->next;
}

struct http_events *http_events_destroy(struct http_events *hub)
{
    struct http_events *next = hub->next;
    pthread_mutex_destroy(&hub->lock);
    free(hub);
    return next;
}

/* ---- a subscriber ---- */

static ssize_t read_events(void *context, uint64_t position, char *out, size_t out_bytes)
{
    struct subscriber *subscriber = context;
    ssize_t size = 0;
    (void)position;
    pthread_mutex_lock(&subscriber->hub->lock);
    if (subscriber->queue.size > 0) {
        size_t some = subscriber->queue.size < out_bytes ? subscriber->queue.size : out_bytes;
        memcpy(out, subscriber->queue.data, some);
        buf_consume(&subscriber->queue, some);
        size = (ssize_t)some;
    } else if (subscriber->ended) {
        size = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        subscriber->suspended = true;
        MHD_suspend_connection(subscriber->connection);
    }
    pthread_mutex_unlock(&subscriber->hub->lock);
    return size;
}

static void free_subscriber(void *context)
{
    struct subscriber *subscriber = context;
    struct http_events *hub = subscriber->hub;
    pthread_mutex_lock(&hub->lock);
    struct subscriber **at = &hub->subscribers;
    while (*at != subscriber)
        at = &(*at)->next;
    *at = subscriber->next;
    hub->count--;
    pthread_mutex_unlock(&hub->lock);
    buf_clear(&subscriber->queue);
    free(subscriber);
}

static struct subscriber *add_subscriber(struct http_events *hub, struct http_request *request,
                                         struct view first)
{
    struct subscriber *subscriber = calloc(1, sizeof(*subscriber));
    if (subscriber == NULL)
        return NULL;
    subscriber->hub = hub;
    subscriber->connection = request->connection;
    subscriber->row = request->row;
    subscriber->queue.limit_bytes = HTTP_SSE_MAX_QUEUED_BYTES;
    subscriber->last_us = clock_monotonic_us(hub->server->config.clock);
    buf_append_text(&subscriber->queue, sse_beginning);
    buf_append_view(&subscriber->queue, first);
    pthread_mutex_lock(&hub->lock);
    bool room = hub->count < HTTP_SSE_MAX_SUBSCRIBERS && !hub->closed;
    if (room) {
        subscriber->next = hub->subscribers;
        hub->subscribers = subscriber;
        hub->count++;
    }
    pthread_mutex_unlock(&hub->lock);
    if (room)
        return subscriber;
    buf_clear(&subscriber->queue);
    free(subscriber);
    return NULL;
}

void http_events_subscribe(struct http_events *events, struct http_request *request, struct view first)
{
    struct subscriber *subscriber = add_subscriber(events, request, first);
    if (subscriber == NULL) {
        http_answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too_many_streams",
                          "as many follow already as this machine serves: close a page, then try again");
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK_BYTES, read_events, subscriber, free_subscriber);
    if (response == NULL)
        free_subscriber(subscriber);
    http_add_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    http_answer_take_stream(request, MHD_HTTP_OK, "text/event-stream", response);
}

size_t http_events_subscribers(struct http_events *events)
{
    pthread_mutex_lock(&events->lock);
    size_t count = events->count;
    pthread_mutex_unlock(&events->lock);
    return count;
}

/* ---- events ---- */

void http_event_format(struct buf *out, const char *event, const char *id, struct view data)
{
    if (event != NULL)
        buf_printf(out, "event: %s\n", event);
    if (id != NULL)
        buf_printf(out, "id: %s\n", id);
    buf_append_text(out, "data: ");
    buf_append_view(out, data);
    buf_append_text(out, "\n\n");
}

void http_events_send(struct http_events *events, const char *event, const char *id, struct view data)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(HTTP_SSE_MAX_QUEUED_BYTES);
    struct error err;
    http_event_format(&text, event, id, data);
    if (!buf_check(&text, "an event", &err)) {
        log_warn(events->server->config.log, "%s", err.text);
        return;
    }
    int64_t now_us = clock_monotonic_us(events->server->config.clock);
    pthread_mutex_lock(&events->lock);
    for (struct subscriber *s = events->subscribers; s != NULL; s = s->next)
        queue(s, buf_view(&text), now_us);
    pthread_mutex_unlock(&events->lock);
}

void http_events_tick(struct http_events *hub, int64_t now_us)
{
    int64_t period_us = (int64_t)hub->server->config.sse_heartbeat_ms * US_PER_MS;
    pthread_mutex_lock(&hub->lock);
    for (struct subscriber *s = hub->subscribers; s != NULL; s = s->next) {
        if (s->suspended && http_connection_peer_left(s->row)) {
            s->ended = true;
            wake(s);
        } else if (now_us - s->last_us >= period_us) {
            queue(s, VIEW_LITERAL(sse_heartbeat), now_us);
        }
    }
    pthread_mutex_unlock(&hub->lock);
}
