#include <inttypes.h>
#include <stdlib.h>

#include "agent/outbound_items.h"
#include "common/base/decimal.h"
#include "common/wire/record.h"

struct rows {
    struct outbound_items items;
    struct store_reader *reader;
    struct store_window window;
    struct record_writer writer;
    struct store_row last; /* the last that was written; of no meaning while written is 0 */
    int64_t written;
    size_t next, count;
    struct store_row chunk[STORE_CHUNK_ROWS];
};

/* ---- one row ---- */

static char *put(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define PUT_LITERAL(out, text) put((out), (text), sizeof(text) - 1)

static char *put_time(struct record_writer *writer, char *out, int64_t time_us)
{
    out = PUT_LITERAL(out, "\"time\":\"");
    out += record_write_time(writer, out, time_us);
    return PUT_LITERAL(out, "\",");
}

static char *put_channel(char *out, int64_t channel_id)
{
    out = PUT_LITERAL(out, "\"channel_id\":");
    if (channel_id < 0)
        *out++ = '-';
    out += decimal_write_u64(out, channel_id < 0 ? -(uint64_t)channel_id : (uint64_t)channel_id);
    return PUT_LITERAL(out, ",");
}

size_t outbound_write_row(struct record_writer *writer, char *out, const struct store_row *row,
                          bool channel_first)
{
    char *at = PUT_LITERAL(out, "{");
    if (channel_first)
        at = put_channel(at, row->channel_id);
    at = put_time(writer, at, row->time_us);
    if (!channel_first)
        at = put_channel(at, row->channel_id);
    at = PUT_LITERAL(at, "\"value\":");
    at += decimal_write(at, row->value);
    *at++ = '}';
    return (size_t)(at - out);
}

/* ---- the rows of a window ---- */

static bool read_chunk(struct rows *rows, struct error *err)
{
    const struct store_row *after = rows->written > 0 ? &rows->last : NULL;
    rows->next = 0;
    return store_window_read(rows->reader, &rows->window, after, rows->chunk, STORE_CHUNK_ROWS, &rows->count,
                             err);
}

static bool write_row(struct outbound_items *items, char *out, size_t *size, struct error *err)
{
    struct rows *rows = (struct rows *)items;
    *size = 0;
    if (rows->written == rows->window.count)
        return true;
    if (rows->next == rows->count && !read_chunk(rows, err))
        return false;
    if (rows->count == 0)
        return error_set(err, ERR_CHANGED, "%" PRId64 " of %" PRId64 " rows were removed meanwhile",
                         rows->window.count - rows->written, rows->window.count);
    rows->last = rows->chunk[rows->next++];
    rows->written++;
    *size = outbound_write_row(&rows->writer, out, &rows->last, false);
    return true;
}

static void free_rows(struct outbound_items *items)
{
    struct rows *rows = (struct rows *)items;
    store_reader_close(rows->reader);
    free(rows);
}

static const struct outbound_items_kind rows_kind = {.write = write_row, .free = free_rows};

struct outbound_items *outbound_rows_new(struct store_reader *reader, const struct store_window *window,
                                         struct error *err)
{
    struct rows *rows = calloc(1, sizeof(*rows));
    if (rows == NULL) {
        store_reader_close(reader);
        error_set(err, ERR_MEMORY, "an answer's rows");
        return NULL;
    }
    rows->items.kind = &rows_kind;
    rows->reader = reader;
    rows->window = *window;
    record_writer_init(&rows->writer);
    return &rows->items;
}
