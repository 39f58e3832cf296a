#include "agent/info_source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/wire/alarm_record.h"

struct info_source {
    struct line_source source;
    struct store_channel *channels; /* by channel_id */
    size_t channel_count;
    struct store_alarm *alarms; /* by seq; NULL: the lines are the channels */
    size_t alarm_count;
    size_t next;
};

/* ---- lines ---- */

static int compare_channel(const void *id, const void *channel)
{
    int64_t a = *(const int64_t *)id;
    int64_t b = ((const struct store_channel *)channel)->channel_id;
    return (a > b) - (a < b);
}

static bool write_alarm(const struct info_source *info, const struct store_alarm *alarm, struct buf *out,
                        struct error *err)
{
    const struct store_channel *channel = bsearch(&alarm->channel_id, info->channels, info->channel_count,
                                                  sizeof(*info->channels), compare_channel);
    struct alarm_record record = {
        .seq = alarm->seq,
        .alarm_id = alarm->alarm_id,
        .raised_us = alarm->raised_us,
        .resolved_us = alarm->resolved_us,
    };
    if (channel != NULL)
        snprintf(record.channel, sizeof(record.channel), "%s", channel->name);
    snprintf(record.severity, sizeof(record.severity), "%s", alarm->severity);
    snprintf(record.message, sizeof(record.message), "%s", alarm->message);
    return alarm_record_write(&record, out) ||
           error_set(err, ERR_CORRUPT, "alarm %" PRId64 " is of channel %" PRId64 ", which has no name",
                     alarm->alarm_id, alarm->channel_id);
}

static bool write_channel(const struct store_channel *channel, struct buf *out, struct error *err)
{
    struct channel_record record = {.phys_min = channel->phys_min, .phys_max = channel->phys_max};
    snprintf(record.channel, sizeof(record.channel), "%s", channel->name);
    snprintf(record.unit, sizeof(record.unit), "%s", channel->unit);
    snprintf(record.description, sizeof(record.description), "%s", channel->description);
    return channel_record_write(&record, out) ||
           error_set(err, ERR_CORRUPT, "channel %" PRId64 " has a name that cannot be exported",
                     channel->channel_id);
}

static bool read_lines(struct line_source *source, char *out, size_t out_bytes, size_t *size,
                       struct error *err)
{
    struct info_source *info = (struct info_source *)source;
    size_t count = info->alarms != NULL ? info->alarm_count : info->channel_count;
    SCOPE_BUF struct buf line = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    size_t used = 0;
    for (; info->next < count && used + INFO_LINE_MAX_BYTES <= out_bytes; info->next++) {
        buf_reset(&line);
        bool ok = info->alarms != NULL ? write_alarm(info, &info->alarms[info->next], &line, err)
                                       : write_channel(&info->channels[info->next], &line, err);
        if (!ok)
            return false;
        memcpy(out + used, line.data, line.size);
        used += line.size;
    }
    *size = used;
    return true;
}

/* ---- opening and closing ---- */

static void free_info(struct line_source *source)
{
    struct info_source *info = (struct info_source *)source;
    free(info->channels);
    free(info->alarms);
    free(info);
}

static void scope_info(struct info_source **info)
{
    if (*info != NULL)
        free_info(&(*info)->source);
}

static const struct line_source_kind info_kind = {.read = read_lines, .free = free_info};

static struct info_source *new_with_channels(struct store_reader *reader, struct error *err)
{
    SCOPE(scope_info) struct info_source *info = calloc(1, sizeof(*info));
    if (info == NULL) {
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    info->source.kind = &info_kind;
    return store_channels(reader, &info->channels, &info->channel_count, err) ? POINTER_TAKE(info) : NULL;
}

static int64_t time_of(const struct store_alarm *alarm)
{
    return alarm->resolved_us != INT64_MIN ? alarm->resolved_us : alarm->raised_us;
}

/* All of them at once: one read of the store. */
static bool read_alarms(struct info_source *info, struct store_reader *reader,
                        const struct store_range *range, struct error *err)
{
    size_t room = range->count > 0 ? (size_t)range->count : 1;
    info->alarms = calloc(room, sizeof(*info->alarms));
    if (info->alarms == NULL)
        return error_set(err, ERR_MEMORY, "an export's alarms");
    return range->count == 0 ||
           store_alarm_range_read(reader, range, 0, info->alarms, room, &info->alarm_count, err);
}

struct line_source *alarms_source_new(struct store_reader *reader, int64_t after, int64_t since_us,
                                      int64_t limit, struct store_range *out, struct error *err)
{
    SCOPE(scope_info) struct info_source *info = new_with_channels(reader, err);
    struct store_range range;
    int64_t most = limit > 0 && limit < ALARMS_EXPORT_MAX ? limit : ALARMS_EXPORT_MAX;
    if (info == NULL || !store_alarm_range(reader, after, since_us, most, &range, err) ||
        !read_alarms(info, reader, &range, err))
        return NULL;
    range.count = (int64_t)info->alarm_count;
    if (range.count > 0) {
        const struct store_alarm *first = info->alarms;
        const struct store_alarm *last = info->alarms + info->alarm_count - 1;
        range.first_seq = first->seq;
        range.last_seq = last->seq;
        range.first_time_us = time_of(first);
        range.last_time_us = time_of(last);
    }
    *out = range;
    return &POINTER_TAKE(info)->source;
}

struct line_source *channels_source_new(struct store_reader *reader, size_t *count, struct error *err)
{
    struct info_source *info = new_with_channels(reader, err);
    if (info == NULL)
        return NULL;
    *count = info->channel_count;
    return &info->source;
}
