#include "server_tools/central/small_streams.h"

#include "server_tools/central/channel_cache.h"
#include "server_tools/central/line_reader.h"

/* ---- alarms ---- */

struct alarms {
    alarm_on_record *on_alarm; /* NULL: nobody listens */
    void *context;
    int64_t first_seq, last_seq; /* -1: none yet */
};

static bool take_alarm(void *context, struct view line, struct error *err)
{
    struct alarms *alarms = context;
    struct alarm_record alarm;
    if (!alarm_record_read(line, &alarm, err))
        return false;
    if (alarm.seq <= alarms->last_seq)
        return error_set(err, ERR_INPUT, "seq %lld follows on seq %lld", (long long)alarm.seq,
                         (long long)alarms->last_seq);
    if (alarms->on_alarm != NULL && !alarms->on_alarm(alarms->context, &alarm, err))
        return false;
    if (alarms->first_seq < 0)
        alarms->first_seq = alarm.seq;
    alarms->last_seq = alarm.seq;
    return true;
}

bool alarms_read(int fd, alarm_on_record *on_alarm, void *context, struct small_totals *totals,
                 struct error *err)
{
    struct alarms alarms = {.on_alarm = on_alarm, .context = context, .first_seq = -1, .last_seq = -1};
    SCOPE_LINE_READER struct line_reader *lines =
        line_reader_new(INFO_LINE_MAX_BYTES, take_alarm, &alarms, err);
    if (lines == NULL || !line_reader_read_file(lines, fd, err))
        return false;
    *totals = (struct small_totals){line_reader_lines(lines), alarms.first_seq, alarms.last_seq};
    return true;
}

/* ---- channels ---- */

struct channels {
    channel_on_record *on_channel; /* NULL: nobody listens */
    void *context;
    struct channel_cache *seen;
};

static bool take_channel(void *context, struct view line, struct error *err)
{
    struct channels *channels = context;
    struct channel_record channel;
    int32_t index;
    int32_t seen = channel_cache_count(channels->seen);
    if (!channel_record_read(line, &channel, err) ||
        !channel_cache_index(channels->seen, view_of(channel.channel), &index, err))
        return false;
    if (index < seen)
        return error_set(err, ERR_INPUT, "channel `%s` is described twice", channel.channel);
    return channels->on_channel == NULL || channels->on_channel(channels->context, &channel, err);
}

bool channels_read(int fd, channel_on_record *on_channel, void *context, struct small_totals *totals,
                   struct error *err)
{
    SCOPE_CHANNEL_CACHE struct channel_cache *seen = channel_cache_new(err);
    if (seen == NULL)
        return false;
    struct channels channels = {.on_channel = on_channel, .context = context, .seen = seen};
    SCOPE_LINE_READER struct line_reader *lines =
        line_reader_new(INFO_LINE_MAX_BYTES, take_channel, &channels, err);
    if (lines == NULL || !line_reader_read_file(lines, fd, err))
        return false;
    *totals = (struct small_totals){line_reader_lines(lines), -1, -1};
    return true;
}
