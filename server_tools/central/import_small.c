#include "server_tools/central/import_small.h"

#include "server_tools/central/channel_cache.h"
#include "server_tools/central/small_streams.h"

/* ---- channels: all of them in one transaction ---- */

struct channels {
    size_t count, room;
    struct channel_record *records;    /* room of them, behind the rows */
    struct central_description rows[]; /* room of them; their texts are those of records */
};

/* One block, to be freed. */
static struct channels *channels_new(size_t room, struct error *err)
{
    struct channels *channels =
        calloc(1, sizeof(*channels) + room * (sizeof(channels->rows[0]) + sizeof(channels->records[0])));
    if (channels == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the channels");
        return NULL;
    }
    channels->room = room;
    channels->records = (struct channel_record *)(channels->rows + room);
    return channels;
}

static bool keep_channel(void *context, const struct channel_record *channel, struct error *err)
{
    struct channels *channels = context;
    if (channels->count == channels->room)
        return error_set(err, ERR_INPUT, "more channels than there were");
    struct channel_record *record = &channels->records[channels->count];
    *record = *channel;
    channels->rows[channels->count++] =
        (struct central_description){.name = view_of(record->channel),
                                     .unit = view_of(record->unit),
                                     .description = view_of(record->description),
                                     .min_value = record->phys_min,
                                     .max_value = record->phys_max};
    return true;
}

bool import_channels(const struct import_target *target, const struct archive_files *files, int64_t *changed,
                     struct error *err)
{
    *changed = 0;
    if (files->fds[ARCHIVE_CHANNELS] < 0)
        return true;
    struct small_totals totals;
    SCOPE_FREE struct channels *channels =
        channels_new((size_t)files->info.files[ARCHIVE_CHANNELS].count, err);
    int64_t as_of_us = files->info.created_us > 0 ? files->info.created_us : 0; /* unknown: the oldest */
    return channels != NULL &&
           channels_read(files->fds[ARCHIVE_CHANNELS], keep_channel, channels, &totals, err) &&
           central_describe(target->central, target->vehicle_id, as_of_us, channels->rows, channels->count,
                            changed, err);
}

/* ---- alarms: as many at a time as the store takes ---- */

enum { ALARMS_AT_A_TIME = 500 };

struct alarms {
    const struct import_target *target;
    int64_t added;
    size_t count;
    struct alarm_record records[ALARMS_AT_A_TIME];
    struct central_alarm rows[ALARMS_AT_A_TIME]; /* their texts are those of records */
};

static bool write_alarms(struct alarms *alarms, struct error *err)
{
    int64_t added;
    if (alarms->count == 0)
        return true;
    int64_t last_seq = alarms->records[alarms->count - 1].seq;
    if (!central_add_alarms(alarms->target->central, alarms->target->vehicle_id, alarms->target->store_id,
                            last_seq, alarms->rows, alarms->count, &added, err))
        return false;
    alarms->added += added;
    alarms->count = 0;
    return true;
}

/* Within one call no alarm comes twice. */
static bool holds(const struct alarms *alarms, int64_t alarm_id)
{
    for (size_t i = 0; i < alarms->count; i++) {
        if (alarms->rows[i].alarm_id == alarm_id)
            return true;
    }
    return false;
}

static bool keep_alarm(void *context, const struct alarm_record *alarm, struct error *err)
{
    struct alarms *alarms = context;
    if ((alarms->count == ALARMS_AT_A_TIME || holds(alarms, alarm->alarm_id)) && !write_alarms(alarms, err))
        return false;
    struct alarm_record *record = &alarms->records[alarms->count];
    *record = *alarm;
    alarms->rows[alarms->count++] = (struct central_alarm){.alarm_id = record->alarm_id,
                                                           .channel = view_of(record->channel),
                                                           .severity = view_of(record->severity),
                                                           .message = view_of(record->message),
                                                           .raised_us = record->raised_us,
                                                           .resolved_us = record->resolved_us};
    return true;
}

bool import_alarms(const struct import_target *target, const struct archive_files *files,
                   struct import_counts *counts, struct error *err)
{
    *counts = (struct import_counts){.last_seq = -1};
    if (files->fds[ARCHIVE_ALARMS] < 0)
        return true;
    SCOPE_FREE struct alarms *alarms = calloc(1, sizeof(*alarms));
    struct small_totals totals;
    if (alarms == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for alarms");
    alarms->target = target;
    if (!alarms_read(files->fds[ARCHIVE_ALARMS], keep_alarm, alarms, &totals, err) ||
        !write_alarms(alarms, err))
        return false;
    *counts = (struct import_counts){totals.count, alarms->added, totals.last_seq};
    return true;
}
