#include "server_tools/central/batch_queue.h"

#include <pthread.h>

struct batch_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished, cancelled;
    size_t empty_count, full_count;
    struct batch *empty[BATCH_QUEUE_BATCHES];
    struct batch *full[BATCH_QUEUE_BATCHES]; /* the oldest first */
    struct batch batches[BATCH_QUEUE_BATCHES];
};

struct batch_queue *batch_queue_new(struct error *err)
{
    struct batch_queue *queue = malloc(sizeof(*queue));
    if (queue == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for batches of rows");
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL); /* with no attributes neither can fail */
    pthread_cond_init(&queue->changed, NULL);
    queue->finished = queue->cancelled = false;
    queue->full_count = 0;
    queue->empty_count = BATCH_QUEUE_BATCHES;
    for (size_t i = 0; i < BATCH_QUEUE_BATCHES; i++)
        queue->empty[i] = &queue->batches[i];
    return queue;
}

void batch_queue_free(struct batch_queue *queue)
{
    if (queue == NULL)
        return;
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

struct batch *batch_queue_take(struct batch_queue *queue)
{
    struct batch *batch = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->empty_count == 0 && !queue->cancelled)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (!queue->cancelled) {
        batch = queue->empty[--queue->empty_count];
        batch->count = 0;
    }
    pthread_mutex_unlock(&queue->lock);
    return batch;
}

void batch_queue_put(struct batch_queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    queue->full[queue->full_count++] = batch;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static void raise_flag(struct batch_queue *queue, bool *flag)
{
    pthread_mutex_lock(&queue->lock);
    *flag = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void batch_queue_finish(struct batch_queue *queue)
{
    raise_flag(queue, &queue->finished);
}

void batch_queue_cancel(struct batch_queue *queue)
{
    raise_flag(queue, &queue->cancelled);
}

struct batch *batch_queue_next(struct batch_queue *queue)
{
    struct batch *batch = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->full_count == 0 && !queue->finished)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (queue->full_count > 0) {
        batch = queue->full[0];
        queue->full_count--;
        memmove(queue->full, queue->full + 1, queue->full_count * sizeof(struct batch *));
    }
    pthread_mutex_unlock(&queue->lock);
    return batch;
}

void batch_queue_give_back(struct batch_queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    queue->empty[queue->empty_count++] = batch;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
