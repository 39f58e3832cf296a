#include "server_tools/central/importer.h"

#include "server_tools/central/import_small.h"

static bool find_vehicle(struct central *central, const struct archive_info *info, const char *client_id,
                         int64_t *vehicle_id, struct error *err)
{
    if (client_id == NULL && !info->present)
        return error_set(err, ERR_USAGE, "no json beside it: say whose it is with --client-id");
    struct central_vehicle vehicle = {.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    if (client_id == NULL)
        client_id = info->client_id;
    if (!central_client_id_ok(client_id))
        return error_set(err, ERR_USAGE, "client id `%s`: 1 to %d of A-Z a-z 0-9 . _ -", client_id,
                         CLIENT_ID_BYTES - 1);
    memcpy(vehicle.client_id, client_id, strlen(client_id) + 1);
    return central_vehicle(central, &vehicle, vehicle_id, err);
}

/* The cursor says that everything before it is here, so over a gap it stays. */
static bool find_target(struct central *central, int64_t vehicle_id, const struct archive_info *info,
                        enum archive_stream stream, struct import_target *target, struct error *err)
{
    int64_t cursor;
    *target = (struct import_target){.central = central, .vehicle_id = vehicle_id};
    if (!info->present)
        return true;
    if (!central_cursor(central, vehicle_id, info->store_id, archive_stream_word(stream), &cursor, err))
        return false;
    if (archive_info_follows(info, stream, cursor))
        target->store_id = info->store_id;
    return true;
}

/* Channels first: who reads the new readings reads them with what they mean. */
static bool import_streams(struct central *central, int64_t vehicle_id, const struct archive_files *files,
                           import_progress *progress, void *context, struct import_result *result,
                           struct error *err)
{
    struct import_target readings;
    struct import_target alarms;
    struct import_counts counts;
    struct import_counts alarm_counts;
    int64_t changed;
    if (!find_target(central, vehicle_id, &files->info, ARCHIVE_READINGS, &readings, err) ||
        !find_target(central, vehicle_id, &files->info, ARCHIVE_ALARMS, &alarms, err) ||
        !import_channels(&readings, files, &changed, err) ||
        !import_readings(&readings, files, progress, context, &counts, err) ||
        !import_alarms(&alarms, files, &alarm_counts, err))
        return false;
    *result = (struct import_result){.lines = counts.lines,
                                     .added = counts.added,
                                     .alarms = alarm_counts.lines,
                                     .alarms_added = alarm_counts.added,
                                     .channels_changed = changed,
                                     .last_seq = counts.last_seq};
    for (size_t i = 0; i < ARCHIVE_STREAMS; i++)
        result->bytes += files->bytes[i];
    return true;
}

bool import_archive(struct central *central, const char *path, const char *client_id,
                    import_progress *progress, void *context, struct import_result *result, struct error *err)
{
    int64_t vehicle_id = 0;
    SCOPE_ARCHIVE_FILES struct archive_files files;
    if (!archive_files_open(&files, path, err))
        return false;
    if (!find_vehicle(central, &files.info, client_id, &vehicle_id, err) ||
        !central_lock(central, vehicle_id, err))
        return error_wrap(err, "%s", path);
    bool done = import_streams(central, vehicle_id, &files, progress, context, result, err);
    central_unlock(central, vehicle_id);
    return done || error_wrap(err, "%s", path);
}
