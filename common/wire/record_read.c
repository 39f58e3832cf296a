#include <math.h>

#include "common/base/decimal.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/wire/members.h"
#include "common/wire/record.h"

enum {
    TIME_BYTES = RFC3339_US_BYTES - 1,
    SEQ_MAX_DIGITS = 18, /* more go the slow way, which checks the range */
};

static const char *const members[] = {"seq", "time", "channel", "value", NULL};

/* ---- the writer's own shape; false sends the line the slow way ---- */

struct scan {
    const char *at, *end; /* *end is the line's final brace: no number runs past it */
};

static bool take(struct scan *scan, const char *text, size_t size)
{
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, text, size) != 0)
        return false;
    scan->at += size;
    return true;
}

#define TAKE_LITERAL(scan, text) take((scan), (text), sizeof(text) - 1)

static bool take_seq(struct scan *scan, int64_t *seq)
{
    const char *begin = scan->at;
    int64_t value = 0;
    unsigned digit;
    while ((digit = (unsigned)(*scan->at - '0')) <= 9 && scan->at - begin < SEQ_MAX_DIGITS) {
        value = value * 10 + digit;
        scan->at++;
    }
    ptrdiff_t digits = scan->at - begin;
    if (digits == 0 || (digits > 1 && *begin == '0'))
        return false;
    *seq = value;
    return true;
}

static bool take_time(struct scan *scan, int64_t *time_us)
{
    if (scan->end - scan->at < TIME_BYTES || !rfc3339_parse_own_us(scan->at, time_us))
        return false;
    scan->at += TIME_BYTES;
    return true;
}

static bool take_channel(struct scan *scan, struct view *channel)
{
    const char *begin = scan->at;
    bool plain = true; /* printable ASCII */
    for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
        if (*scan->at == '\\')
            return false;
        plain &= *scan->at >= ' ' && *scan->at < 0x7f;
    }
    *channel = (struct view){begin, (size_t)(scan->at - begin)};
    if (plain)
        return channel->size > 0 && channel->size < RECORD_CHANNEL_BYTES;
    return record_channel_name_ok(*channel);
}

static bool take_value(struct scan *scan, double *value)
{
    struct view text = {scan->at, (size_t)(scan->end - scan->at)};
    if (view_equal(text, VIEW_LITERAL("null"))) {
        *value = NAN;
        return true;
    }
    return decimal_parse(text, value);
}

static bool read_fast(struct view line, struct record_reading *out)
{
    if (line.size == 0 || line.data[line.size - 1] != '}')
        return false;
    struct scan scan = {line.data, line.data + line.size - 1};
    int64_t seq = -1;
    int64_t time_us;
    struct view channel;
    double value;
    if (TAKE_LITERAL(&scan, "{\"seq\":")) {
        if (!take_seq(&scan, &seq) || !TAKE_LITERAL(&scan, ",\"time\":\""))
            return false;
    } else if (!TAKE_LITERAL(&scan, "{\"time\":\"")) {
        return false;
    }
    if (!take_time(&scan, &time_us) || !TAKE_LITERAL(&scan, "\",\"channel\":\"") ||
        !take_channel(&scan, &channel) || !TAKE_LITERAL(&scan, "\",\"value\":") || !take_value(&scan, &value))
        return false;
    out->seq = seq;
    out->time_us = time_us;
    out->channel = channel;
    out->value = value;
    return true;
}

/* ---- any other spelling of the same ---- */

static bool read_strictly(struct view line, struct record_reading *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(line, RECORD_LINE_MAX_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    if (json_type_of(root) != JSON_OBJECT)
        return error_set(err, ERR_INPUT, "expected an object");
    struct record_reading reading = {.seq = -1};
    if (!json_only_members(root, members, err))
        return false;
    if (json_present(json_member(root, "seq")) &&
        !json_need_i64(root, "seq", 0, INT64_MAX, &reading.seq, err))
        return false;
    if (!member_time(root, "time", &reading.time_us, err) ||
        !json_need_string(root, "channel", reading.scratch, sizeof(reading.scratch), err) ||
        !member_number(root, "value", &reading.value, err))
        return false;
    if (!record_channel_name_ok(view_of(reading.scratch)))
        return error_set(err, ERR_INPUT,
                         "member `channel`: expected 1 to %d bytes without control characters",
                         RECORD_CHANNEL_BYTES - 1);
    *out = reading;
    out->channel = view_of(out->scratch);
    return true;
}

bool record_read_reading(struct view line, struct record_reading *out, struct error *err)
{
    if (line.size >= RECORD_LINE_MAX_BYTES)
        return error_set(err, ERR_INPUT, "a line is longer than %d bytes", RECORD_LINE_MAX_BYTES - 1);
    return read_fast(line, out) || read_strictly(line, out, err);
}
