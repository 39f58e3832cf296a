/* The record reader: what it takes for a record, written by our own writer, must read the same again, and by
 * the fast way as by the strict one. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool same(const struct record_reading *a, const struct record_reading *b)
{
    bool same_value = isnan(a->value) ? isnan(b->value) : bits_of(a->value) == bits_of(b->value);
    return a->seq == b->seq && a->time_us == b->time_us && view_equal(a->channel, b->channel) && same_value;
}

static size_t write_line(const struct record_reading *reading, char line[RECORD_LINE_MAX_BYTES])
{
    SCOPE_BUF struct buf channel = BUF_LIMIT(RECORD_LINE_MAX_BYTES);
    must(record_escape_channel(reading->channel, &channel));
    struct record_writer writer;
    record_writer_init(&writer);
    return record_write_reading(&writer, line, reading->seq, reading->time_us, buf_view(&channel),
                                reading->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_reading reading;
    struct error err;
    if (!record_read_reading((struct view){(const char *)data, size}, &reading, &err))
        return 0;
    must(record_channel_name_ok(reading.channel));
    must(!isinf(reading.value));

    char line[RECORD_LINE_MAX_BYTES];
    size_t line_bytes = write_line(&reading, line);
    must(line_bytes <= sizeof(line) && line[line_bytes - 1] == '\n');
    struct record_reading again;
    must(record_read_reading((struct view){line, line_bytes - 1}, &again, NULL));
    /* an offset can bring a time out of the years that the writer has */
    if (again.time_us != reading.time_us)
        return 0;
    must(same(&reading, &again));

    line[line_bytes - 1] = ' '; /* a blank at the end is JSON, but not the writer's shape */
    struct record_reading strict;
    if (line_bytes < sizeof(line)) {
        must(record_read_reading((struct view){line, line_bytes}, &strict, NULL));
        must(same(&reading, &strict));
    }
    return 0;
}
