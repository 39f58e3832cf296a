#include "collector/lines_reader.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/decimal.h"
#include "common/base/text.h"

/* Whoever sends another time has another precision, or no clock. */
#define TIME_MIN_US  (INT64_C(946684800) * US_PER_S)  /* 2000-01-01 */
#define TIME_MAX_US  (INT64_C(4102444800) * US_PER_S) /* 2100-01-01 */
#define NS_PER_US    1000
#define AUTO_MAX_S   INT64_C(100000000000) /* a count below is one of seconds ... */
#define AUTO_MAX_MS  INT64_C(100000000000000)
#define AUTO_MAX_US  INT64_C(100000000000000000)
#define TIMES_WANTED "expected a time from 2000 to 2099: is precision= what the sender writes?"

/* ---- one line ---- */

static void refuse_line(struct lines_reader *reader, const char *why)
{
    reader->refused_lines++;
    reader->stream->refuse(reader->stream->context, why);
    if (!reader->refusal_said)
        log_warn(reader->log, "input %s: a line was refused (said once): %s", reader->stream->name, why);
    reader->refusal_said = true;
}

static void skip_text(struct lines_reader *reader, struct view field)
{
    reader->texts++;
    if (!reader->text_said)
        log_warn(reader->log, "input %s: texts are left out, a reading is a number (said once): field %.*s",
                 reader->stream->name, VIEW_ARG(field));
    reader->text_said = true;
}

static enum lines_precision guess(int64_t time)
{
    return time < AUTO_MAX_S    ? LINES_S
           : time < AUTO_MAX_MS ? LINES_MS
           : time < AUTO_MAX_US ? LINES_US
                                : LINES_NS;
}

static bool time_of(const struct lines_reader *reader, int64_t *time_us)
{
    static const int64_t us[] = {[LINES_US] = 1, [LINES_MS] = US_PER_MS, [LINES_S] = US_PER_S};
    const struct line_point *point = &reader->point;
    enum lines_precision precision = (enum lines_precision)reader->options.precision;
    *time_us = reader->now_us;
    if (!point->has_time)
        return true;
    if (precision == LINES_AUTO)
        precision = guess(point->time);
    if (precision == LINES_NS)
        *time_us = point->time / NS_PER_US;
    else if (__builtin_mul_overflow(point->time, us[precision], time_us))
        return false;
    return *time_us >= TIME_MIN_US && *time_us < TIME_MAX_US;
}

static void put(struct lines_reader *reader, struct view channel, double value, int64_t time_us)
{
    const struct sample sample = {
        .channel = channel,
        .value = value,
        .time_us = time_us,
        .description = "given by another program",
        .phys_min = NAN,
        .phys_max = NAN,
        .max_channels = (uint32_t)reader->options.max_channels,
    };
    (void)reader->stream->sink.put(reader->stream->sink.context, &sample);
}

static void put_field(struct lines_reader *reader, const struct line_field *field, int64_t time_us)
{
    struct view name;
    if (field->is_text)
        skip_text(reader, field->key);
    else if (line_channel_name(&reader->channel, field->key, &name))
        put(reader, name, field->value, time_us);
    else
        reader->stream->refuse(reader->stream->context, "names of channels longer than 127 bytes");
}

static void take_point(struct lines_reader *reader, struct view line)
{
    struct error err;
    int64_t time_us;
    if (line_is_empty(line))
        return;
    if (!line_parse(line, &reader->point, &err)) {
        refuse_line(reader, err.text);
    } else if (!time_of(reader, &time_us)) {
        refuse_line(reader, TIMES_WANTED);
    } else {
        line_channel_begin(&reader->channel, &reader->point);
        for (size_t i = 0; i < reader->point.field_count; i++)
            put_field(reader, &reader->point.fields[i], time_us);
    }
}

static void take_number(struct lines_reader *reader, struct view line)
{
    double value;
    line.size -= line.size > 0 && line.data[line.size - 1] == '\r';
    line = text_trim(line);
    if (line.size == 0)
        return;
    if (decimal_parse(line, &value) || text_parse_double(line, &value))
        put(reader, view_of(reader->options.channel), value, reader->now_us);
    else
        refuse_line(reader, "expected a line with one number alone");
}

static void take_line(struct lines_reader *reader, struct view line)
{
    if (reader->options.channel[0] != '\0')
        take_number(reader, line);
    else
        take_point(reader, line);
}

/* ---- lines ---- */

static struct view behind(struct view bytes, size_t size)
{
    return (struct view){bytes.data + size, bytes.size - size};
}

/* What belongs to a line that is too long. */
static struct view skip(struct lines_rest *rest, struct view bytes)
{
    const char *end = bytes.size > 0 ? memchr(bytes.data, '\n', bytes.size) : NULL;
    if (end == NULL)
        return (struct view){bytes.data, 0};
    rest->skipping = false;
    return behind(bytes, (size_t)(end - bytes.data) + 1);
}

/* Takes the whole lines off *bytes. A text that has no end may be a slip in one line, and what follows is
 * tried again from the next on; each such try looks at all that was read, so there are few. False: no room
 * for the next. */
static bool take_lines(struct lines_reader *reader, struct lines_rest *rest, struct view *bytes)
{
    for (int unended = 0;;) {
        if (rest->skipping)
            *bytes = skip(rest, *bytes);
        size_t size = line_end(*bytes);
        if (size == 0 && bytes->size >= LINE_MAX_BYTES) {
            refuse_line(reader, "a line is longer than 65535 bytes");
            rest->skipping = true;
            if (++unended > LINES_UNENDED_A_READ)
                *bytes = behind(*bytes, bytes->size);
            continue;
        }
        if (size == 0)
            return true;
        if (!reader->stream->has_room(reader->stream->context))
            return false;
        take_line(reader, (struct view){bytes->data, size - 1});
        *bytes = behind(*bytes, size);
    }
}

void lines_rest_clear(struct lines_rest *rest)
{
    free(rest->data);
    *rest = (struct lines_rest){0};
}

/* Keeps what was not taken. Without memory for it the line is lost, and what follows up to its end. */
static void keep(struct lines_reader *reader, struct lines_rest *rest, struct view bytes)
{
    bool skipping = rest->skipping;
    char *data = bytes.size == 0 ? NULL : malloc(bytes.size);
    if (bytes.size > 0 && data == NULL) {
        refuse_line(reader, "no memory left");
        skipping = true;
    } else if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    lines_rest_clear(rest);
    *rest = (struct lines_rest){data, data == NULL ? 0 : bytes.size, skipping};
}

/* The reader's bytes hold `size` of this sender. */
static enum lines_result take_all(struct lines_reader *reader, struct lines_rest *rest, size_t size)
{
    struct view bytes = {reader->bytes, size};
    reader->now_us = clock_utc_us(reader->log->clock);
    bool all = take_lines(reader, rest, &bytes);
    keep(reader, rest, bytes);
    return all ? LINES_TAKEN : LINES_HELD;
}

static size_t load(struct lines_reader *reader, const struct lines_rest *rest)
{
    if (rest->size > 0)
        memcpy(reader->bytes, rest->data, rest->size);
    return rest->size;
}

enum lines_result lines_reader_read(struct lines_reader *reader, struct lines_rest *rest, int fd)
{
    size_t size = load(reader, rest);
    ssize_t got;
    do {
        got = read(fd, reader->bytes + size, LINES_READ_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? LINES_EMPTY : LINES_END;
    return got == 0 ? LINES_END : take_all(reader, rest, size + (size_t)got);
}

enum lines_result lines_reader_go_on(struct lines_reader *reader, struct lines_rest *rest)
{
    return take_all(reader, rest, load(reader, rest));
}

void lines_reader_finish(struct lines_reader *reader, struct lines_rest *rest, bool may_be_whole)
{
    if (rest->size > 0 && may_be_whole)
        take_line(reader, (struct view){rest->data, rest->size});
    else if (rest->size > 0)
        refuse_line(reader, "a line without its end: the sender closed in the middle of it");
    lines_rest_clear(rest);
}
