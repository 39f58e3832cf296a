#include "common/net/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"

enum {
    NUMBER_BYTES = 32,
    DOUBLE_SURE_DIGITS = 15, /* any decimal of so many digits survives a double */
    DOUBLE_MAX_DIGITS = 17,  /* so many always read back as the same double */
};
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void json_writer_init(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){out, false};
}

/* Size of the UTF-8 sequence that text begins with; 0: none. */
static size_t sequence_size(struct view text)
{
    unsigned char first = (unsigned char)text.data[0];
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0x80 ? 2 : 1;
    return size <= text.size && text_is_utf8((struct view){text.data, size}) ? size : 0;
}

static void write_escape(struct buf *out, char byte)
{
    static const char short_ones[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, its letter */
    for (size_t i = 0; i + 1 < sizeof(short_ones); i += 2) {
        if (short_ones[i] == byte) {
            const char escape[] = {'\\', short_ones[i + 1]};
            buf_append(out, escape, sizeof(escape));
            return;
        }
    }
    buf_printf(out, "\\u%04x", (unsigned)byte);
}

static bool is_plain(char byte)
{
    unsigned char code = (unsigned char)byte;
    return code >= 0x20 && code < 0x80 && code != '"' && code != '\\';
}

/* What stands at the beginning of text and is not plain; returns how many bytes it took. */
static size_t write_special(struct buf *out, struct view text)
{
    if ((unsigned char)text.data[0] < 0x80) {
        write_escape(out, text.data[0]);
        return 1;
    }
    size_t size = sequence_size(text);
    if (size == 0) {
        buf_append_text(out, REPLACEMENT);
        return 1;
    }
    buf_append(out, text.data, size);
    return size;
}

static void write_quoted(struct buf *out, struct view text)
{
    buf_append_byte(out, '"');
    while (text.size > 0) {
        size_t size = 0;
        while (size < text.size && is_plain(text.data[size]))
            size++;
        if (size > 0)
            buf_append(out, text.data, size);
        else
            size = write_special(out, text);
        text = (struct view){text.data + size, text.size - size};
    }
    buf_append_byte(out, '"');
}

/* The comma and the key that stand before a value. */
static void begin_value(struct json_writer *writer, const char *key)
{
    if (writer->need_comma)
        buf_append_byte(writer->out, ',');
    if (key != NULL) {
        write_quoted(writer->out, view_of(key));
        buf_append_byte(writer->out, ':');
    }
    writer->need_comma = true;
}

void json_raw_text(struct json_writer *writer, const char *key, struct view json)
{
    begin_value(writer, key);
    buf_append_view(writer->out, json);
}

static void open_container(struct json_writer *writer, const char *key, char bracket)
{
    begin_value(writer, key);
    buf_append_byte(writer->out, bracket);
    writer->need_comma = false;
}

static void close_container(struct json_writer *writer, char bracket)
{
    buf_append_byte(writer->out, bracket);
    writer->need_comma = true;
}

void json_object(struct json_writer *writer, const char *key)
{
    open_container(writer, key, '{');
}

void json_end_object(struct json_writer *writer)
{
    close_container(writer, '}');
}

void json_array(struct json_writer *writer, const char *key)
{
    open_container(writer, key, '[');
}

void json_end_array(struct json_writer *writer)
{
    close_container(writer, ']');
}

void json_string(struct json_writer *writer, const char *key, const char *text)
{
    json_string_view(writer, key, view_of(text));
}

void json_string_view(struct json_writer *writer, const char *key, struct view text)
{
    begin_value(writer, key);
    write_quoted(writer->out, text);
}

void json_i64(struct json_writer *writer, const char *key, int64_t value)
{
    begin_value(writer, key);
    buf_printf(writer->out, "%lld", (long long)value);
}

void json_u64(struct json_writer *writer, const char *key, uint64_t value)
{
    begin_value(writer, key);
    buf_printf(writer->out, "%llu", (unsigned long long)value);
}

void json_double(struct json_writer *writer, const char *key, double value)
{
    if (!isfinite(value)) {
        json_null(writer, key);
        return;
    }
    char text[NUMBER_BYTES];
    for (int digits = DOUBLE_SURE_DIGITS; digits <= DOUBLE_MAX_DIGITS; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_raw_text(writer, key, view_of(text));
}

void json_bool(struct json_writer *writer, const char *key, bool value)
{
    json_raw_text(writer, key, view_of(value ? "true" : "false"));
}

void json_null(struct json_writer *writer, const char *key)
{
    json_raw_text(writer, key, VIEW_LITERAL("null"));
}

void json_time_us(struct json_writer *writer, const char *key, int64_t utc_us)
{
    if (utc_us == INT64_MIN) {
        json_null(writer, key);
        return;
    }
    char text[RFC3339_US_BYTES];
    rfc3339_format_us(text, utc_us);
    json_string(writer, key, text);
}
