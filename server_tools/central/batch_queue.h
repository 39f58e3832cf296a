/* Batches of rows between the thread that reads an archive and the one that writes the central store: a fixed
 * number of buffers that go round. Threads: one fills, one drains. */
#ifndef SERVER_TOOLS_CENTRAL_BATCH_QUEUE_H
#define SERVER_TOOLS_CENTRAL_BATCH_QUEUE_H

#include "server_tools/central/central.h"

enum { BATCH_QUEUE_BATCHES = 3 }; /* one is filled, one waits, one is written */

struct batch {
    struct central_row rows[CENTRAL_BATCH_ROWS]; /* channel_id: the index of a channel_cache */
    size_t count;
    int64_t cursor;     /* where it moves with the batch: the last row's seq; -1: nowhere */
    int32_t channels;   /* indexes below this may occur */
    int64_t lines_done; /* of the archive, with this batch */
    int64_t bytes_done;
};

struct batch_queue;

struct batch_queue *batch_queue_new(struct error *err) MUST_USE;
void batch_queue_free(struct batch_queue *queue); /* NULL is fine; nobody may use it any more */
static inline void scope_batch_queue(struct batch_queue **queue)
{
    batch_queue_free(*queue);
}
#define SCOPE_BATCH_QUEUE SCOPE(scope_batch_queue)

/* ---- the one who fills ---- */
/* An empty batch (count 0), as soon as there is one; NULL when the other side has cancelled. */
struct batch *batch_queue_take(struct batch_queue *queue);
void batch_queue_put(struct batch_queue *queue, struct batch *batch);
/* Nothing more comes; what was put is still drained. */
void batch_queue_finish(struct batch_queue *queue);

/* ---- the one who drains ---- */
/* The next full batch in order, as soon as there is one; NULL when nothing more comes. */
struct batch *batch_queue_next(struct batch_queue *queue);
void batch_queue_give_back(struct batch_queue *queue, struct batch *batch);
/* The one who fills is sent home. */
void batch_queue_cancel(struct batch_queue *queue);

#endif
