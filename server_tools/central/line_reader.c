#include "server_tools/central/line_reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/pack/packer.h"

enum {
    TEXT_WINDOW_BYTES = 128 * 1024, /* unpacked at a time; half of it stays in the cache of one core */
    FILE_WINDOW_BYTES = 64 * 1024,
};

struct line_reader {
    line_reader_on_line *on_line;
    void *context;
    struct unpacker *unpacker;
    int64_t lines;
    size_t line_max_bytes;
    size_t kept_bytes; /* of a line that is not whole yet, at the window's begin */
    size_t window_bytes;
    char window[]; /* line_max_bytes and TEXT_WINDOW_BYTES */
};

struct line_reader *line_reader_new(size_t line_max_bytes, line_reader_on_line *on_line, void *context,
                                    struct error *err)
{
    struct line_reader *reader = malloc(sizeof(*reader) + line_max_bytes + TEXT_WINDOW_BYTES);
    struct unpacker *unpacker = unpacker_new(err);
    if (reader == NULL || unpacker == NULL) {
        free(reader);
        unpacker_free(unpacker);
        error_set(err, ERR_MEMORY, "no memory left to read an archive");
        return NULL;
    }
    *reader = (struct line_reader){.on_line = on_line,
                                   .context = context,
                                   .unpacker = unpacker,
                                   .line_max_bytes = line_max_bytes,
                                   .window_bytes = line_max_bytes + TEXT_WINDOW_BYTES};
    return reader;
}

void line_reader_free(struct line_reader *reader)
{
    if (reader == NULL)
        return;
    unpacker_free(reader->unpacker);
    free(reader);
}

static bool take_line(struct line_reader *reader, struct view line, struct error *err)
{
    if (!reader->on_line(reader->context, line, err))
        return error_wrap(err, "line %lld", (long long)reader->lines + 1);
    reader->lines++;
    return true;
}

/* Takes every whole line of the window's first `filled` bytes and moves what is left to its begin. */
static bool take_lines(struct line_reader *reader, size_t filled, struct error *err)
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
    if (rest >= reader->line_max_bytes)
        return error_set(err, ERR_INPUT, "line %lld: longer than %zu bytes", (long long)reader->lines + 1,
                         reader->line_max_bytes - 1);
    memmove(reader->window, at, rest);
    reader->kept_bytes = rest;
    return true;
}

bool line_reader_feed(struct line_reader *reader, struct view compressed, struct error *err)
{
    size_t size;
    do {
        if (!unpacker_read(reader->unpacker, &compressed, reader->window + reader->kept_bytes,
                           reader->window_bytes - reader->kept_bytes, &size, err))
            return error_wrap(err, "after line %lld", (long long)reader->lines);
        if (!take_lines(reader, reader->kept_bytes + size, err))
            return false;
    } while (size > 0 || compressed.size > 0);
    return true;
}

bool line_reader_at_end(const struct line_reader *reader)
{
    return unpacker_at_end(reader->unpacker);
}

bool line_reader_finish(const struct line_reader *reader, struct error *err)
{
    if (!line_reader_at_end(reader))
        return error_set(err, ERR_INPUT, "cut off after line %lld", (long long)reader->lines);
    if (reader->kept_bytes > 0)
        return error_set(err, ERR_INPUT, "line %lld: no line feed at its end", (long long)reader->lines + 1);
    return true;
}

bool line_reader_read_file(struct line_reader *reader, int fd, struct error *err)
{
    char window[FILE_WINDOW_BYTES];
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set_errno(err, "lseek");
    for (;;) {
        ssize_t size = read(fd, window, sizeof(window));
        if (size < 0)
            return error_set_errno(err, "read");
        if (size == 0)
            return line_reader_finish(reader, err);
        if (!line_reader_feed(reader, (struct view){window, (size_t)size}, err))
            return false;
    }
}

int64_t line_reader_lines(const struct line_reader *reader)
{
    return reader->lines;
}
