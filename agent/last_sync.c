#include "agent/last_sync.h"

#include "common/base/rfc3339.h"
#include "common/base/text.h"

enum { LAST_SYNC_MAX_BYTES = 64, LAST_SYNC_MODE = 0644 };

static int64_t read_time(const char *path)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(LAST_SYNC_MAX_BYTES);
    int64_t time_us;
    if (!file_read_path(path, &text, NULL))
        return INT64_MIN;
    struct view rest = buf_view(&text);
    return rfc3339_parse_us(text_cut(&rest, '\n'), &time_us) ? time_us : INT64_MIN;
}

void last_sync_init(struct last_sync *last, const struct path *path)
{
    last->path = *path;
    last->time_us = read_time(path->text);
    last->unwritten = false;
    pthread_mutex_init(&last->lock, NULL);
}

void last_sync_clear(struct last_sync *last)
{
    pthread_mutex_destroy(&last->lock);
}

void last_sync_note(struct last_sync *last, int64_t time_us)
{
    pthread_mutex_lock(&last->lock);
    last->time_us = time_us;
    last->unwritten = true;
    pthread_mutex_unlock(&last->lock);
}

int64_t last_sync_time_us(struct last_sync *last)
{
    pthread_mutex_lock(&last->lock);
    int64_t time_us = last->time_us;
    pthread_mutex_unlock(&last->lock);
    return time_us;
}

bool last_sync_flush(struct last_sync *last, struct error *err)
{
    pthread_mutex_lock(&last->lock);
    bool unwritten = last->unwritten;
    int64_t time_us = last->time_us;
    last->unwritten = false;
    pthread_mutex_unlock(&last->lock);
    if (!unwritten)
        return true;

    char text[RFC3339_US_BYTES];
    rfc3339_format_us(text, time_us);
    text[sizeof(text) - 1] = '\n';
    if (file_replace(last->path.text, (struct view){text, sizeof(text)}, LAST_SYNC_MODE, err))
        return true;
    pthread_mutex_lock(&last->lock);
    last->unwritten = true;
    pthread_mutex_unlock(&last->lock);
    return false;
}
