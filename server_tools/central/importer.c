#include "server_tools/central/importer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "server_tools/central/archive_info.h"
#include "server_tools/central/archive_reader.h"
#include "server_tools/central/channel_cache.h"

enum {
    FILE_WINDOW_BYTES = 64 * 1024,
    PROGRESS_INTERVAL_US = 100 * US_PER_MS,
};

/* One import while it runs. */
struct import {
    struct central *central;
    int64_t vehicle_id;
    const char *cursor_store_id; /* NULL: no cursor moves */
    struct channel_cache *channels;
    struct central_row *rows; /* the batch: room for CENTRAL_BATCH_ROWS */
    size_t count;
    int64_t batch_seq; /* of the batch's last row */
    int64_t added;
};

static void scope_rows(struct central_row **rows)
{
    free(*rows);
}

static bool flush(struct import *import, struct error *err)
{
    if (import->count == 0)
        return true;
    int64_t added;
    const char *store_id = import->batch_seq >= 0 ? import->cursor_store_id : NULL;
    if (!central_add(import->central, import->vehicle_id, store_id, import->batch_seq, import->rows,
                     import->count, &added, err))
        return false;
    import->added += added;
    import->count = 0;
    return true;
}

static bool channel_of(struct import *import, struct view name, int32_t *id, struct error *err)
{
    if (channel_cache_find(import->channels, name, id))
        return true;
    int64_t made;
    if (!central_channel(import->central, import->vehicle_id, name, &made, err))
        return false;
    if (made < 0 || made > INT32_MAX)
        return error_set(err, ERR_CORRUPT, "channel `%.*s` has the id %lld", VIEW_ARG(name), (long long)made);
    *id = (int32_t)made;
    return channel_cache_add(import->channels, name, *id, err);
}

/* A full batch goes when the next row comes: the last one waits for the checks of the end. */
static bool take_reading(void *context, const struct record_reading *reading, struct error *err)
{
    struct import *import = context;
    int32_t channel_id;
    if (import->count == CENTRAL_BATCH_ROWS && !flush(import, err))
        return false;
    if (!channel_of(import, reading->channel, &channel_id, err))
        return false;
    import->rows[import->count++] = (struct central_row){reading->time_us, channel_id, reading->value};
    import->batch_seq = reading->seq;
    return true;
}

/* ---- what is checked before and after ---- */

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

static bool verify_end(const struct archive_reader *reader, const struct archive_info *info,
                       struct error *err)
{
    if (!archive_reader_finish(reader, err))
        return false;
    int64_t lines = archive_reader_lines(reader);
    return !info->present || lines == info->count ||
           error_set(err, ERR_INPUT, "%lld lines where its json says %lld", (long long)lines,
                     (long long)info->count);
}

/* The cursor says that everything before it is here. So an archive moves it only when it leaves nothing out
 * behind what is here: one asked for by time must follow on it and hold every seq. */
static bool may_move_cursor(struct import *import, const struct archive_info *info, const char *store_id,
                            bool *may, struct error *err)
{
    *may = store_id != NULL;
    if (!*may || !info->present)
        return true;
    int64_t cursor;
    if (!central_cursor(import->central, import->vehicle_id, store_id, "readings", &cursor, err))
        return false;
    if (info->since)
        *may = info->count > 0 && info->first_seq <= cursor + 1 &&
               info->last_seq - info->first_seq == info->count - 1;
    else
        *may = info->after <= cursor;
    return true;
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

/* ---- reading the file ---- */

struct progress {
    void (*call)(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total);
    void *context;
    int64_t bytes_total;
    int64_t next_us;
};

static void progress_tell(struct progress *progress, int64_t lines, int64_t bytes_done)
{
    if (progress->call == NULL)
        return;
    int64_t now_us = clock_monotonic_us(clock_system());
    if (now_us < progress->next_us && bytes_done < progress->bytes_total)
        return;
    progress->next_us = now_us + PROGRESS_INTERVAL_US;
    progress->call(progress->context, lines, bytes_done, progress->bytes_total);
}

static bool read_through(int fd, struct archive_reader *reader, struct progress *progress, struct error *err)
{
    char window[FILE_WINDOW_BYTES];
    int64_t done = 0;
    for (;;) {
        ssize_t size = read(fd, window, sizeof(window));
        if (size < 0)
            return error_set_errno(err, "read");
        if (size == 0)
            return true;
        if (!archive_reader_feed(reader, (struct view){window, (size_t)size}, err))
            return false;
        done += size;
        progress_tell(progress, archive_reader_lines(reader), done);
    }
}

static bool import_file(struct import *import, int fd, const struct archive_info *info,
                        struct progress *progress, struct import_result *result, struct error *err)
{
    SCOPE_CHANNEL_CACHE struct channel_cache *channels = channel_cache_new(err);
    SCOPE(scope_rows) struct central_row *rows = malloc(CENTRAL_BATCH_ROWS * sizeof(*rows));
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(take_reading, import, err);
    if (channels == NULL || rows == NULL || reader == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for an import");
    import->channels = channels;
    import->rows = rows;
    if (!read_through(fd, reader, progress, err) || !verify_end(reader, info, err) || !flush(import, err))
        return false;
    *result = (struct import_result){
        .lines = archive_reader_lines(reader),
        .added = import->added,
        .bytes = progress->bytes_total,
        .last_seq = archive_reader_last_seq(reader),
    };
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
    struct import import = {.central = central, .batch_seq = -1};
    struct progress teller = {.call = progress, .context = context};
    struct archive_info info;
    SCOPE_FD int fd = open_archive(path, &teller.bytes_total, err);
    if (fd < 0 || !archive_info_load(path, &info, err))
        return false;
    const char *store_id = info.present ? info.store_id : NULL;
    bool moves;
    if (!verify_file(fd, teller.bytes_total, &info, err) || !choose_vehicle(&import, &info, client_id, err) ||
        !may_move_cursor(&import, &info, store_id, &moves, err))
        return error_wrap(err, "%s", path);
    import.cursor_store_id = moves ? store_id : NULL;
    return import_file(&import, fd, &info, &teller, result, err) || error_wrap(err, "%s", path);
}
