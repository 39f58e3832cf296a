#include "agent/line_feed.h"

#include <pthread.h>
#include <stdlib.h>

struct block {
    bool ok;
    size_t size;      /* 0: the end */
    struct error err; /* when not ok */
    char text[FEED_BLOCK_BYTES];
};

/* A ring: the producer fills blocks[filled % FEED_BLOCKS] and the consumer looks at blocks[taken %
 * FEED_BLOCKS]; 0 <= filled - taken <= FEED_BLOCKS. A block that ends the feed is the last one filled. */
struct line_feed {
    struct line_source *source;
    bool ahead;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* filled, taken or stop */
    size_t filled, taken;
    bool holds; /* the consumer has the block at taken */
    bool stop;
    struct block blocks[FEED_BLOCKS];
};

static void fill(struct line_feed *feed, struct block *block)
{
    block->ok =
        feed->source->kind->read(feed->source, block->text, sizeof(block->text), &block->size, &block->err);
}

static bool is_last(const struct block *block)
{
    return !block->ok || block->size == 0;
}

/* ---- the producer's side ---- */

/* False when the feed was stopped. */
static bool wait_for_room(struct line_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    while (!feed->stop && feed->filled - feed->taken == FEED_BLOCKS)
        pthread_cond_wait(&feed->changed, &feed->lock);
    bool go_on = !feed->stop;
    pthread_mutex_unlock(&feed->lock);
    return go_on;
}

static void *produce(void *context)
{
    struct line_feed *feed = context;
    bool more = true;
    while (more && wait_for_room(feed)) {
        struct block *block = &feed->blocks[feed->filled % FEED_BLOCKS];
        fill(feed, block);
        more = !is_last(block);
        pthread_mutex_lock(&feed->lock);
        feed->filled++;
        pthread_cond_signal(&feed->changed);
        pthread_mutex_unlock(&feed->lock);
    }
    return NULL;
}

/* ---- the consumer's side ---- */

/* Gives back the block that it holds, but for the last, and waits for the next one. */
static const struct block *next_made_ahead(struct line_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    if (feed->holds && !is_last(&feed->blocks[feed->taken % FEED_BLOCKS])) {
        feed->taken++;
        pthread_cond_signal(&feed->changed);
    }
    while (feed->filled == feed->taken)
        pthread_cond_wait(&feed->changed, &feed->lock);
    feed->holds = true;
    pthread_mutex_unlock(&feed->lock);
    return &feed->blocks[feed->taken % FEED_BLOCKS];
}

bool line_feed_next(struct line_feed *feed, struct view *block, struct error *err)
{
    const struct block *next = feed->blocks;
    if (feed->ahead)
        next = next_made_ahead(feed);
    else
        fill(feed, feed->blocks);
    if (!next->ok)
        return error_set(err, next->err.code, "%s", next->err.text);
    *block = (struct view){next->text, next->size};
    return true;
}

struct line_feed *line_feed_new(struct line_source *source, bool ahead, struct error *err)
{
    struct line_feed *feed = calloc(1, sizeof(*feed));
    if (feed == NULL) {
        source->kind->free(source);
        error_set(err, ERR_MEMORY, "an export's lines");
        return NULL;
    }
    feed->source = source;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->changed, NULL);
    feed->ahead = ahead && pthread_create(&feed->thread, NULL, produce, feed) == 0;
    return feed;
}

void line_feed_free(struct line_feed *feed)
{
    if (feed == NULL)
        return;
    if (feed->ahead) {
        pthread_mutex_lock(&feed->lock);
        feed->stop = true;
        pthread_cond_signal(&feed->changed);
        pthread_mutex_unlock(&feed->lock);
        if (feed->source->kind->stop != NULL)
            feed->source->kind->stop(feed->source);
        pthread_join(feed->thread, NULL);
    }
    feed->source->kind->free(feed->source);
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}
