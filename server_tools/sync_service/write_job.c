#include "server_tools/sync_service/writer.h"

#include <stdlib.h>

struct write_job *write_job_new(struct error *err)
{
    struct write_job *job = malloc(sizeof(*job));
    if (job == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for what a vehicle sent");
        return NULL;
    }
    *job = (struct write_job){
        .now_limit_us = INT64_MAX,
        .status = {.seen_us = INT64_MIN, .clock_offset_us = INT64_MIN},
        .progress = {.last_sync_us = INT64_MIN,
                     .live_from_us = INT64_MIN,
                     .live_to_us = INT64_MIN,
                     .cursor_seq = -1,
                     .alarms_seq = -1,
                     .live_after_seq = -1,
                     .live_seq = -1},
        .journal = {.started_us = INT64_MIN},
    };
    return job;
}

void write_job_free(struct write_job *job)
{
    if (job == NULL)
        return;
    room_keep(&job->part, 0);
    free(job->channels);
    free(job->numbers);
    free(job->rows);
    free(job->alarms);
    free(job);
}

size_t write_job_bytes(const struct write_job *job)
{
    return sizeof(*job) + job->channel_count * sizeof(*job->channels) + job->row_count * sizeof(*job->rows) +
           job->alarm_count * sizeof(*job->alarms);
}
