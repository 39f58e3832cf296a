#include "server_tools/central/archive_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "server_tools/central/archive_reader.h"
#include "server_tools/central/small_streams.h"

enum { ENDING_BYTES = 32, WINDOW_BYTES = 64 * 1024 };

/* ---- one file ---- */

int archive_file_open(const char *path, int64_t *bytes, struct error *err)
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

bool archive_file_verify(int fd, const struct archive_file *said, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(err, "fstat");
    if (status.st_size != said->bytes)
        return error_set(err, ERR_INPUT, "%lld bytes long where its json says %lld",
                         (long long)status.st_size, (long long)said->bytes);
    char sum[SHA256_HEX_BYTES];
    if (!sha256_file_hex(fd, sum, err))
        return false;
    if (strcmp(sum, said->sha256) != 0)
        return error_set(err, ERR_INPUT, "its SHA-256 is not the one in its json");
    return lseek(fd, 0, SEEK_SET) == 0 || error_set_errno(err, "lseek");
}

/* ---- the small streams ---- */

static bool verify_lines(int fd, enum archive_stream stream, const struct archive_file *said,
                         struct error *err)
{
    struct small_totals totals;
    bool read = stream == ARCHIVE_ALARMS ? alarms_read(fd, NULL, NULL, &totals, err)
                                         : channels_read(fd, NULL, NULL, &totals, err);
    if (!read)
        return false;
    if (totals.count != said->count)
        return error_set(err, ERR_INPUT, "%lld lines where its json says %lld", (long long)totals.count,
                         (long long)said->count);
    return (totals.first_seq == said->first_seq && totals.last_seq == said->last_seq) ||
           error_set(err, ERR_INPUT, "seq %lld to %lld where its json says %lld to %lld (-1: none)",
                     (long long)totals.first_seq, (long long)totals.last_seq, (long long)said->first_seq,
                     (long long)said->last_seq);
}

static bool open_small(struct archive_files *files, const char *archive_path, enum archive_stream stream,
                       struct error *err)
{
    const struct archive_file *said = &files->info.files[stream];
    struct path path;
    const char *slash = strrchr(archive_path, '/');
    int folder_bytes = slash == NULL ? 0 : (int)(slash + 1 - archive_path);
    if (!said->present)
        return true;
    if (!path_printf(&path, err, "%.*s%s", folder_bytes, archive_path, said->file))
        return false;
    files->fds[stream] = archive_file_open(path.text, &files->bytes[stream], err);
    if (files->fds[stream] < 0)
        return false;
    return (archive_file_verify(files->fds[stream], said, err) &&
            verify_lines(files->fds[stream], stream, said, err)) ||
           error_wrap(err, "%s", path.text);
}

/* ---- all of them ---- */

/* Alarms and channels come with their readings. */
static bool refuse_small(const char *path, struct error *err)
{
    static const enum archive_stream small[] = {ARCHIVE_ALARMS, ARCHIVE_CHANNELS};
    static const enum pack_format formats[] = {PACK_GZIP, PACK_ZSTD};
    for (size_t i = 0; i < COUNT_OF(small) * COUNT_OF(formats); i++) {
        const char *word = archive_stream_word(small[i / COUNT_OF(formats)]);
        char ending[ENDING_BYTES];
        snprintf(ending, sizeof(ending), ".%s%s", word, pack_suffix(formats[i % COUNT_OF(formats)]));
        if (view_ends(view_of(path), ending))
            return error_set(err, ERR_USAGE,
                             "%s holds an archive's %s: give the archive itself, the file without `.%s` "
                             "in its name, and they come with it",
                             path, word, word);
    }
    return true;
}

static bool open_readings(struct archive_files *files, const char *path, struct error *err)
{
    files->fds[ARCHIVE_READINGS] = archive_file_open(path, &files->bytes[ARCHIVE_READINGS], err);
    if (files->fds[ARCHIVE_READINGS] < 0 || !archive_info_load(path, &files->info, err))
        return false;
    return !files->info.present ||
           archive_file_verify(files->fds[ARCHIVE_READINGS], &files->info.files[ARCHIVE_READINGS], err) ||
           error_wrap(err, "%s", path);
}

bool archive_files_open(struct archive_files *files, const char *path, struct error *err)
{
    *files = (struct archive_files){.fds = {-1, -1, -1}};
    return refuse_small(path, err) && open_readings(files, path, err) &&
           open_small(files, path, ARCHIVE_ALARMS, err) && open_small(files, path, ARCHIVE_CHANNELS, err);
}

static bool nobody_listens(void *context, const struct record_reading *reading, struct error *err)
{
    (void)context;
    (void)reading;
    (void)err;
    return true;
}

bool archive_files_verify_readings(const struct archive_files *files, struct error *err)
{
    char window[WINDOW_BYTES];
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(nobody_listens, NULL, err);
    if (reader == NULL)
        return false;
    for (;;) {
        ssize_t size = read(files->fds[ARCHIVE_READINGS], window, sizeof(window));
        if (size < 0)
            return error_set_errno(err, "read");
        if (size == 0)
            return archive_reader_verify(reader, &files->info, err);
        if (!archive_reader_feed(reader, (struct view){window, (size_t)size}, err))
            return false;
    }
}

void archive_files_close(struct archive_files *files)
{
    for (size_t i = 0; i < ARCHIVE_STREAMS; i++) {
        scope_fd(&files->fds[i]);
        files->fds[i] = -1;
    }
}
