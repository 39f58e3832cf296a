#include "server_tools/central/archive_reader.h"

#include "common/pack/gzip.h"

enum {
    TEXT_WINDOW_BYTES = 128 * 1024, /* inflated at a time; half of it stays in the cache of one core */
};

struct archive_reader {
    archive_on_reading *on_reading;
    void *context;
    struct gzip_reader *gzip;
    int64_t lines;
    int64_t last_seq;
    size_t kept_bytes; /* of a line that is not whole yet, at the window's begin */
    char window[RECORD_LINE_MAX_BYTES + TEXT_WINDOW_BYTES];
};

struct archive_reader *archive_reader_new(archive_on_reading *on_reading, void *context, struct error *err)
{
    struct archive_reader *reader = malloc(sizeof(*reader));
    struct gzip_reader *gzip = gzip_reader_new(err);
    if (reader == NULL || gzip == NULL) {
        free(reader);
        gzip_reader_free(gzip);
        error_set(err, ERR_MEMORY, "no memory left to read an archive");
        return NULL;
    }
    reader->on_reading = on_reading;
    reader->context = context;
    reader->gzip = gzip;
    reader->lines = 0;
    reader->last_seq = -1;
    reader->kept_bytes = 0;
    return reader;
}

void archive_reader_free(struct archive_reader *reader)
{
    if (reader == NULL)
        return;
    gzip_reader_free(reader->gzip);
    free(reader);
}

/* The cursor counts by the last line's seq, so a line may not come from before it. */
static bool seq_follows(const struct archive_reader *reader, int64_t seq, struct error *err)
{
    if (reader->lines > 0 && (seq < 0) != (reader->last_seq < 0))
        return error_set(err, ERR_INPUT, "some lines have a seq and some have none");
    if (seq >= 0 && seq <= reader->last_seq)
        return error_set(err, ERR_INPUT, "seq %lld follows on seq %lld", (long long)seq,
                         (long long)reader->last_seq);
    return true;
}

static bool take_line(struct archive_reader *reader, struct view line, struct error *err)
{
    struct record_reading reading;
    if (!record_read_reading(line, &reading, err) || !seq_follows(reader, reading.seq, err))
        return error_wrap(err, "line %lld", (long long)reader->lines + 1);
    if (!reader->on_reading(reader->context, &reading, err))
        return false;
    reader->lines++;
    reader->last_seq = reading.seq;
    return true;
}

/* Takes every whole line of the window's first `filled` bytes and moves what is left to its begin. */
static bool take_lines(struct archive_reader *reader, size_t filled, struct error *err)
{
    const char *at = reader->window;
    const char *end = at + filled;
    const char *line_end;
    while ((line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (!take_line(reader, (struct view){at, (size_t)(line_end - at)}, err))
            return false;
        at = line_end + 1;
    }
    size_t rest = (size_t)(end - at);
    if (rest >= RECORD_LINE_MAX_BYTES)
        return error_set(err, ERR_INPUT, "line %lld: longer than %d bytes", (long long)reader->lines + 1,
                         RECORD_LINE_MAX_BYTES - 1);
    memmove(reader->window, at, rest);
    reader->kept_bytes = rest;
    return true;
}

bool archive_reader_feed(struct archive_reader *reader, struct view compressed, struct error *err)
{
    size_t size;
    do {
        if (!gzip_read(reader->gzip, &compressed, reader->window + reader->kept_bytes,
                       sizeof(reader->window) - reader->kept_bytes, &size, err))
            return error_wrap(err, "after line %lld", (long long)reader->lines);
        if (!take_lines(reader, reader->kept_bytes + size, err))
            return false;
    } while (size > 0 || compressed.size > 0);
    return true;
}

bool archive_reader_finish(const struct archive_reader *reader, struct error *err)
{
    if (!gzip_reader_at_end(reader->gzip))
        return error_set(err, ERR_INPUT, "cut off after line %lld", (long long)reader->lines);
    if (reader->kept_bytes > 0)
        return error_set(err, ERR_INPUT, "line %lld: no line feed at its end", (long long)reader->lines + 1);
    return true;
}

int64_t archive_reader_lines(const struct archive_reader *reader)
{
    return reader->lines;
}

int64_t archive_reader_last_seq(const struct archive_reader *reader)
{
    return reader->last_seq;
}
