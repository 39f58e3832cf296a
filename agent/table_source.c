#include "agent/table_source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agent/table_names.h"
#include "agent/table_query.h"
#include "agent/table_row.h"
#include "common/wire/record.h"

struct table_source {
    struct line_source source;
    struct table_link *link;
    const struct log *log;
    int64_t count, written;
    struct table_rows rows;
    struct view message; /* what is left of PostgreSQL's last one */
    bool at_end;
    struct record_writer writer;
    struct table_names names;
};

static bool next_message(struct table_source *table, struct pg *pg, struct error *err)
{
    if (!pg_copy_get(pg, &table->message, err))
        return false;
    table->at_end = table->message.size == 0;
    return true;
}

static size_t write_line(struct table_source *table, const struct table_row *row, char *out)
{
    struct view name = table_name_of(&table->names, row->channel);
    table->written++;
    return record_write_reading(&table->writer, out, -1, row->time_us, name, row->value);
}

static bool fill(struct table_source *table, struct pg *pg, char *out, size_t out_bytes, size_t *size,
                 struct error *err)
{
    size_t used = 0;
    while (!table->at_end && used + RECORD_LINE_MAX_BYTES <= out_bytes) {
        struct table_row row;
        bool got;
        if (!table_row_take(&table->rows, &table->message, &row, &got, err))
            return false;
        if (got)
            used += write_line(table, &row, out + used);
        else if (!next_message(table, pg, err))
            return false;
    }
    *size = used;
    return true;
}

static bool read_lines(struct line_source *source, char *out, size_t out_bytes, size_t *size,
                       struct error *err)
{
    struct table_source *table = (struct table_source *)source;
    struct pg *pg = table_link_begin(table->link, TABLE_READ_S);
    bool ok = fill(table, pg, out, out_bytes, size, err);
    if (!table_link_end(table->link, ok, err))
        return false;
    return !table->at_end || table->written == table->count ||
           error_set(err, ERR_PROTOCOL, "PostgreSQL gave %" PRId64 " rows and had counted %" PRId64,
                     table->written, table->count);
}

static void stop(struct line_source *source)
{
    table_link_break(((struct table_source *)source)->link);
}

static void free_table(struct line_source *source)
{
    struct table_source *table = (struct table_source *)source;
    if (table->names.fitted > 0)
        log_warn(table->log,
                 "export: %" PRId64 " rows have a channel that no line can hold (NULL, empty, longer than %d"
                 " bytes, control characters): it was given a name that can",
                 table->names.fitted, RECORD_CHANNEL_BYTES - 1);
    table_link_close(table->link);
    free(table);
}

static const struct line_source_kind table_kind = {.read = read_lines, .free = free_table, .stop = stop};

struct line_source *table_source_new(struct table_link *link, const char *copy_sql, int64_t count,
                                     const struct log *log, struct error *err)
{
    struct table_source *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        table_link_close(link);
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    table->source.kind = &table_kind;
    table->link = link;
    table->log = log;
    table->count = count;
    record_writer_init(&table->writer);
    struct pg *pg = table_link_begin(link, TABLE_QUERY_S);
    bool ok = pg_copy_begin_out(pg, copy_sql, err) && next_message(table, pg, err);
    if (table_link_end(link, ok, err))
        return &table->source;
    free_table(&table->source);
    return NULL;
}
