#include "agent/exporter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/pack/gzip.h"
#include "common/wire/record.h"

enum {
    EXPORT_TEXT_BYTES = 64 * 1024,    /* lines that wait for the compressor: stays in the CPU's cache */
    EXPORT_CHANNEL_ID_MAX = 1 << 20,  /* ids are given one after another, from 1 */
    EXPORT_NAMES_MAX_BYTES = 8 << 20, /* STORE_CHANNELS_MAX names, every byte of them escaped */
};

/* Where a channel's escaped name stands in names; size 0: there is no such channel. */
struct name_place {
    uint32_t offset;
    uint32_t size;
};

struct export
{
    struct store_reader *reader;
    struct store_range range;
    struct gzip_writer *gzip;
    struct record_writer writer;
    struct buf names;
    struct name_place *places; /* by channel_id */
    size_t place_count;

    int64_t after;   /* seq of the last row that was read */
    int64_t written; /* rows that are lines by now */
    int64_t bytes;
    bool read_all;
    bool whole;
    size_t row_count, row_next;
    struct view pending; /* of text, not yet compressed */
    struct store_row rows[STORE_CHUNK_ROWS];
    char text[EXPORT_TEXT_BYTES];
};

/* ---- channels ---- */

static bool add_name(struct export *export, const struct store_channel *channel, struct error *err)
{
    size_t offset = export->names.size;
    if (!record_escape_channel(view_of(channel->name), &export->names))
        return error_set(err, ERR_CORRUPT, "channel %" PRId64 " has a name that cannot be exported",
                         channel->channel_id);
    export->places[channel->channel_id].offset = (uint32_t)offset;
    export->places[channel->channel_id].size = (uint32_t)(export->names.size - offset);
    return true;
}

static bool load_names(struct export *export, struct error *err)
{
    SCOPE_FREE struct store_channel *channels = NULL;
    size_t count;
    if (!store_channels(export->reader, &channels, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t id = channels[i].channel_id;
        if (id < 0 || id > EXPORT_CHANNEL_ID_MAX)
            return error_set(err, ERR_CORRUPT, "channel_id %" PRId64 " is out of range", id);
        if ((size_t)id >= export->place_count)
            export->place_count = (size_t)id + 1;
    }
    export->places = calloc(export->place_count, sizeof(*export->places));
    if (export->places == NULL && export->place_count > 0)
        return error_set(err, ERR_MEMORY, "the names of the channels");
    for (size_t i = 0; i < count; i++) {
        if (!add_name(export, &channels[i], err))
            return false;
    }
    return buf_check(&export->names, "the names of the channels", err);
}

/* ---- opening and closing ---- */

static void scope_export(struct export **export)
{
    export_free(*export);
}

struct export *export_new(struct store_reader *reader, const struct store_range *range, struct error *err)
{
    SCOPE(scope_export) struct export *export = calloc(1, sizeof(*export));
    if (export == NULL) {
        store_reader_close(reader);
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    export->reader = reader;
    export->range = *range;
    export->names.limit_bytes = EXPORT_NAMES_MAX_BYTES;
    export->after = range->first_seq - 1;
    record_writer_init(&export->writer);
    export->gzip = gzip_writer_new(err);
    if (export->gzip == NULL || !load_names(export, err))
        return NULL;
    return POINTER_TAKE(export);
}

void export_free(struct export *export)
{
    if (export == NULL)
        return;
    store_reader_close(export->reader);
    gzip_writer_free(export->gzip);
    buf_clear(&export->names);
    free(export->places);
    free(export);
}

/* ---- producing ---- */

static bool format_row(struct export *export, const struct store_row *row, char *out, size_t *size,
                       struct error *err)
{
    struct name_place place = {0, 0};
    if (row->channel_id >= 0 && (uint64_t)row->channel_id < export->place_count)
        place = export->places[row->channel_id];
    if (place.size == 0)
        return error_set(err, ERR_CORRUPT, "reading %" PRId64 " is of a channel that does not exist",
                         row->seq);
    struct view name = {export->names.data + place.offset, place.size};
    *size += record_write_reading(&export->writer, out, row->seq, row->time_us, name, row->value);
    return true;
}

static bool read_rows(struct export *export, struct error *err)
{
    if (!store_range_read(export->reader, &export->range, export->after, export->rows, STORE_CHUNK_ROWS,
                          &export->row_count, err))
        return false;
    export->row_next = 0;
    if (export->row_count == 0)
        export->read_all = true;
    else
        export->after = export->rows[export->row_count - 1].seq;
    return true;
}

/* The next lines, or none and read_all. */
static bool fill_text(struct export *export, struct error *err)
{
    size_t size = 0;
    while (!export->read_all && size + RECORD_LINE_MAX_BYTES <= EXPORT_TEXT_BYTES) {
        if (export->row_next == export->row_count) {
            if (!read_rows(export, err))
                return false;
            continue;
        }
        const struct store_row *row = &export->rows[export->row_next++];
        if (!format_row(export, row, export->text + size, &size, err))
            return false;
        export->written++;
    }
    export->pending = (struct view){export->text, size};
    if (export->read_all && export->written != export->range.count)
        return error_set(err, ERR_CHANGED, "%" PRId64 " of %" PRId64 " rows were removed during the export",
                         export->range.count - export->written, export->range.count);
    return true;
}

ssize_t export_read(struct export *export, char *out, size_t out_bytes, struct error *err)
{
    size_t size = 0;
    bool ended = export->whole;
    while (!ended && size < out_bytes) {
        if (export->pending.size == 0 && !export->read_all && !fill_text(export, err))
            return -1;
        size += gzip_write(export->gzip, &export->pending, export->read_all, out + size, out_bytes - size,
                           &ended);
    }
    if (size == 0)
        export->whole = true;
    export->bytes += (int64_t)size;
    return (ssize_t)size;
}

bool export_is_whole(const struct export *export)
{
    return export->whole;
}

int64_t export_rows(const struct export *export)
{
    return export->written;
}

int64_t export_bytes(const struct export *export)
{
    return export->bytes;
}

const struct store_range *export_range(const struct export *export)
{
    return &export->range;
}
