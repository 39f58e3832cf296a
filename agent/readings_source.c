#include "agent/readings_source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/wire/record.h"

enum {
    EXPORT_CHANNEL_ID_MAX = 1 << 20,  /* ids are given one after another, from 1 */
    EXPORT_NAMES_MAX_BYTES = 8 << 20, /* STORE_CHANNELS_MAX names, every byte of them escaped */
};

/* Where a channel's escaped name stands in names; size 0: there is no such channel. */
struct name_place {
    uint32_t offset;
    uint32_t size;
};

struct readings {
    struct line_source source;
    struct store_reader *reader;
    struct store_range range;
    struct record_writer writer;
    struct buf names;
    struct name_place *places; /* by channel_id */
    size_t place_count;

    int64_t after;   /* seq of the last row that was read */
    int64_t written; /* rows that are lines by now */
    bool read_all;
    size_t row_count, row_next;
    struct store_row rows[STORE_CHUNK_ROWS];
};

/* ---- channels ---- */

static bool add_name(struct readings *lines, const struct store_channel *channel, struct error *err)
{
    size_t offset = lines->names.size;
    if (!record_escape_channel(view_of(channel->name), &lines->names))
        return error_set(err, ERR_CORRUPT, "channel %" PRId64 " has a name that cannot be exported",
                         channel->channel_id);
    lines->places[channel->channel_id].offset = (uint32_t)offset;
    lines->places[channel->channel_id].size = (uint32_t)(lines->names.size - offset);
    return true;
}

static bool load_names(struct readings *lines, struct error *err)
{
    SCOPE_FREE struct store_channel *channels = NULL;
    size_t count;
    if (!store_channels(lines->reader, &channels, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t id = channels[i].channel_id;
        if (id < 0 || id > EXPORT_CHANNEL_ID_MAX)
            return error_set(err, ERR_CORRUPT, "channel_id %" PRId64 " is out of range", id);
        if ((size_t)id >= lines->place_count)
            lines->place_count = (size_t)id + 1;
    }
    lines->places = calloc(lines->place_count, sizeof(*lines->places));
    if (lines->places == NULL && lines->place_count > 0)
        return error_set(err, ERR_MEMORY, "the names of the channels");
    for (size_t i = 0; i < count; i++) {
        if (!add_name(lines, &channels[i], err))
            return false;
    }
    return buf_check(&lines->names, "the names of the channels", err);
}

/* ---- producing ---- */

static bool write_row(struct readings *lines, const struct store_row *row, char *out, size_t *size,
                      struct error *err)
{
    struct name_place place = {0, 0};
    if (row->channel_id >= 0 && (uint64_t)row->channel_id < lines->place_count)
        place = lines->places[row->channel_id];
    if (place.size == 0)
        return error_set(err, ERR_CORRUPT, "reading %" PRId64 " is of a channel that does not exist",
                         row->seq);
    struct view name = {lines->names.data + place.offset, place.size};
    *size += record_write_reading(&lines->writer, out + *size, row->seq, row->time_us, name, row->value);
    lines->written++;
    return true;
}

static bool read_rows(struct readings *lines, struct error *err)
{
    if (!store_range_read(lines->reader, &lines->range, lines->after, lines->rows, STORE_CHUNK_ROWS,
                          &lines->row_count, err))
        return false;
    lines->row_next = 0;
    if (lines->row_count == 0)
        lines->read_all = true;
    else
        lines->after = lines->rows[lines->row_count - 1].seq;
    return true;
}

static bool read_lines(struct line_source *source, char *out, size_t out_bytes, size_t *size,
                       struct error *err)
{
    struct readings *lines = (struct readings *)source;
    size_t used = 0;
    while (!lines->read_all && used + RECORD_LINE_MAX_BYTES <= out_bytes) {
        bool ok = lines->row_next == lines->row_count
                      ? read_rows(lines, err)
                      : write_row(lines, &lines->rows[lines->row_next++], out, &used, err);
        if (!ok)
            return false;
    }
    if (lines->read_all && lines->written != lines->range.count)
        return error_set(err, ERR_CHANGED, "%" PRId64 " of %" PRId64 " rows were removed during the export",
                         lines->range.count - lines->written, lines->range.count);
    *size = used;
    return true;
}

/* ---- opening and closing ---- */

static void free_readings(struct line_source *source)
{
    struct readings *lines = (struct readings *)source;
    store_reader_close(lines->reader);
    buf_clear(&lines->names);
    free(lines->places);
    free(lines);
}

static const struct line_source_kind readings_kind = {.read = read_lines, .free = free_readings};

struct line_source *readings_source_new(struct store_reader *reader, const struct store_range *range,
                                        struct error *err)
{
    struct readings *lines = calloc(1, sizeof(*lines));
    if (lines == NULL) {
        store_reader_close(reader);
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    lines->source.kind = &readings_kind;
    lines->reader = reader;
    lines->range = *range;
    lines->names.limit_bytes = EXPORT_NAMES_MAX_BYTES;
    lines->after = range->first_seq - 1;
    record_writer_init(&lines->writer);
    if (load_names(lines, err))
        return &lines->source;
    free_readings(&lines->source);
    return NULL;
}
