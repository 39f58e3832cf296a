#include "portal/live.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "portal/alarms.h"
#include "portal/api.h"
#include "portal/status.h"
#include "portal/update.h"

enum { ALARM_EVENT_MAX_BYTES = 8 * 1024 };

struct live {
    struct portal *portal;
    struct http_events *events;
    int wake_fd; /* eventfd: somebody has begun to watch */
    struct loop_watch *wake, *timer, *folder, *queue;
    atomic_bool send_all; /* with the next event: whoever came since the last one may have missed it */
    pthread_mutex_t
        update_lock; /* nobody begins to watch between reading the update's state and sending it */
    /* the loop's thread alone: */
    char store_id[STORE_ID_BYTES];
    int64_t sent_seq;         /* of store_id: all up to it were sent */
    struct alarm_mark alarms; /* those up to it were sent */
    struct buf update;        /* its state as it was sent */
};

/* ---- what is sent ---- */

static void write_values(const struct portal *portal, const struct latest *latest, int64_t after,
                         struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    api_write_latest(portal, &writer, latest, after);
}

static void write_health(const struct portal *portal, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_time_us(&writer, "time", clock_utc_us(portal->daemon.clock));
    status_write_health(portal, &writer);
    json_end_object(&writer);
}

static int64_t newest_seq(const struct latest *latest)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < latest->count; i++) {
        if (latest->rows[i].seq > newest)
            newest = latest->rows[i].seq;
    }
    return newest;
}

/* From which seq on values are sent: everything when the store is another one or somebody asked for all. */
static int64_t send_after(struct live *live, const struct latest *latest)
{
    bool all = atomic_exchange(&live->send_all, false) || strcmp(live->store_id, latest->store_id) != 0;
    return all ? INT64_MIN : live->sent_seq;
}

static void send_values(struct live *live)
{
    SCOPE_LATEST struct latest latest = {0};
    struct error err;
    if (!readings_latest(live->portal->readings, &latest, &err)) {
        log_debug(&live->portal->daemon.log, "live values: %s", err.text);
        return;
    }
    int64_t after = send_after(live, &latest);
    int64_t newest = newest_seq(&latest);
    if (newest <= after)
        return;
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    write_values(live->portal, &latest, after, &text);
    if (!buf_check(&text, "an event", &err))
        return;
    http_events_send(live->events, "reading", NULL, buf_view(&text));
    live->sent_seq = newest;
    memcpy(live->store_id, latest.store_id, sizeof(live->store_id));
}

static void send_health(struct live *live)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    write_health(live->portal, &text);
    if (buf_check(&text, "an event", NULL))
        http_events_send(live->events, "service", NULL, buf_view(&text));
}

static void send_alarms(struct live *live)
{
    SCOPE_ALARM_LIST struct alarm_list news = {0};
    struct error err;
    if (!readings_alarm_news(live->portal->readings, &live->alarms, &news, &err)) {
        log_debug(&live->portal->daemon.log, "live alarms: %s", err.text);
        return;
    }
    for (size_t i = 0; i < news.count; i++) {
        SCOPE_BUF struct buf text = BUF_LIMIT(ALARM_EVENT_MAX_BYTES);
        struct json_writer writer;
        json_writer_init(&writer, &text);
        alarms_write(&writer, &news.alarms[i], news.channels, news.channel_count);
        if (buf_check(&text, "an event", NULL))
            http_events_send(live->events, "alarm", NULL, buf_view(&text));
    }
}

/* ---- the update ---- */

/* Returns the event's name; NULL when there is nothing to tell: no update ever, or the state cannot be read.
 */
static const char *write_update(const struct portal *portal, struct buf *out)
{
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    struct error err;
    struct json_writer writer;
    if (!pending_read(portal->daemon.appliance.root, &pending, &err)) {
        log_warn(&portal->daemon.log, "update: %s", err.text);
        return NULL;
    }
    json_writer_init(&writer, out);
    update_write_status(portal, &pending, &writer);
    if (pending.state == UPDATE_NONE || !buf_check(out, "an event", NULL))
        return NULL;
    return pending.state == UPDATE_PENDING ? "update_available" : "update";
}

/* Under the lock. One change is several files: only what another state comes of is sent. */
static void send_update(struct live *live)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(UPDATE_STATUS_MAX_BYTES);
    const char *event = write_update(live->portal, &text);
    if (event == NULL || view_equal(buf_view(&text), buf_view(&live->update)))
        return;
    http_events_send(live->events, event, NULL, buf_view(&text));
    buf_clear(&live->update);
    (void)buf_append_view(&live->update, buf_view(&text)); /* not kept: it is sent once more */
}

static void on_queue(void *context, const char *name)
{
    static const char *const names[] = {"meta.json", "approved.json", "state.json"};
    struct live *live = context;
    bool ours = name == NULL;
    for (size_t i = 0; !ours && i < COUNT_OF(names); i++)
        ours = strcmp(name, names[i]) == 0;
    if (!ours)
        return;
    pthread_mutex_lock(&live->update_lock);
    send_update(live);
    pthread_mutex_unlock(&live->update_lock);
}

/* ---- the loop's callbacks ---- */

/* Nobody watches: who comes next asks for the alarms itself. */
static void rest(struct live *live)
{
    loop_timer_set(live->timer, -1, 0);
    live->alarms = (struct alarm_mark){.store_id = ""};
}

static void send_news(struct live *live)
{
    send_values(live);
    send_alarms(live);
}

static void on_timer(void *context, uint64_t times)
{
    struct live *live = context;
    (void)times;
    if (http_events_subscribers(live->events) == 0)
        rest(live);
    else
        send_news(live);
}

static void on_wake(void *context, uint32_t events)
{
    struct live *live = context;
    uint64_t count;
    (void)events;
    if (read(live->wake_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
        loop_timer_set(live->timer, LIVE_PERIOD_MS, LIVE_PERIOD_MS);
}

static void on_folder(void *context, const char *name)
{
    struct live *live = context;
    bool ours =
        name == NULL || strcmp(name, STATUS_WATCHDOG_FILE) == 0 || strcmp(name, STATUS_COLLECTOR_FILE) == 0;
    if (ours && http_events_subscribers(live->events) > 0)
        send_health(live);
}

/* ---- start and stop ---- */

static bool add_watches(struct live *live, struct error *err)
{
    struct loop *loop = live->portal->daemon.loop;
    struct path run;
    struct path queue;
    live->wake = loop_fd(loop, live->wake_fd, EPOLLIN, on_wake, live, err);
    if (live->wake == NULL)
        return false;
    live->timer = loop_timer(loop, -1, 0, on_timer, live, err);
    if (live->timer == NULL)
        return false;
    if (!appliance_path(&live->portal->daemon.appliance, "run", &run, err))
        return false;
    live->folder = loop_folder(loop, run.text, on_folder, live, err);
    if (live->folder == NULL ||
        !appliance_path(&live->portal->daemon.appliance, "pending_update", &queue, err))
        return false;
    live->queue = loop_folder(loop, queue.text, on_queue, live, err);
    return live->queue != NULL;
}

struct live *live_start(struct portal *portal, struct error *err)
{
    struct live *live = calloc(1, sizeof(*live));
    if (live == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for live values");
        return NULL;
    }
    live->portal = portal;
    live->update = (struct buf)BUF_LIMIT(UPDATE_STATUS_MAX_BYTES);
    pthread_mutex_init(&live->update_lock, NULL);
    live->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (live->wake_fd < 0)
        error_set_errno(err, "eventfd");
    else
        live->events = http_events_new(portal->server, err);
    if (live->events == NULL || !add_watches(live, err)) {
        live_stop(live);
        live_free(live);
        return NULL;
    }
    return live;
}

void live_stop(struct live *live)
{
    if (live == NULL)
        return;
    loop_remove(live->queue);
    loop_remove(live->folder);
    loop_remove(live->timer);
    loop_remove(live->wake);
    if (live->events != NULL)
        http_events_free(live->events);
}

void live_free(struct live *live)
{
    if (live == NULL)
        return;
    if (live->wake_fd >= 0)
        close(live->wake_fd);
    pthread_mutex_destroy(&live->update_lock);
    buf_clear(&live->update);
    free(live);
}

/* ---- a new watcher ---- */

static void add_first_values(const struct portal *portal, struct buf *first)
{
    SCOPE_LATEST struct latest latest = {0};
    SCOPE_BUF struct buf data = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    if (!readings_latest(portal->readings, &latest, NULL))
        return; /* no store yet: the first values come when there is one */
    write_values(portal, &latest, INT64_MIN, &data);
    if (buf_check(&data, "an event", NULL))
        http_event_format(first, "reading", NULL, buf_view(&data));
}

static void add_update(const struct portal *portal, struct buf *first)
{
    SCOPE_BUF struct buf data = BUF_LIMIT(UPDATE_STATUS_MAX_BYTES);
    const char *event = write_update(portal, &data);
    if (event != NULL)
        http_event_format(first, event, NULL, buf_view(&data));
}

void live_subscribe(struct live *live, struct http_request *request)
{
    SCOPE_BUF struct buf first = BUF_LIMIT((size_t)2 * PORTAL_JSON_MAX_BYTES);
    SCOPE_BUF struct buf health = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    write_health(live->portal, &health);
    if (buf_check(&health, "an event", NULL))
        http_event_format(&first, "service", NULL, buf_view(&health));
    add_first_values(live->portal, &first);
    pthread_mutex_lock(&live->update_lock);
    add_update(live->portal, &first);
    http_events_subscribe(live->events, request, buf_view(&first));
    pthread_mutex_unlock(&live->update_lock);
    atomic_store(&live->send_all, true);
    uint64_t one = 1;
    if (write(live->wake_fd, &one, sizeof(one)) < 0)
        log_debug(&live->portal->daemon.log, "the timer of live values runs already");
}
