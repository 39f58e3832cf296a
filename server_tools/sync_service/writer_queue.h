/* Jobs that wait for a writer, and those that one of them has: those of one vehicle one after the other, in
 * the order in which they came. Knows nothing of PostgreSQL. Allocates nothing: jobs are linked by their
 * `place`. Threads: one at a time (the writer's lock). */
#ifndef SERVER_TOOLS_SYNC_SERVICE_WRITER_QUEUE_H
#define SERVER_TOOLS_SYNC_SERVICE_WRITER_QUEUE_H

#include "server_tools/sync_service/writer.h"

enum { QUEUE_BUCKETS = 4096, LANES = 2 };

struct job_list {
    struct write_job *first, *last;
};

struct writer_queue {
    struct write_job *heads[QUEUE_BUCKETS]; /* each vehicle's first job, by vehicle_id */
    struct job_list ready[LANES];           /* first jobs that nobody has yet */
    size_t jobs;                            /* put and not finished */
};

void queue_put(struct writer_queue *queue, struct write_job *job);

bool queue_has(const struct writer_queue *queue, enum writer_lane lane);
/* Takes the first that is ready, and those behind it while there are at most rows_max rows and jobs_max jobs
 * of them together. Each is of another vehicle. Returns how many. */
size_t queue_take(struct writer_queue *queue, enum writer_lane lane, size_t rows_max, size_t jobs_max,
                  struct write_job **jobs);
/* A job that was taken is over: its vehicle's next is ready. A gap's job that a live one waits behind is done
 * in the live one's lane. */
void queue_finish(struct writer_queue *queue, struct write_job *job);

#endif
