/* Source: COPY BINARY, https://www.postgresql.org/docs/15/sql-copy.html: int16 fields; each int32 size,
 * value. */
#include "server_tools/central/central_postgres_copy.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>

enum {
    COPY_SQL_BYTES = 128,
    COPY_FIELDS = 4,
    COPY_ROW_BYTES = 2 + 4 + 4 + 4 + 4 + 4 + 8 + 4 + 8,
};

static const char copy_header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
static const char copy_trailer[2] = "\377\377";

static char *put_u32(char *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static char *put_u64(char *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

/* Returns the end. out: COPY_ROW_BYTES. */
static char *put_row(char *out, int64_t vehicle_id, const struct central_row *row)
{
    uint64_t bits;
    memcpy(&bits, &row->value, sizeof(bits));
    *out++ = 0;
    *out++ = COPY_FIELDS;
    out = put_u32(put_u32(out, sizeof(uint32_t)), (uint32_t)vehicle_id);
    out = put_u32(put_u32(out, sizeof(uint32_t)), (uint32_t)row->channel_id);
    out = put_u64(put_u32(out, sizeof(uint64_t)), (uint64_t)(row->time_us - POSTGRES_EPOCH_US));
    if (isnan(row->value))
        return put_u32(out, UINT32_MAX);
    return put_u64(put_u32(out, sizeof(uint64_t)), bits);
}

static bool send(struct row_copy *copy, struct error *err)
{
    struct view bytes = {copy->buffer, (size_t)(copy->at - copy->buffer)};
    copy->at = copy->buffer;
    return pg_copy_put(copy->pg, bytes, err);
}

bool row_copy_begin(struct row_copy *copy, struct pg *pg, char *buffer, const char *table, struct error *err)
{
    char sql[COPY_SQL_BYTES];
    *copy = (struct row_copy){
        .pg = pg, .buffer = buffer, .at = buffer, .full = buffer + PG_COPY_BUFFER_BYTES - COPY_ROW_BYTES};
    snprintf(sql, sizeof(sql), "COPY %s (" READING_COLUMNS ") FROM STDIN (FORMAT binary)", table);
    if (!pg_copy_begin(pg, sql, err))
        return false;
    memcpy(copy->at, copy_header, sizeof(copy_header));
    copy->at += sizeof(copy_header);
    return true;
}

bool row_copy_put(struct row_copy *copy, int64_t vehicle_id, const struct central_row *row, struct error *err)
{
    copy->at = put_row(copy->at, vehicle_id, row);
    return copy->at <= copy->full || send(copy, err);
}

bool row_copy_end(struct row_copy *copy, int64_t *rows, struct error *err)
{
    memcpy(copy->at, copy_trailer, sizeof(copy_trailer));
    copy->at += sizeof(copy_trailer);
    return send(copy, err) && pg_copy_end(copy->pg, rows, err);
}
