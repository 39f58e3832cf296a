#include "portal/readings.h"

#include <stdlib.h>

#include "collector/kept_reader.h"
#include "common/base/text.h"

struct readings {
    struct kept_reader kept;
};

struct readings *readings_new(const char *folder, struct error *err)
{
    struct readings *readings = calloc(1, sizeof(*readings));
    if (readings == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the store's reader");
        return NULL;
    }
    if (!kept_reader_init(&readings->kept, folder, err)) {
        free(readings);
        return NULL;
    }
    return readings;
}

void readings_free(struct readings *readings)
{
    if (readings == NULL)
        return;
    kept_reader_clear(&readings->kept);
    free(readings);
}

static void copy_id(const struct readings *readings, char out[STORE_ID_BYTES])
{
    if (!text_copy(out, STORE_ID_BYTES, view_of(store_reader_id(readings->kept.reader))))
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
    bool ok = kept_reader_begin(&readings->kept, err) &&
              store_reader_state(readings->kept.reader, &state.store, err) &&
              size_of_store(readings->kept.folder, &state.bytes, err);
    if (ok)
        copy_id(readings, state.store_id);
    if (!kept_reader_end(&readings->kept, ok))
        return false;
    *out = state;
    return true;
}

bool readings_channels(struct readings *readings, struct store_channel **out, size_t *count,
                       struct error *err)
{
    bool ok =
        kept_reader_begin(&readings->kept, err) && store_channels(readings->kept.reader, out, count, err);
    return kept_reader_end(&readings->kept, ok);
}

bool readings_latest(struct readings *readings, struct latest *out, struct error *err)
{
    struct latest latest = {0};
    bool ok = kept_reader_begin(&readings->kept, err) &&
              store_latest(readings->kept.reader, &latest.rows, &latest.count, err);
    if (ok)
        copy_id(readings, latest.store_id);
    if (!kept_reader_end(&readings->kept, ok))
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
    bool ok = kept_reader_begin(&readings->kept, err) &&
              read_history(readings->kept.reader, channel, from_us, to_us, max_points, out, err);
    return kept_reader_end(&readings->kept, ok);
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
    bool ok = kept_reader_begin(&readings->kept, err) &&
              read_alarms(readings->kept.reader, from_us, to_us, max_alarms, out, err);
    return kept_reader_end(&readings->kept, ok);
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
    bool ok = kept_reader_begin(&readings->kept, err) && find_news(readings->kept.reader, mark, out, err);
    return kept_reader_end(&readings->kept, ok);
}
