#include "server_tools/central/importer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "server_tools/central/channel_cache.h"
#include "server_tools/central/import_reader.h"

enum { PROGRESS_INTERVAL_US = 100 * US_PER_MS };

/* The writing half of one import. */
struct import {
    struct central *central;
    int64_t vehicle_id;
    const char *cursor_store_id; /* NULL: no cursor moves */
    int32_t channels;            /* so many ids are known */
    int32_t channel_ids[CHANNEL_CACHE_MAX];
    int64_t added;
    void (*progress)(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total);
    void *progress_context;
    int64_t progress_next_us;
    int64_t bytes_total;
};

/* ---- writing batches ---- */

static bool learn_channel(struct import *import, struct view name, struct error *err)
{
    int64_t id;
    if (!central_channel(import->central, import->vehicle_id, name, &id, err))
        return false;
    if (id < 0 || id > INT32_MAX)
        return error_set(err, ERR_CORRUPT, "channel `%.*s` has the id %lld", VIEW_ARG(name), (long long)id);
    import->channel_ids[import->channels++] = (int32_t)id;
    return true;
}

static bool write_batch(struct import *import, const struct import_reader *reader, struct batch *batch,
                        struct error *err)
{
    while (import->channels < batch->channels) {
        if (!learn_channel(import, import_reader_channel(reader, import->channels), err))
            return false;
    }
    for (size_t i = 0; i < batch->count; i++)
        batch->rows[i].channel_id = import->channel_ids[batch->rows[i].channel_id];
    int64_t added;
    const char *store_id = batch->last_seq >= 0 ? import->cursor_store_id : NULL;
    if (!central_add(import->central, import->vehicle_id, store_id, batch->last_seq, batch->rows,
                     batch->count, &added, err))
        return false;
    import->added += added;
    return true;
}

static void tell_progress(struct import *import, int64_t lines, int64_t bytes_done)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    if (import->progress == NULL || (now_us < import->progress_next_us && bytes_done < import->bytes_total))
        return;
    import->progress_next_us = now_us + PROGRESS_INTERVAL_US;
    import->progress(import->progress_context, lines, bytes_done, import->bytes_total);
}

static bool write_batches(struct import *import, const struct import_reader *reader,
                          struct batch_queue *queue, struct error *err)
{
    struct batch *batch;
    while ((batch = batch_queue_next(queue)) != NULL) {
        if (!write_batch(import, reader, batch, err))
            return false;
        tell_progress(import, batch->lines_done, batch->bytes_done);
        batch_queue_give_back(queue, batch);
    }
    return true;
}

/* The store's own error counts more than that of the reader it sent home. */
static bool import_file(struct import *import, int fd, const struct archive_info *info,
                        struct import_totals *totals, struct error *err)
{
    SCOPE_BATCH_QUEUE struct batch_queue *queue = batch_queue_new(err);
    if (queue == NULL)
        return false;
    struct import_reader *reader = import_reader_start(fd, info, queue, err);
    if (reader == NULL)
        return false;
    bool written = write_batches(import, reader, queue, err);
    if (!written)
        batch_queue_cancel(queue);
    return import_reader_join(reader, totals, written ? err : NULL) && written;
}

/* ---- what is checked before ---- */

/* The whole file first, so that nothing of a damaged archive reaches the store. */
static bool verify_file(int fd, int64_t bytes, const struct archive_info *info, struct error *err)
{
    if (!info->present)
        return true;
    if (bytes != info->bytes)
        return error_set(err, ERR_INPUT, "%lld bytes long where its json says %lld", (long long)bytes,
                         (long long)info->bytes);
    char sum[SHA256_HEX_BYTES];
    if (!sha256_file_hex(fd, sum, err))
        return false;
    if (strcmp(sum, info->sha256) != 0)
        return error_set(err, ERR_INPUT, "its SHA-256 is not the one in its json");
    return lseek(fd, 0, SEEK_SET) == 0 || error_set_errno(err, "lseek");
}

static bool choose_vehicle(struct import *import, const struct archive_info *info, const char *client_id,
                           struct error *err)
{
    if (client_id == NULL && !info->present)
        return error_set(err, ERR_USAGE, "no json beside it: say whose it is with --client-id");
    struct central_vehicle vehicle = {.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    if (client_id == NULL)
        client_id = info->client_id;
    if (!central_client_id_ok(client_id))
        return error_set(err, ERR_USAGE, "client id `%s`: 1 to %d of A-Z a-z 0-9 . _ -", client_id,
                         CLIENT_ID_BYTES - 1);
    memcpy(vehicle.client_id, client_id, strlen(client_id) + 1);
    return central_vehicle(import->central, &vehicle, &import->vehicle_id, err);
}

/* Whether the archive leaves nothing out behind the cursor. One asked for by time may: it must follow on what
 * is here and hold every seq. */
static bool follows(const struct archive_info *info, int64_t cursor)
{
    if (!info->since)
        return info->after <= cursor;
    return info->first_seq <= cursor + 1 && info->last_seq - info->first_seq == info->count - 1;
}

/* The cursor says that everything before it is here, so over a gap it stays. */
static bool choose_cursor(struct import *import, const struct archive_info *info, struct error *err)
{
    import->cursor_store_id = NULL;
    if (!info->present)
        return true;
    int64_t cursor;
    if (!central_cursor(import->central, import->vehicle_id, info->store_id, "readings", &cursor, err))
        return false;
    if (follows(info, cursor))
        import->cursor_store_id = info->store_id;
    return true;
}

static int open_archive(const char *path, int64_t *bytes, struct error *err)
{
    /* O_NONBLOCK: a FIFO in its place is refused, not waited for */
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_NONBLOCK, err);
    if (fd < 0)
        return -1;
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_set_errno(err, "%s", path);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(err, ERR_INPUT, "%s: no regular file", path);
        return -1;
    }
    *bytes = status.st_size;
    return fd_take(&fd);
}

bool import_archive(struct central *central, const char *path, const char *client_id,
                    void (*progress)(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total),
                    void *context, struct import_result *result, struct error *err)
{
    struct import import = {.central = central, .progress = progress, .progress_context = context};
    struct archive_info info;
    struct import_totals totals;
    SCOPE_FD int fd = open_archive(path, &import.bytes_total, err);
    if (fd < 0 || !archive_info_load(path, &info, err))
        return false;
    if (!verify_file(fd, import.bytes_total, &info, err) || !choose_vehicle(&import, &info, client_id, err) ||
        !choose_cursor(&import, &info, err) || !import_file(&import, fd, &info, &totals, err))
        return error_wrap(err, "%s", path);
    *result = (struct import_result){totals.lines, import.added, import.bytes_total, totals.last_seq};
    return true;
}
