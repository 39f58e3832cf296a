#include "portal/readings.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/text.h"

struct readings {
    char folder[PATH_LIMIT_BYTES];
    pthread_mutex_t lock;        /* for the reader */
    struct store_reader *reader; /* NULL: not open */
};

struct readings *readings_new(const char *folder, struct error *err)
{
    struct readings *readings = calloc(1, sizeof(*readings));
    if (readings == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the store's reader");
        return NULL;
    }
    if (!text_copy(readings->folder, sizeof(readings->folder), view_of(folder))) {
        free(readings);
        error_set(err, ERR_LIMIT, "TELEMETRY_DIR is too long");
        return NULL;
    }
    pthread_mutex_init(&readings->lock, NULL);
    return readings;
}

void readings_free(struct readings *readings)
{
    if (readings == NULL)
        return;
    store_reader_close(readings->reader);
    pthread_mutex_destroy(&readings->lock);
    free(readings);
}

/* ---- one use of the reader: begin, a read, end ---- */

static void close_reader(struct readings *readings)
{
    store_reader_close(readings->reader);
    readings->reader = NULL;
}

static bool begin(struct readings *readings, struct error *err)
{
    pthread_mutex_lock(&readings->lock);
    if (readings->reader != NULL && store_reader_is_stale(readings->reader))
        close_reader(readings);
    if (readings->reader == NULL)
        readings->reader = store_reader_open(readings->folder, err);
    return readings->reader != NULL;
}

/* A reader that failed is opened anew the next time. Returns ok. */
static bool end(struct readings *readings, bool ok)
{
    if (!ok)
        close_reader(readings);
    pthread_mutex_unlock(&readings->lock);
    return ok;
}

static void copy_id(const struct readings *readings, char out[STORE_ID_BYTES])
{
    if (!text_copy(out, STORE_ID_BYTES, view_of(store_reader_id(readings->reader))))
        out[0] = '\0';
}

static int64_t file_bytes(const char *path)
{
    int64_t size = file_size_bytes(path);
    return size < 0 ? 0 : size;
}

static bool size_of_store(const char *folder, int64_t *out, struct error *err)
{
    struct path store;
    struct path log;
    if (!store_current_path(folder, &store, err) || !path_printf(&log, err, "%s-wal", store.text))
        return false;
    *out = file_bytes(store.text) + file_bytes(log.text);
    return true;
}

bool readings_state(struct readings *readings, struct readings_state *out, struct error *err)
{
    struct readings_state state = {0};
    bool ok = begin(readings, err) && store_reader_state(readings->reader, &state.store, err) &&
              size_of_store(readings->folder, &state.bytes, err);
    if (ok)
        copy_id(readings, state.store_id);
    if (!end(readings, ok))
        return false;
    *out = state;
    return true;
}

bool readings_channels(struct readings *readings, struct store_channel **out, size_t *count,
                       struct error *err)
{
    bool ok = begin(readings, err) && store_channels(readings->reader, out, count, err);
    return end(readings, ok);
}

bool readings_latest(struct readings *readings, struct latest *out, struct error *err)
{
    struct latest latest = {0};
    bool ok = begin(readings, err) && store_latest(readings->reader, &latest.rows, &latest.count, err);
    if (ok)
        copy_id(readings, latest.store_id);
    if (!end(readings, ok))
        return false;
    *out = latest;
    return true;
}

/* ---- history ---- */

static bool find_channel(struct store_reader *reader, struct view name, struct store_channel *out,
                         bool *found, struct error *err)
{
    SCOPE_FREE struct store_channel *channels = NULL;
    size_t count = 0;
    if (!store_channels(reader, &channels, &count, err))
        return false;
    *found = false;
    for (size_t i = 0; i < count && !*found; i++) {
        *found = view_is(name, channels[i].name);
        if (*found)
            *out = channels[i];
    }
    return true;
}

static bool read_history(struct store_reader *reader, struct view channel, int64_t from_us, int64_t to_us,
                         size_t max_points, struct channel_history *out, struct error *err)
{
    bool found;
    if (!find_channel(reader, channel, &out->channel, &found, err))
        return false;
    if (!found)
        return true;
    out->points = calloc(max_points, sizeof(*out->points));
    if (out->points == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a history");
    return store_history(reader, out->channel.channel_id, from_us, to_us, out->points, max_points,
                         &out->facts, err);
}

bool readings_history(struct readings *readings, struct view channel, int64_t from_us, int64_t to_us,
                      size_t max_points, struct channel_history *out, struct error *err)
{
    bool ok =
        begin(readings, err) && read_history(readings->reader, channel, from_us, to_us, max_points, out, err);
    return end(readings, ok);
}

/* ---- alarms ---- */

static bool count_open(struct store_reader *reader, size_t *open, struct error *err)
{
    SCOPE_FREE struct store_alarm *alarms = calloc(READINGS_OPEN_MAX, sizeof(*alarms));
    if (alarms == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for alarms");
    return store_alarms_between(reader, INT64_MAX, INT64_MAX, alarms, READINGS_OPEN_MAX, open, err);
}

static bool read_alarms(struct store_reader *reader, int64_t from_us, int64_t to_us, size_t max_alarms,
                        struct alarm_list *out, struct error *err)
{
    out->alarms = calloc(max_alarms, sizeof(*out->alarms));
    if (out->alarms == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for alarms");
    return store_alarms_between(reader, from_us, to_us, out->alarms, max_alarms, &out->count, err) &&
           count_open(reader, &out->open, err) &&
           (out->count == 0 || store_channels(reader, &out->channels, &out->channel_count, err));
}

bool readings_alarms(struct readings *readings, int64_t from_us, int64_t to_us, size_t max_alarms,
                     struct alarm_list *out, struct error *err)
{
    bool ok = begin(readings, err) && read_alarms(readings->reader, from_us, to_us, max_alarms, out, err);
    return end(readings, ok);
}

static bool read_alarm_news(struct store_reader *reader, int64_t after_seq, struct alarm_list *out,
                            struct error *err)
{
    struct store_range range;
    if (!store_alarm_range(reader, after_seq, INT64_MIN, STORE_ALARMS_CHUNK, &range, err))
        return false;
    if (range.count == 0)
        return true;
    out->alarms = calloc(STORE_ALARMS_CHUNK, sizeof(*out->alarms));
    if (out->alarms == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for alarms");
    return store_alarm_range_read(reader, &range, after_seq, out->alarms, STORE_ALARMS_CHUNK, &out->count,
                                  err) &&
           store_channels(reader, &out->channels, &out->channel_count, err);
}

static bool find_news(struct store_reader *reader, struct alarm_mark *mark, struct alarm_list *out,
                      struct error *err)
{
    struct store_state state;
    if (strcmp(mark->store_id, store_reader_id(reader)) != 0) {
        if (!store_reader_state(reader, &state, err))
            return false;
        mark->seq = state.next_seq - 1;
        return text_copy(mark->store_id, sizeof(mark->store_id), view_of(store_reader_id(reader))) ||
               error_set(err, ERR_CORRUPT, "the store's id is too long");
    }
    if (!read_alarm_news(reader, mark->seq, out, err))
        return false;
    if (out->count > 0)
        mark->seq = out->alarms[out->count - 1].seq;
    return true;
}

bool readings_alarm_news(struct readings *readings, struct alarm_mark *mark, struct alarm_list *out,
                         struct error *err)
{
    bool ok = begin(readings, err) && find_news(readings->reader, mark, out, err);
    return end(readings, ok);
}
