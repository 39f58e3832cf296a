#include "server_tools/central/import_readings.h"

#include "server_tools/central/channel_cache.h"
#include "server_tools/central/import_reader.h"

enum { PROGRESS_INTERVAL_US = 100 * US_PER_MS };

/* The writing half of one import. */
struct import {
    const struct import_target *target;
    int32_t channels; /* so many ids are known */
    int32_t channel_ids[CHANNEL_CACHE_MAX];
    int64_t added;
    import_progress *progress;
    void *context;
    int64_t progress_next_us;
    int64_t bytes_total;
};

static bool learn_channel(struct import *import, struct view name, struct error *err)
{
    int64_t id;
    if (!central_channel(import->target->central, import->target->vehicle_id, name, &id, err))
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
    const char *store_id = batch->cursor >= 0 ? import->target->store_id : NULL;
    if (!central_add(import->target->central, import->target->vehicle_id, store_id, batch->cursor,
                     batch->rows, batch->count, &added, err))
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
    import->progress(import->context, lines, bytes_done, import->bytes_total);
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

bool import_readings(const struct import_target *target, const struct archive_files *files,
                     import_progress *progress, void *context, struct import_counts *counts,
                     struct error *err)
{
    struct import import = {.target = target,
                            .progress = progress,
                            .context = context,
                            .bytes_total = files->bytes[ARCHIVE_READINGS]};
    struct import_totals totals;
    SCOPE_BATCH_QUEUE struct batch_queue *queue = batch_queue_new(err);
    if (queue == NULL)
        return false;
    struct import_reader *reader =
        import_reader_start(files->fds[ARCHIVE_READINGS], &files->info, queue, err);
    if (reader == NULL)
        return false;
    bool written = write_batches(&import, reader, queue, err);
    if (!written)
        batch_queue_cancel(queue);
    /* the store's own error counts more than that of the reader it sent home */
    if (!import_reader_join(reader, &totals, written ? err : NULL) || !written)
        return false;
    *counts = (struct import_counts){totals.lines, import.added, totals.last_seq};
    return true;
}
