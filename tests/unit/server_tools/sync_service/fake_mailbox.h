/* A mailbox that is read when the test says so, or when it is torn down. Each test program includes it once.
 */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_FAKE_MAILBOX_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_FAKE_MAILBOX_H

#include "common/os/mailbox.h"

struct mailbox {
    struct letter *first; /* the last that was posted: tests post one at a time */
};

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    letter->next = mailbox->first;
    mailbox->first = letter;
}

static inline void fake_mailbox_read(struct mailbox *mailbox)
{
    while (mailbox->first != NULL) {
        struct letter *letter = mailbox->first;
        mailbox->first = letter->next;
        letter->read(letter);
    }
}

#endif
