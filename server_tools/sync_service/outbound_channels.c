#include <stdlib.h>

#include "server_tools/sync_service/outbound_internal.h"

enum {
    CACHE = 256,                       /* of the machine's numbers, while rows are gone through */
    LOADED_MAX = CHANNEL_BOOK_MAX / 2, /* of the tables': what the machine has now needs room too */
};

/* ---- what the tables know ---- */

static bool take_numbers(struct outbound *outbound, const struct write_job *job, struct error *err)
{
    for (size_t i = 0; i < job->number_count && i < LOADED_MAX; i++) {
        int32_t index;
        if (!channel_book_by_id(outbound->book, job->numbers[i], &index, err))
            return false;
    }
    return true;
}

static void on_numbers(void *context, struct write_job *job, const struct error *failure)
{
    struct outbound *outbound = context;
    struct error err = {.code = ERR_NONE};
    if (failure != NULL)
        err = *failure;
    outbound->has_numbers = failure == NULL && take_numbers(outbound, job, &err);
    write_job_free(job);
    if (outbound_release(outbound) || outbound->dead)
        return;
    outbound->numbers_came(outbound, outbound->has_numbers ? NULL : &err);
}

bool outbound_channels_load(struct outbound *outbound,
                            void (*done)(struct outbound *outbound, const struct error *err),
                            struct error *err)
{
    struct write_job *job = outbound_job(outbound, LANE_LIVE, err);
    if (job == NULL)
        return false;
    job->asks_numbers = true;
    job->done = on_numbers;
    job->context = outbound;
    outbound->numbers_came = done;
    outbound->pending++;
    writer_put(outbound->scene->writer, job);
    return true;
}

/* ---- what /channels says ---- */

void outbound_channels_forget(struct outbound *outbound)
{
    free(outbound->listed);
    outbound->listed = NULL;
    outbound->listed_count = 0;
}

static void describe(const struct outbound *outbound, struct write_job *job, struct job_channel *channels,
                     size_t count)
{
    free(job->channels);
    job->channels = channels;
    job->channel_count = count;
    job->described_us = outbound->turn.now_us;
}

void outbound_channels_take(struct outbound *outbound, struct write_job *job, struct job_channel *channels,
                            size_t count)
{
    outbound_channels_forget(outbound);
    outbound->listed = count == 0 ? NULL : malloc(count * sizeof(*outbound->listed));
    for (size_t i = 0; i < count && outbound->listed != NULL; i++)
        outbound->listed[outbound->listed_count++] = channels[i].remote_id; /* in their order */
    if (job != NULL && count > 0) /* one that describes none: what is known of others stays */
        describe(outbound, job, channels, count);
    else
        free(channels);
}

/* ---- whose a row is ---- */

static int compare_ids(const void *a, const void *b)
{
    const int32_t *left = a;
    const int32_t *right = b;
    return (*left > *right) - (*left < *right);
}

static bool is_ours(const struct outbound *outbound, int32_t remote_id)
{
    return outbound->listed == NULL || channel_book_knows_id(outbound->book, remote_id) ||
           bsearch(&remote_id, outbound->listed, outbound->listed_count, sizeof(remote_id), compare_ids) !=
               NULL;
}

bool outbound_channels_find_stranger(const struct outbound *outbound, const struct data_answer *data,
                                     int32_t *stranger)
{
    int32_t cache[CACHE];
    memset(cache, 0xff, sizeof(cache)); /* -1: none */
    const struct central_row *rows = data_answer_rows(data);
    size_t count = data_answer_row_count(data);
    for (size_t i = 0; i < count; i++) {
        int32_t remote_id = rows[i].channel_id;
        int32_t *cached = &cache[(size_t)remote_id % CACHE];
        if (*cached == remote_id)
            continue;
        if (!is_ours(outbound, remote_id)) {
            *stranger = remote_id;
            return true;
        }
        *cached = remote_id;
    }
    return false;
}
