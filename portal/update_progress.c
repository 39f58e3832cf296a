#include "portal/update_progress.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/net/json_writer.h"
#include "common/os/beneath.h"
#include "portal/progress.h"

enum { EVENT_MAX_BYTES = 4 * 1024, BACKLOG_MAX_BYTES = PROGRESS_LINES_MAX * EVENT_MAX_BYTES };

struct update_progress {
    struct portal *portal;
    struct http_events *events;
    struct loop_watch *folder;
    pthread_mutex_t lock; /* for `now`, and so that nobody subscribes between reading and sending */
    struct progress now;  /* all its lines were sent */
    struct progress read; /* the loop's alone */
};

/* ---- the file ---- */

/* False when there is none, or none that can be read now: another change will say so. */
static bool read_file(struct update_progress *progress)
{
    const struct portal *portal = progress->portal;
    struct path path;
    struct stat about;
    struct error err = {.code = ERR_NONE};
    SCOPE_BUF struct buf text = BUF_LIMIT(PROGRESS_FILE_MAX_BYTES);
    if (!path_join(&path, portal->daemon.appliance.root, "pending_update", &err))
        return false;
    SCOPE_FD int folder = file_open(path.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &err);
    SCOPE_FD int fd = folder < 0 ? -1 : file_open_beneath(folder, "progress.jsonl", &about, &err);
    if (fd < 0 || !file_read_all(fd, &text, &err)) {
        if (err.code != ERR_NOT_FOUND)
            log_warn(&portal->daemon.log, "progress.jsonl: %s", err.text);
        return false;
    }
    progress_parse(buf_view(&text), &progress->read);
    return progress->read.count > 0;
}

/* ---- events ---- */

static void write_data(const struct progress_line *line, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "step", line->step);
    json_i64(&writer, "pct", line->pct);
    json_string(&writer, "msg", line->msg);
    json_end_object(&writer);
}

static void send_line(struct update_progress *progress, const struct progress_line *line)
{
    char id[PROGRESS_ID_BYTES];
    SCOPE_BUF struct buf data = BUF_LIMIT(EVENT_MAX_BYTES);
    progress_id(&progress->read, line, id);
    write_data(line, &data);
    if (buf_check(&data, "an event", NULL))
        http_events_send(progress->events, NULL, id, buf_view(&data));
}

static void send_news(struct update_progress *progress)
{
    if (!read_file(progress))
        return;
    pthread_mutex_lock(&progress->lock);
    size_t sent = progress->read.run_us == progress->now.run_us ? progress->now.count : 0;
    for (size_t i = sent; i < progress->read.count; i++)
        send_line(progress, &progress->read.lines[i]);
    if (progress->read.count > sent)
        progress->now = progress->read;
    pthread_mutex_unlock(&progress->lock);
}

static void on_folder(void *context, const char *name)
{
    if (name == NULL || strcmp(name, "progress.jsonl") == 0)
        send_news(context);
}

/* ---- start and stop ---- */

static bool watch_folder(struct update_progress *progress, struct error *err)
{
    struct portal *portal = progress->portal;
    struct path path;
    progress->events = http_events_new(portal->server, err);
    if (progress->events == NULL || !path_join(&path, portal->daemon.appliance.root, "pending_update", err))
        return false;
    progress->folder = loop_folder(portal->daemon.loop, path.text, on_folder, progress, err);
    return progress->folder != NULL;
}

struct update_progress *update_progress_start(struct portal *portal, struct error *err)
{
    struct update_progress *progress = calloc(1, sizeof(*progress));
    if (progress == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an update's progress");
        return NULL;
    }
    progress->portal = portal;
    pthread_mutex_init(&progress->lock, NULL);
    if (!watch_folder(progress, err)) {
        update_progress_stop(progress);
        update_progress_free(progress);
        return NULL;
    }
    send_news(progress);
    return progress;
}

void update_progress_stop(struct update_progress *progress)
{
    if (progress == NULL)
        return;
    loop_remove(progress->folder);
    http_events_free(progress->events);
}

void update_progress_free(struct update_progress *progress)
{
    if (progress == NULL)
        return;
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}

/* ---- a new watcher ---- */

/* From which line on it is told. */
static size_t first_of(const struct update_progress *progress, const struct pending *pending, const char *id)
{
    bool same_run;
    size_t seen = progress_seen(&progress->now, id, &same_run);
    return same_run || progress_belongs(&progress->now, pending) ? seen : progress->now.count;
}

static void subscribe(struct update_progress *progress, struct http_request *request,
                      const struct pending *pending)
{
    SCOPE_BUF struct buf first = BUF_LIMIT(BACKLOG_MAX_BYTES);
    const char *seen = http_header(request, "Last-Event-ID");
    pthread_mutex_lock(&progress->lock);
    for (size_t i = first_of(progress, pending, seen); i < progress->now.count; i++) {
        char id[PROGRESS_ID_BYTES];
        SCOPE_BUF struct buf data = BUF_LIMIT(EVENT_MAX_BYTES);
        progress_id(&progress->now, &progress->now.lines[i], id);
        write_data(&progress->now.lines[i], &data);
        if (buf_check(&data, "an event", NULL))
            http_event_format(&first, NULL, id, buf_view(&data));
    }
    http_events_subscribe(progress->events, request, buf_view(&first));
    pthread_mutex_unlock(&progress->lock);
}

void update_progress_get(struct http_request *request)
{
    struct portal *portal = http_context(request);
    struct update_progress *progress = atomic_load(&portal->progress);
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    struct error err;
    if (progress == NULL)
        http_answer_error(request, 503, "not_ready", "the portal is starting or stopping");
    else if (!pending_read(portal->daemon.appliance.root, &pending, &err))
        http_answer_error(request, 500, "update_failed", err.text);
    else
        subscribe(progress, request, &pending);
}
