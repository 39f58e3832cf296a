/* An answer of the Outbound API as a line_source: JSON with one long array at its end, whose items are made
 * one by one, so that the whole is never in memory. Knows nothing of what they are. Threads: one at a time.
 */
#ifndef AGENT_OUTBOUND_LIST_H
#define AGENT_OUTBOUND_LIST_H

#include "agent/line_source.h"
#include "common/base/view.h"

enum {
    OUTBOUND_HEAD_MAX_BYTES = 2048,
    OUTBOUND_ITEM_MAX_BYTES = 4000, /* with a comma and the end less than a line_source's least room */
};

struct outbound_items;

struct outbound_items_kind {
    /* One item as JSON; out: OUTBOUND_ITEM_MAX_BYTES. *size 0: there are no more, and all that were said to
     * be there were given. */
    bool (*write)(struct outbound_items *items, char *out, size_t *size, struct error *err);
    void (*free)(struct outbound_items *items);
};

/* The first member of every kind's own struct. */
struct outbound_items {
    const struct outbound_items_kind *kind;
};

/* head: JSON up to the array's "[", copied; items: taken over, also on failure. With items NULL the head is
 * the whole answer. Errors: ERR_LIMIT, ERR_MEMORY. */
struct line_source *outbound_list_new(struct view head, struct outbound_items *items,
                                      struct error *err) MUST_USE;

#endif
