#include "common/wire/alarm_record.h"

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "common/wire/members.h"

static const char *const alarm_members[] = {"seq",     "alarm_id",  "channel",     "severity",
                                            "message", "raised_at", "resolved_at", NULL};
static const char *const channel_members[] = {"channel", "unit", "phys_min", "phys_max", "description", NULL};

/* ---- writing ---- */

/* A text that is not what it should be must not make the line one that nobody reads. text: below
 * ALARM_MESSAGE_BYTES, as all of them are. */
static void write_text(struct json_writer *writer, const char *key, const char *text)
{
    char clean[ALARM_MESSAGE_BYTES];
    snprintf(clean, sizeof(clean), "%s", text);
    text_make_printable(clean);
    json_string(writer, key, clean);
}

static bool end_line(struct json_writer *writer)
{
    json_end_object(writer);
    buf_append_byte(writer->out, '\n');
    return !writer->out->over_limit && !writer->out->no_memory;
}

bool alarm_record_write(const struct alarm_record *alarm, struct buf *out)
{
    if (!record_channel_name_ok(view_of(alarm->channel)))
        return false;
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_i64(&writer, "seq", alarm->seq);
    json_i64(&writer, "alarm_id", alarm->alarm_id);
    json_string(&writer, "channel", alarm->channel);
    write_text(&writer, "severity", alarm->severity);
    write_text(&writer, "message", alarm->message);
    json_time_us(&writer, "raised_at", alarm->raised_us);
    json_time_us(&writer, "resolved_at", alarm->resolved_us);
    return end_line(&writer);
}

bool channel_record_write(const struct channel_record *channel, struct buf *out)
{
    if (!record_channel_name_ok(view_of(channel->channel)))
        return false;
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "channel", channel->channel);
    write_text(&writer, "unit", channel->unit);
    json_double(&writer, "phys_min", channel->phys_min);
    json_double(&writer, "phys_max", channel->phys_max);
    write_text(&writer, "description", channel->description);
    return end_line(&writer);
}

/* ---- reading ---- */

static bool need_channel(struct json_value root, char out[RECORD_CHANNEL_BYTES], struct error *err)
{
    if (!json_need_string(root, "channel", out, RECORD_CHANNEL_BYTES, err))
        return false;
    return record_channel_name_ok(view_of(out)) ||
           error_set(err, ERR_INPUT, "member `channel`: expected 1 to %d bytes without control characters",
                     RECORD_CHANNEL_BYTES - 1);
}

static bool need_text(struct json_value root, const char *key, char *out, size_t out_bytes, struct error *err)
{
    if (!json_need_string(root, key, out, out_bytes, err))
        return false;
    for (const char *at = out; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return error_set(err, ERR_INPUT, "member `%s`: a control character", key);
    }
    return true;
}

static bool need_resolved(struct json_value root, int64_t *resolved_us, struct error *err)
{
    *resolved_us = INT64_MIN;
    return json_is_null(json_member(root, "resolved_at")) ||
           member_time(root, "resolved_at", resolved_us, err);
}

/* line: a JSON object with these members alone. NULL with err otherwise. */
static struct json *open_line(struct view line, const char *const *members, struct error *err)
{
    if (line.size >= INFO_LINE_MAX_BYTES) {
        error_set(err, ERR_INPUT, "a line is longer than %d bytes", INFO_LINE_MAX_BYTES - 1);
        return NULL;
    }
    SCOPE_JSON struct json *json = json_parse(line, INFO_LINE_MAX_BYTES, err);
    if (json == NULL)
        return NULL;
    if (json_type_of(json_root(json)) != JSON_OBJECT) {
        error_set(err, ERR_INPUT, "expected an object");
        return NULL;
    }
    return json_only_members(json_root(json), members, err) ? POINTER_TAKE(json) : NULL;
}

bool alarm_record_read(struct view line, struct alarm_record *out, struct error *err)
{
    SCOPE_JSON struct json *json = open_line(line, alarm_members, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct alarm_record alarm = {0};
    if (!json_need_i64(root, "seq", 0, INT64_MAX, &alarm.seq, err) ||
        !json_need_i64(root, "alarm_id", INT64_MIN, INT64_MAX, &alarm.alarm_id, err) ||
        !need_channel(root, alarm.channel, err) ||
        !need_text(root, "severity", alarm.severity, sizeof(alarm.severity), err) ||
        !need_text(root, "message", alarm.message, sizeof(alarm.message), err) ||
        !member_time(root, "raised_at", &alarm.raised_us, err) ||
        !need_resolved(root, &alarm.resolved_us, err))
        return false;
    *out = alarm;
    return true;
}

bool alarm_record_seq(struct view line, int64_t *seq)
{
    SCOPE_JSON struct json *json = open_line(line, alarm_members, NULL);
    return json != NULL && json_get_i64(json_member(json_root(json), "seq"), 0, INT64_MAX, seq);
}

bool channel_record_read(struct view line, struct channel_record *out, struct error *err)
{
    SCOPE_JSON struct json *json = open_line(line, channel_members, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct channel_record channel = {0};
    if (!need_channel(root, channel.channel, err) ||
        !need_text(root, "unit", channel.unit, sizeof(channel.unit), err) ||
        !member_number(root, "phys_min", &channel.phys_min, err) ||
        !member_number(root, "phys_max", &channel.phys_max, err) ||
        !need_text(root, "description", channel.description, sizeof(channel.description), err))
        return false;
    *out = channel;
    return true;
}
