#include "server_tools/sync_service/writer_queue.h"

static struct write_job **head_of(struct writer_queue *queue, int64_t vehicle_id)
{
    struct write_job **at = &queue->heads[(uint64_t)vehicle_id % QUEUE_BUCKETS];
    while (*at != NULL && (*at)->vehicle_id != vehicle_id)
        at = &(*at)->place.next_head;
    return at;
}

/* ---- the lists of those that are ready ---- */

static void make_ready(struct writer_queue *queue, struct write_job *job, enum writer_lane lane)
{
    struct job_list *list = &queue->ready[lane];
    job->place.lane = lane;
    job->place.after = NULL;
    job->place.before = list->last;
    if (list->last == NULL)
        list->first = job;
    else
        list->last->place.after = job;
    list->last = job;
}

static void take_out(struct writer_queue *queue, struct write_job *job)
{
    struct job_list *list = &queue->ready[job->place.lane];
    struct job_place *place = &job->place;
    *(place->before == NULL ? &list->first : &place->before->place.after) = place->after;
    *(place->after == NULL ? &list->last : &place->after->place.before) = place->before;
    place->before = NULL;
    place->after = NULL;
}

/* Whether it or one behind it is live. */
static enum writer_lane lane_of(const struct write_job *job)
{
    while (job != NULL && job->lane != LANE_LIVE)
        job = job->place.behind;
    return job == NULL ? LANE_GAP : LANE_LIVE;
}

/* ---- the queue ---- */

static void put_behind(struct writer_queue *queue, struct write_job *head, struct write_job *job)
{
    head->place.last->place.behind = job;
    head->place.last = job;
    if (job->lane != LANE_LIVE || head->place.taken || head->place.lane == LANE_LIVE)
        return;
    take_out(queue, head);
    make_ready(queue, head, LANE_LIVE);
}

void queue_put(struct writer_queue *queue, struct write_job *job)
{
    struct write_job **head = head_of(queue, job->vehicle_id);
    job->place = (struct job_place){.last = job};
    queue->jobs++;
    if (*head != NULL) {
        put_behind(queue, *head, job);
        return;
    }
    *head = job;
    make_ready(queue, job, job->lane);
}

bool queue_has(const struct writer_queue *queue, enum writer_lane lane)
{
    return queue->ready[lane].first != NULL;
}

size_t queue_take(struct writer_queue *queue, enum writer_lane lane, size_t rows_max, size_t jobs_max,
                  struct write_job **jobs)
{
    size_t count = 0;
    size_t rows = 0;
    struct write_job *job = queue->ready[lane].first;
    while (job != NULL && count < jobs_max && (count == 0 || rows + job->row_count <= rows_max)) {
        struct write_job *after = job->place.after;
        take_out(queue, job);
        job->place.taken = true;
        rows += job->row_count;
        jobs[count++] = job;
        job = after;
    }
    return count;
}

void queue_finish(struct writer_queue *queue, struct write_job *job)
{
    struct write_job **head = head_of(queue, job->vehicle_id);
    struct write_job *next = job->place.behind;
    queue->jobs--;
    if (next == NULL) {
        *head = job->place.next_head;
        return;
    }
    next->place.next_head = job->place.next_head;
    next->place.last = job->place.last;
    *head = next;
    make_ready(queue, next, lane_of(next));
}
