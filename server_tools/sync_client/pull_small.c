#include "server_tools/sync_client/pull_small.h"

#include "server_tools/sync_client/retry.h"

static bool fetch(struct small *small, struct archive_part *part, struct export_request *request,
                  struct archive_file *out, struct error *err)
{
    int failures = 0;
    struct export_result result;
    char file[ARCHIVE_FILE_BYTES];
    for (;;) {
        if (!archive_part_add(part, request->stream, file, err))
            return false;
        if (export_fetch(small->session, part->fds[request->stream], request, &result, err))
            break;
        archive_part_drop(part, request->stream);
        small->store_changed = result.store_changed;
        if (!retry_is_break(err) || !retry_wait(small->session->notices, &failures, err))
            return false;
    }
    *out = result.file;
    memcpy(out->file, file, sizeof(file));
    if (request->stream == ARCHIVE_ALARMS)
        out->after = request->after;
    return true;
}

static bool fetch_alarms(struct small *small, struct archive_part *part, struct archive_info *info,
                         struct error *err)
{
    struct export_request request = {.stream = ARCHIVE_ALARMS,
                                     .format = small->format,
                                     .store_id = small->agent->store_id,
                                     .since = "",
                                     .has_seq = true};
    return home_cursor(small->home, request.store_id, ARCHIVE_ALARMS, &request.after, err) &&
           fetch(small, part, &request, &info->files[ARCHIVE_ALARMS], err);
}

static bool fetch_channels(struct small *small, struct archive_part *part, struct archive_info *info,
                           struct error *err)
{
    struct export_request request = {
        .stream = ARCHIVE_CHANNELS, .format = small->format, .store_id = small->agent->store_id, .since = ""};
    return fetch(small, part, &request, &info->files[ARCHIVE_CHANNELS], err);
}

bool pull_small(struct small *small, struct archive_part *part, struct archive_info *info, struct error *err)
{
    if (small->agent->alarms && !fetch_alarms(small, part, info, err))
        return false;
    return !small->agent->channels || fetch_channels(small, part, info, err);
}
