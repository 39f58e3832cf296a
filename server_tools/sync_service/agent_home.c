#include "server_tools/sync_service/agent_home.h"

#include <stdio.h>
#include <stdlib.h>

/* One job from agent_home_put to its end. */
struct parcel {
    struct parcel *next;
    struct agent_home *home;
    struct home_put put;
    char store_id[65];          /* of the position when it was put */
    struct home_position after; /* when it is committed */
};

struct agent_home {
    const struct sync_scene *scene;
    int64_t vehicle_id;
    struct home_position position;
    struct channel_book *book;
    struct parcel *first, **end; /* the first is the writer's while busy */
    bool busy;                   /* the first is on its way */
    bool orphan;                 /* freed; gone with the last job */
};

/* ---- what is home ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void home_position_add(struct home_position *position, int64_t after, int64_t to)
{
    bool live = position->live_after >= 0;
    if (after <= position->cursor) {
        position->cursor = later(position->cursor, to);
    } else if (live && after >= position->live_after && after <= position->live_seq) {
        position->live_seq = later(position->live_seq, to);
    } else {
        position->live_after = after;
        position->live_seq = to;
    }
    if (position->live_after >= 0 && position->cursor >= position->live_after) {
        position->cursor = later(position->cursor, position->live_seq);
        position->live_after = position->live_seq = -1;
    }
}

/* ---- jobs ---- */

static void set_progress(struct parcel *parcel)
{
    const struct home_put *put = &parcel->put;
    struct home_position *after = &parcel->after;
    *after = parcel->home->position;
    bool counts = strcmp(parcel->store_id, after->store_id) == 0; /* else it is of the store before */
    if (counts && put->to >= 0)
        home_position_add(after, put->after, put->to);
    if (counts && put->alarms_to >= 0)
        after->alarms = later(after->alarms, put->alarms_to);
    put->job->progress = (struct job_progress){
        .store_id = after->store_id[0] != '\0' ? after->store_id : NULL,
        .cursor_seq = after->cursor,
        .alarms_seq = after->alarms,
        .live_after_seq = after->live_after,
        .live_seq = after->live_seq,
        .synced = put->synced,
    };
}

static void end_parcel(struct parcel *parcel, const struct home_result *result)
{
    if (parcel->put.done != NULL)
        parcel->put.done(parcel->put.context, result);
    free(parcel);
}

static struct parcel *take_first(struct agent_home *home)
{
    struct parcel *parcel = home->first;
    home->first = parcel->next;
    if (home->first == NULL)
        home->end = &home->first;
    return parcel;
}

static void free_home(struct agent_home *home)
{
    while (home->first != NULL) {
        struct parcel *parcel = take_first(home);
        write_job_free(parcel->put.job);
        free(parcel);
    }
    channel_book_free(home->book);
    free(home);
}

static void hand_on(struct agent_home *home);

static void job_done(void *context, struct write_job *job, const struct error *err)
{
    struct agent_home *home = context;
    const struct home_result result = {.err = err,
                                       .rows_added = job->rows_added,
                                       .rows_quarantined = job->rows_quarantined,
                                       .alarms_added = job->alarms_added};
    struct parcel *parcel = take_first(home);
    metric_add(home->scene->metrics, METRIC_ROWS_WRITTEN, (uint64_t)job->rows_added);
    metric_add(home->scene->metrics, METRIC_ROWS_QUARANTINED, (uint64_t)job->rows_quarantined);
    home->busy = false;
    if (home->orphan) {
        write_job_free(job);
        free(parcel);
        free_home(home);
        return;
    }
    if (err == NULL && strcmp(parcel->after.store_id, home->position.store_id) == 0)
        home->position = parcel->after;
    hand_on(home); /* the writer need not wait for whoever is told */
    end_parcel(parcel, &result);
    write_job_free(job);
}

static void hand_on(struct agent_home *home)
{
    struct parcel *parcel = home->first;
    if (home->busy || parcel == NULL)
        return;
    home->busy = true;
    set_progress(parcel);
    parcel->put.job->done = job_done;
    parcel->put.job->context = home;
    writer_put(home->scene->writer, parcel->put.job);
}

bool agent_home_put(struct agent_home *home, const struct home_put *put, struct error *err)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    if (parcel == NULL) {
        write_job_free(put->job);
        return error_set(err, ERR_MEMORY, "no memory left for a job");
    }
    parcel->home = home;
    parcel->put = *put;
    snprintf(parcel->store_id, sizeof(parcel->store_id), "%s", home->position.store_id);
    *home->end = parcel;
    home->end = &parcel->next;
    hand_on(home);
    return true;
}

void agent_home_forget(struct agent_home *home, const void *context)
{
    for (struct parcel *parcel = home->first; parcel != NULL; parcel = parcel->next) {
        if (parcel->put.context == context)
            parcel->put.done = NULL;
    }
}

struct write_job *agent_home_job(const struct agent_home *home, enum writer_lane lane, struct error *err)
{
    struct write_job *job = write_job_new(err);
    if (job == NULL)
        return NULL;
    job->lane = lane;
    job->vehicle_id = home->vehicle_id;
    job->book = home->book;
    job->now_limit_us = clock_utc_us(home->scene->clock) + home->scene->settings->max_clock_skew_s * US_PER_S;
    return job;
}

/* ---- the vehicle ---- */

struct agent_home *agent_home_new(const struct sync_scene *scene, struct error *err)
{
    struct agent_home *home = calloc(1, sizeof(*home));
    if (home == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a vehicle");
        return NULL;
    }
    home->scene = scene;
    home->end = &home->first;
    home->position = (struct home_position){.live_after = -1, .live_seq = -1};
    home->book = channel_book_new(err);
    if (home->book != NULL)
        return home;
    free(home);
    return NULL;
}

void agent_home_free(struct agent_home *home)
{
    if (home == NULL)
        return;
    home->orphan = true;
    if (!home->busy)
        free_home(home);
}

const struct home_position *agent_home_position(const struct agent_home *home)
{
    return &home->position;
}

struct channel_book *agent_home_book(const struct agent_home *home)
{
    return home->book;
}

void agent_home_adopt(struct agent_home *home, const struct vehicle *vehicle)
{
    home->vehicle_id = vehicle->vehicle_id;
    if (home->first != NULL)
        return;
    struct home_position position = {.cursor = later(vehicle->cursor_seq, 0),
                                     .alarms = later(vehicle->alarms_seq, 0),
                                     .live_after = vehicle->live_after_seq,
                                     .live_seq = vehicle->live_seq};
    snprintf(position.store_id, sizeof(position.store_id), "%s", vehicle->store_id);
    if (position.live_after < 0 || position.live_seq < position.live_after ||
        position.cursor >= position.live_after)
        position.live_after = position.live_seq = -1;
    home->position = position;
}

void agent_home_begin_store(struct agent_home *home, const char *store_id)
{
    home->position = (struct home_position){.live_after = -1, .live_seq = -1};
    snprintf(home->position.store_id, sizeof(home->position.store_id), "%s", store_id);
}
