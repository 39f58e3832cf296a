#include "server_tools/central/import_reader.h"

#include <pthread.h>
#include <signal.h>

#include "server_tools/central/archive_reader.h"
#include "server_tools/central/channel_cache.h"

enum { FILE_WINDOW_BYTES = 64 * 1024 };

struct import_reader {
    pthread_t thread;
    int fd;
    const struct archive_info *info;
    struct batch_queue *queue;
    struct channel_cache *channels;
    struct archive_reader *lines;
    struct batch *batch; /* being filled; NULL before the first reading */
    int64_t bytes_done;
    bool ok;
    struct error err; /* when not ok */
};

/* ---- in the thread ---- */

static void put_batch(struct import_reader *reader)
{
    struct batch *batch = reader->batch;
    batch->channels = channel_cache_count(reader->channels);
    batch->lines_done = archive_reader_lines(reader->lines);
    batch->bytes_done = reader->bytes_done;
    reader->batch = NULL;
    batch_queue_put(reader->queue, batch);
}

/* A full batch goes when the next reading comes, so that the last one can wait for the checks of the end. */
static bool room_for_one(struct import_reader *reader, struct error *err)
{
    if (reader->batch != NULL && reader->batch->count == CENTRAL_BATCH_ROWS)
        put_batch(reader);
    if (reader->batch == NULL)
        reader->batch = batch_queue_take(reader->queue);
    return reader->batch != NULL || error_set(err, ERR_CANCELLED, "cancelled");
}

static bool take_reading(void *context, const struct record_reading *reading, struct error *err)
{
    struct import_reader *reader = context;
    int32_t channel;
    if (!room_for_one(reader, err) || !channel_cache_index(reader->channels, reading->channel, &channel, err))
        return false;
    struct batch *batch = reader->batch;
    batch->rows[batch->count++] = (struct central_row){reading->time_us, channel, reading->value};
    batch->cursor = reading->seq;
    return true;
}

static bool read_file(struct import_reader *reader, struct error *err)
{
    char window[FILE_WINDOW_BYTES];
    for (;;) {
        ssize_t size = read(reader->fd, window, sizeof(window));
        if (size < 0)
            return error_set_errno(err, "read");
        if (size == 0)
            return true;
        reader->bytes_done += size;
        if (!archive_reader_feed(reader->lines, (struct view){window, (size_t)size}, err))
            return false;
    }
}

/* Lines without seq move the cursor with the last of them, when all of them are there. */
static void put_last_batch(struct import_reader *reader)
{
    if (reader->batch == NULL)
        return;
    if (reader->batch->cursor < 0 && reader->info->present)
        reader->batch->cursor = archive_info_end(reader->info, ARCHIVE_READINGS);
    put_batch(reader);
}

static void *run(void *context)
{
    struct import_reader *reader = context;
    reader->ok =
        read_file(reader, &reader->err) && archive_reader_verify(reader->lines, reader->info, &reader->err);
    if (reader->ok)
        put_last_batch(reader);
    batch_queue_finish(reader->queue);
    return NULL;
}

/* ---- from outside ---- */

static void reader_free(struct import_reader *reader)
{
    archive_reader_free(reader->lines);
    channel_cache_free(reader->channels);
    free(reader);
}

/* Signals are the business of the thread that asked for the import. */
static int start_thread(struct import_reader *reader)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int result = pthread_create(&reader->thread, NULL, run, reader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

struct import_reader *import_reader_start(int fd, const struct archive_info *info, struct batch_queue *queue,
                                          struct error *err)
{
    struct import_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an import");
        return NULL;
    }
    reader->fd = fd;
    reader->info = info;
    reader->queue = queue;
    reader->channels = channel_cache_new(err);
    reader->lines = archive_reader_new(take_reading, reader, err);
    if (reader->channels == NULL || reader->lines == NULL) {
        reader_free(reader);
        return NULL;
    }
    if (start_thread(reader) != 0) {
        error_set(err, ERR_MEMORY, "no thread left for an import");
        reader_free(reader);
        return NULL;
    }
    return reader;
}

struct view import_reader_channel(const struct import_reader *reader, int32_t index)
{
    return channel_cache_name(reader->channels, index);
}

bool import_reader_join(struct import_reader *reader, struct import_totals *totals, struct error *err)
{
    pthread_join(reader->thread, NULL);
    bool ok = reader->ok;
    if (ok)
        *totals = (struct import_totals){archive_reader_lines(reader->lines),
                                         archive_reader_last_seq(reader->lines)};
    else if (err != NULL)
        *err = reader->err;
    reader_free(reader);
    return ok;
}
