/* Hands out the lines of an export block by block. Many of them are made ahead by a thread of its own, so
 * that reading and formatting overlap with what is done with them; few are made when they are asked for.
 * Threads: one consumer at a time. */
#ifndef AGENT_LINE_FEED_H
#define AGENT_LINE_FEED_H

#include "agent/line_source.h"
#include "common/base/view.h"

enum {
    FEED_BLOCK_BYTES = 64 * 1024, /* stays in the CPU's cache on its way to the compressor */
    /* The compressor takes hundreds of KiB at once and then gives them out for a while: a shorter ring would
     * stand still meanwhile (4 blocks: a fifth slower). */
    FEED_BLOCKS = 16,
};

struct line_feed;

/* source: taken over, also on failure. ahead: with a thread; where none can be had, it goes without. */
struct line_feed *line_feed_new(struct line_source *source, bool ahead, struct error *err) MUST_USE;
/* Stops the thread, wherever it is. NULL is fine. */
void line_feed_free(struct line_feed *feed);

/* The next block, valid until the next call; empty: the end. Errors: those of the source. */
bool line_feed_next(struct line_feed *feed, struct view *block, struct error *err) MUST_USE;

#endif
