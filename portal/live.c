#include "portal/live.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "portal/alarms.h"
#include "portal/api.h"
#include "portal/status.h"

enum { ALARM_EVENT_MAX_BYTES = 8 * 1024 };

struct live {
    struct portal *portal;
    struct http_events *events;
    int wake_fd; /* eventfd: somebody has begun to watch */
    struct loop_watch *wake, *timer, *folder;
    atomic_bool send_all; /* with the next event: whoever came since the last one may have missed it */
    /* the loop's thread alone: */
    char store_id[STORE_ID_BYTES];
    int64_t sent_seq;         /* of store_id: all up to it were sent */
    struct alarm_mark alarms; /* those up to it were sent */
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
    live->wake = loop_fd(loop, live->wake_fd, EPOLLIN, on_wake, live, err);
    if (live->wake == NULL)
        return false;
    live->timer = loop_timer(loop, -1, 0, on_timer, live, err);
    if (live->timer == NULL)
        return false;
    if (!appliance_path(&live->portal->daemon.appliance, "run", &run, err))
        return false;
    live->folder = loop_folder(loop, run.text, on_folder, live, err);
    return live->folder != NULL;
}

struct live *live_start(struct portal *portal, struct error *err)
{
    struct live *live = calloc(1, sizeof(*live));
    if (live == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for live values");
        return NULL;
    }
    live->portal = portal;
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

void live_subscribe(struct live *live, struct http_request *request)
{
    SCOPE_BUF struct buf first = BUF_LIMIT((size_t)2 * PORTAL_JSON_MAX_BYTES);
    SCOPE_BUF struct buf health = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    write_health(live->portal, &health);
    if (buf_check(&health, "an event", NULL))
        http_event_format(&first, "service", NULL, buf_view(&health));
    add_first_values(live->portal, &first);
    http_events_subscribe(live->events, request, buf_view(&first));
    atomic_store(&live->send_all, true);
    uint64_t one = 1;
    if (write(live->wake_fd, &one, sizeof(one)) < 0)
        log_debug(&live->portal->daemon.log, "the timer of live values runs already");
}
