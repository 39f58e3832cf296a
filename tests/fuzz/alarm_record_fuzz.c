/* Lines of alarms and channels: what is taken for one, written by our own writer, must read the same again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/wire/alarm_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void try_alarm(struct view line)
{
    struct alarm_record alarm;
    if (!alarm_record_read(line, &alarm, NULL))
        return;
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    struct alarm_record again;
    must(alarm_record_write(&alarm, &out));
    must(alarm_record_read((struct view){out.data, out.size - 1}, &again, NULL));
    must(alarm.seq == again.seq && alarm.alarm_id == again.alarm_id);
    must(strcmp(alarm.channel, again.channel) == 0 && strlen(alarm.message) == strlen(again.message));
}

static void try_channel(struct view line)
{
    struct channel_record channel;
    if (!channel_record_read(line, &channel, NULL))
        return;
    SCOPE_BUF struct buf out = BUF_LIMIT(INFO_LINE_MAX_BYTES);
    struct channel_record again;
    must(channel_record_write(&channel, &out));
    must(channel_record_read((struct view){out.data, out.size - 1}, &again, NULL));
    must(memcmp(&channel.phys_min, &again.phys_min, sizeof(channel.phys_min)) == 0);
    must(strcmp(channel.channel, again.channel) == 0 && strlen(channel.unit) == strlen(again.unit));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view line = {(const char *)data, size};
    try_alarm(line);
    try_channel(line);
    return 0;
}
