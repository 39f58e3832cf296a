/* Rows of a binary COPY, in two messages that the first byte divides: whatever comes, a row taken can be
 * written as a line that reads back. */
#include <stdint.h>
#include <stdlib.h>

#include "agent/table_names.h"
#include "agent/table_row.h"
#include "common/base/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void write_row(struct table_names *names, const struct table_row *row)
{
    struct record_writer writer;
    struct record_reading reading;
    char line[RECORD_LINE_MAX_BYTES];
    record_writer_init(&writer);
    struct view name = table_name_of(names, row->channel);
    size_t size = record_write_reading(&writer, line, -1, row->time_us, name, row->value);
    must(size <= sizeof(line));
    must(record_read_reading((struct view){line, size - 1}, &reading, NULL));
}

static bool take_all(struct table_rows *rows, struct table_names *names, struct view message)
{
    struct table_row row;
    bool got = true;
    while (got) {
        size_t before = message.size;
        if (!table_row_take(rows, &message, &row, &got, NULL))
            return false;
        must(message.size < before || !got);
        if (got)
            write_row(names, &row);
    }
    must(message.size == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct table_rows rows = {0};
    SCOPE_FREE struct table_names *names = calloc(1, sizeof(*names));
    size_t first = data[0] < size - 1 ? data[0] : size - 1;
    struct view message = {(const char *)data + 1, size - 1};
    if (names != NULL && take_all(&rows, names, (struct view){message.data, first}))
        take_all(&rows, names, (struct view){message.data + first, message.size - first});
    return 0;
}
