#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/wire/record.h"

enum {
    SECOND_BYTES = 20, /* 2026-02-22T10:00:00. */
    US_DIGITS = 6,
};

#define TIME_MIN_US INT64_C(-62167219200000000) /* year 0000 */
#define TIME_MAX_US INT64_C(253402300799999999) /* the end of year 9999 */

bool record_channel_name_ok(struct view name)
{
    if (name.size < 1 || name.size >= RECORD_CHANNEL_BYTES || !text_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (byte < ' ' || byte == 0x7f)
            return false;
    }
    return true;
}

void record_writer_init(struct record_writer *writer)
{
    *writer = (struct record_writer){.second = INT64_MIN};
}

bool record_escape_channel(struct view name, struct buf *out)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            buf_append_byte(out, '\\');
        buf_append_byte(out, name.data[i]);
    }
    return !out->over_limit && !out->no_memory;
}

static char *put(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define PUT_LITERAL(out, text) put((out), (text), sizeof(text) - 1)

size_t record_write_time(struct record_writer *writer, char *out, int64_t time_us)
{
    if (time_us < TIME_MIN_US)
        time_us = TIME_MIN_US;
    if (time_us > TIME_MAX_US)
        time_us = TIME_MAX_US;
    int64_t second = time_us / US_PER_S;
    int64_t us = time_us % US_PER_S;
    if (us < 0) {
        us += US_PER_S;
        second--;
    }
    if (second != writer->second) {
        char text[RFC3339_US_BYTES];
        rfc3339_format_us(text, time_us);
        memcpy(writer->second_text, text, SECOND_BYTES);
        writer->second = second;
    }
    out = put(out, writer->second_text, SECOND_BYTES);
    decimal_write_digits(out, US_DIGITS, (uint64_t)us);
    out[US_DIGITS] = 'Z';
    return RECORD_TIME_BYTES;
}

size_t record_write_reading(struct record_writer *writer, char *out, int64_t seq, int64_t time_us,
                            struct view escaped_channel, double value)
{
    char *at = out;
    if (seq >= 0) {
        at = PUT_LITERAL(at, "{\"seq\":");
        at += decimal_write_u64(at, (uint64_t)seq);
        at = PUT_LITERAL(at, ",\"time\":\"");
    } else {
        at = PUT_LITERAL(at, "{\"time\":\"");
    }
    at += record_write_time(writer, at, time_us);
    at = PUT_LITERAL(at, "\",\"channel\":\"");
    at = put(at, escaped_channel.data, escaped_channel.size);
    at = PUT_LITERAL(at, "\",\"value\":");
    at += decimal_write(at, value);
    at = PUT_LITERAL(at, "}\n");
    return (size_t)(at - out);
}
