#include "server_tools/central/archive_reader.h"

#include <stdlib.h>

#include "server_tools/central/line_reader.h"

struct archive_reader {
    archive_on_reading *on_reading;
    void *context;
    struct line_reader *lines;
    int64_t last_seq;
};

/* The cursor counts by the last line's seq, so a line may not come from before it. */
static bool seq_follows(const struct archive_reader *reader, int64_t seq, struct error *err)
{
    if (line_reader_lines(reader->lines) > 0 && (seq < 0) != (reader->last_seq < 0))
        return error_set(err, ERR_INPUT, "some lines have a seq and some have none");
    if (seq >= 0 && seq <= reader->last_seq)
        return error_set(err, ERR_INPUT, "seq %lld follows on seq %lld", (long long)seq,
                         (long long)reader->last_seq);
    return true;
}

static bool take_line(void *context, struct view line, struct error *err)
{
    struct archive_reader *reader = context;
    struct record_reading reading;
    if (!record_read_reading(line, &reading, err) || !seq_follows(reader, reading.seq, err) ||
        !reader->on_reading(reader->context, &reading, err))
        return false;
    reader->last_seq = reading.seq;
    return true;
}

struct archive_reader *archive_reader_new(archive_on_reading *on_reading, void *context, struct error *err)
{
    struct archive_reader *reader = malloc(sizeof(*reader));
    if (reader == NULL) {
        error_set(err, ERR_MEMORY, "no memory left to read an archive");
        return NULL;
    }
    *reader = (struct archive_reader){.on_reading = on_reading, .context = context, .last_seq = -1};
    reader->lines = line_reader_new(RECORD_LINE_MAX_BYTES, take_line, reader, err);
    if (reader->lines != NULL)
        return reader;
    free(reader);
    return NULL;
}

void archive_reader_free(struct archive_reader *reader)
{
    if (reader == NULL)
        return;
    line_reader_free(reader->lines);
    free(reader);
}

bool archive_reader_feed(struct archive_reader *reader, struct view compressed, struct error *err)
{
    return line_reader_feed(reader->lines, compressed, err);
}

bool archive_reader_at_end(const struct archive_reader *reader)
{
    return line_reader_at_end(reader->lines);
}

bool archive_reader_finish(const struct archive_reader *reader, struct error *err)
{
    return line_reader_finish(reader->lines, err);
}

bool archive_reader_verify(const struct archive_reader *reader, const struct archive_info *info,
                           struct error *err)
{
    const struct archive_file *said = &info->files[ARCHIVE_READINGS];
    int64_t lines = line_reader_lines(reader->lines);
    if (!archive_reader_finish(reader, err))
        return false;
    if (!info->present)
        return true;
    if (lines != said->count)
        return error_set(err, ERR_INPUT, "%lld lines where its json says %lld", (long long)lines,
                         (long long)said->count);
    return lines == 0 || reader->last_seq == said->last_seq ||
           error_set(err, ERR_INPUT, "the last seq is %lld where its json says %lld (-1: none)",
                     (long long)reader->last_seq, (long long)said->last_seq);
}

int64_t archive_reader_lines(const struct archive_reader *reader)
{
    return line_reader_lines(reader->lines);
}

int64_t archive_reader_last_seq(const struct archive_reader *reader)
{
    return reader->last_seq;
}
