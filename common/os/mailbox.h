/* Work handed from any thread to the thread that runs a loop: letters are read there in the order in which
 * they were posted. Knows nothing of what is in them. Threads: mailbox_post from any; the rest from the
 * loop's. */
#ifndef COMMON_OS_MAILBOX_H
#define COMMON_OS_MAILBOX_H

#include "common/os/loop.h"

struct mailbox;

/* The first member of what is posted; it belongs to the mailbox until `read` is called with it. */
struct letter {
    struct letter *next; /* the mailbox's own */
    void (*read)(struct letter *letter);
};

struct mailbox *mailbox_new(struct loop *loop, struct error *err) MUST_USE;
/* Reads what is there first. Nobody may post any more. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);
/* Never fails, never blocks. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

#endif
