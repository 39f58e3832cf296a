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
