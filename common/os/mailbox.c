#include "common/os/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    _Atomic(struct letter *) newest; /* those before it behind it */
    int event_fd;                    /* written to where newest was NULL */
    struct loop_watch *watch;
};

/* Takes all that is there, the oldest first. */
static struct letter *take_all(struct mailbox *mailbox)
{
    struct letter *newest = atomic_exchange(&mailbox->newest, NULL);
    struct letter *oldest = NULL;
    while (newest != NULL) {
        struct letter *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void read_all(struct mailbox *mailbox)
{
    struct letter *letter = take_all(mailbox);
    while (letter != NULL) {
        struct letter *next = letter->next; /* whoever reads it may free it */
        letter->read(letter);
        letter = next;
    }
}

static void be_woken(void *context, uint32_t events)
{
    struct mailbox *mailbox = context;
    uint64_t times;
    (void)events;
    if (read(mailbox->event_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
        read_all(mailbox);
}

struct mailbox *mailbox_new(struct loop *loop, struct error *err)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (mailbox == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a mailbox");
        return NULL;
    }
    mailbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->event_fd < 0)
        error_set_errno(err, "the mailbox of an event loop");
    else
        mailbox->watch = loop_fd(loop, mailbox->event_fd, EPOLLIN, be_woken, mailbox, err);
    if (mailbox->watch != NULL)
        return mailbox;
    mailbox_free(mailbox);
    return NULL;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    while (atomic_load(&mailbox->newest) != NULL) /* a letter may post another */
        read_all(mailbox);
    loop_remove(mailbox->watch);
    if (mailbox->event_fd >= 0)
        close(mailbox->event_fd);
    free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    const uint64_t once = 1;
    struct letter *newest = atomic_load(&mailbox->newest);
    do {
        letter->next = newest;
    } while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, letter));
    /* An eventfd refuses only above 2^64 - 2, and then the loop has been woken already. */
    if (newest == NULL && write(mailbox->event_fd, &once, sizeof(once)) < 0)
        return;
}
