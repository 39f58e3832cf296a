#include "server_tools/sync_service/data_row.h"

#include <math.h>

#include "common/base/decimal.h"
#include "common/base/rfc3339.h"
#include "common/net/json.h"
#include "common/wire/members.h"

enum {
    TIME_BYTES = RFC3339_US_BYTES - 1,
    CHANNEL_MAX_DIGITS = 9, /* more go the slow way, which checks the range */
};

/* ---- the agent's own spelling; false sends the row the slow way ---- */

static inline bool take_text(struct data_scan *scan, const char *text, size_t size)
{
    if (memcmp(scan->at, text, size) != 0) /* within the padding */
        return false;
    scan->at += size;
    return true;
}
#define TAKE_LITERAL(scan, text) take_text((scan), (text), sizeof(text) - 1)

static inline void skip_blank(struct data_scan *scan)
{
    scan->at += *scan->at == ' ';
}

/* The agent's form; days are worked out once a second. */
static bool take_time(struct data_row_reader *reader, struct data_scan *scan, int64_t *time_us)
{
    const char *text = scan->at;
    if (scan->end - text < TIME_BYTES)
        return false;
    if (memcmp(text, reader->second_text, DATA_ROW_SECOND_BYTES) != 0) {
        if (!rfc3339_parse_own_us(text, time_us))
            return false;
        memcpy(reader->second_text, text, DATA_ROW_SECOND_BYTES);
        reader->second_us = *time_us - *time_us % US_PER_S;
        if (reader->second_us > *time_us) /* before 1970 */
            reader->second_us -= US_PER_S;
        scan->at += TIME_BYTES;
        return true;
    }
    unsigned us = 0;
    unsigned highest = 0;
    for (size_t i = DATA_ROW_SECOND_BYTES; i < TIME_BYTES - 1; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        highest = digit > highest ? digit : highest;
        us = us * 10 + digit;
    }
    if (highest > 9 || text[TIME_BYTES - 1] != 'Z')
        return false;
    *time_us = reader->second_us + us;
    scan->at += TIME_BYTES;
    return true;
}

static bool take_channel(struct data_scan *scan, int32_t *channel_id)
{
    const char *begin = scan->at;
    int32_t value = 0;
    unsigned digit;
    while ((digit = (unsigned)(*scan->at - '0')) <= 9 && scan->at - begin < CHANNEL_MAX_DIGITS) {
        value = value * 10 + (int32_t)digit;
        scan->at++;
    }
    ptrdiff_t digits = scan->at - begin;
    *channel_id = value;
    return digits > 0 && (digits == 1 || *begin != '0');
}

static bool take_value(struct data_scan *scan, double *value)
{
    if (TAKE_LITERAL(scan, "null")) {
        *value = NAN;
        return true;
    }
    const char *begin = scan->at;
    while (*scan->at != '}' && *scan->at != ' ' && scan->at < scan->end)
        scan->at++;
    return decimal_parse((struct view){begin, (size_t)(scan->at - begin)}, value);
}

/* {"time":"2026-02-22T10:00:00.000000Z","channel_id":5,"value":1.5}, a blank here and there; false: it goes
 * the slow way. */
static bool read_fast(struct data_row_reader *reader, struct data_scan *scan, struct central_row *row)
{
    struct data_scan at = *scan;
    if (!TAKE_LITERAL(&at, "{\"time\":"))
        return false;
    skip_blank(&at);
    if (!TAKE_LITERAL(&at, "\"") || !take_time(reader, &at, &row->time_us) || !TAKE_LITERAL(&at, "\","))
        return false;
    skip_blank(&at);
    if (!TAKE_LITERAL(&at, "\"channel_id\":"))
        return false;
    skip_blank(&at);
    if (!take_channel(&at, &row->channel_id) || !TAKE_LITERAL(&at, ","))
        return false;
    skip_blank(&at);
    if (!TAKE_LITERAL(&at, "\"value\":"))
        return false;
    skip_blank(&at);
    if (!take_value(&at, &row->value) || !TAKE_LITERAL(&at, "}"))
        return false;
    *scan = at;
    return true;
}

/* ---- any other spelling of the same ---- */

/* The end of the object that begins here, by its braces outside strings; NULL: it has not come yet. What it
 * is in truth json_parse says. */
static const char *object_end(const struct data_scan *scan)
{
    bool in_string = false;
    size_t depth = 0;
    for (const char *at = scan->at; at < scan->end; at++) {
        if (in_string) {
            if (*at == '\\')
                at++;
            else if (*at == '"')
                in_string = false;
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (--depth == 0)
                return at + 1;
        }
    }
    return NULL;
}

static bool read_members(struct view text, struct central_row *row, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(text, DATA_ROW_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    int64_t channel_id;
    if (!member_time(root, "time", &row->time_us, err) ||
        !json_need_i64(root, "channel_id", 0, INT32_MAX, &channel_id, err) ||
        !member_number(root, "value", &row->value, err))
        return false;
    row->channel_id = (int32_t)channel_id;
    return true;
}

static enum data_taken read_strictly(struct data_scan *scan, struct central_row *row, struct error *err)
{
    if (scan->at == scan->end)
        return DATA_NEED_MORE;
    if (*scan->at != '{') {
        error_set(err, ERR_PROTOCOL, "expected a row: an object");
        return DATA_WRONG;
    }
    const char *end = object_end(scan);
    size_t size = (size_t)((end == NULL ? scan->end : end) - scan->at);
    if (size > DATA_ROW_BYTES) {
        error_set(err, ERR_PROTOCOL, "a row is longer than %d bytes", DATA_ROW_BYTES);
        return DATA_WRONG;
    }
    if (end == NULL)
        return DATA_NEED_MORE;
    if (!read_members((struct view){scan->at, size}, row, err))
        return DATA_WRONG;
    scan->at = end;
    return DATA_TAKEN;
}

enum data_taken data_row_take(struct data_row_reader *reader, struct data_scan *scan, struct central_row *row,
                              struct error *err)
{
    if (read_fast(reader, scan, row))
        return DATA_TAKEN;
    return read_strictly(scan, row, err);
}
