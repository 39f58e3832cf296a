#include "agent/table_row.h"

#include <math.h>

enum {
    COLUMNS = 3,
    FLAG_CRITICAL = 0xffff0000, /* what a reader must understand; there is nothing that we do */
    NULL_BYTES = -1,
    TRAILER = -1,
};

/* 2000-01-01T00:00:00Z: PostgreSQL's times count from there, in microseconds. */
#define EPOCH_US INT64_C(946684800000000)

static const char signature[] = "PGCOPY\n\377\r\n"; /* its final NUL is part of it */

static bool take_bytes(struct view *rest, size_t size, struct view *out)
{
    if (rest->size < size)
        return false;
    *out = (struct view){rest->data, size};
    *rest = (struct view){rest->data + size, rest->size - size};
    return true;
}

/* The high bytes first, sign extended. */
static bool take_number(struct view *rest, size_t size, int64_t *out)
{
    struct view bytes;
    if (!take_bytes(rest, size, &bytes))
        return false;
    uint64_t value = (uint64_t)((bytes.data[0] & 0x80) != 0 ? -1 : 0);
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (unsigned char)bytes.data[i];
    *out = (int64_t)value;
    return true;
}

static bool take_header(struct view *rest)
{
    struct view bytes;
    int64_t flags;
    int64_t more;
    return take_bytes(rest, sizeof(signature), &bytes) && memcmp(bytes.data, signature, bytes.size) == 0 &&
           take_number(rest, 4, &flags) && (flags & FLAG_CRITICAL) == 0 && take_number(rest, 4, &more) &&
           more >= 0 && take_bytes(rest, (size_t)more, &bytes);
}

/* A column; data NULL: it is NULL. */
static bool take_column(struct view *rest, struct view *out)
{
    int64_t size;
    if (!take_number(rest, 4, &size))
        return false;
    *out = (struct view){NULL, 0};
    return size == NULL_BYTES || (size >= 0 && take_bytes(rest, (size_t)size, out));
}

static bool read_columns(struct view *rest, struct table_row *row)
{
    struct view time;
    struct view value;
    int64_t number;
    if (!take_column(rest, &time) || !take_column(rest, &row->channel) || !take_column(rest, &value) ||
        time.size != 8 || !take_number(&time, 8, &number) ||
        __builtin_add_overflow(number, EPOCH_US, &row->time_us))
        return false;
    row->value = NAN;
    if (value.data == NULL)
        return true;
    if (value.size != sizeof(row->value) || !take_number(&value, 8, &number))
        return false;
    memcpy(&row->value, &number, sizeof(row->value));
    return true;
}

static bool damaged(struct error *err)
{
    return error_set(err, ERR_PROTOCOL, "PostgreSQL's binary rows are not what they must be");
}

bool table_row_take(struct table_rows *rows, struct view *message, struct table_row *row, bool *got,
                    struct error *err)
{
    int64_t columns;
    *got = false;
    if (message->size == 0)
        return true;
    if (rows->ended || (!rows->begun && !take_header(message)))
        return damaged(err);
    rows->begun = true;
    if (message->size == 0)
        return true;
    if (!take_number(message, 2, &columns))
        return damaged(err);
    rows->ended = columns == TRAILER;
    if (rows->ended)
        return message->size == 0 || damaged(err);
    *got = columns == COLUMNS && read_columns(message, row);
    return *got || damaged(err);
}
