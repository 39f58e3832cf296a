/* agent/contacts.json: the newest sessions that have ended, for the operator's page. They are noted on any
 * thread; the main thread writes them durably, at most once a flush. Threads: safe, but for one flush at a
 * time. */
#ifndef AGENT_CONTACTS_H
#define AGENT_CONTACTS_H

#include <pthread.h>

#include "agent/sessions.h"
#include "common/os/file.h"

enum { CONTACTS_MAX = 20 };

struct contacts {
    struct path path;
    pthread_mutex_t lock;
    struct session_summary sessions[CONTACTS_MAX]; /* the newest first */
    size_t count;
    bool unwritten;
};

/* Reads what is there; an unreadable file counts as none. path: borrowed for this call. */
void contacts_init(struct contacts *contacts, const struct path *path);
void contacts_clear(struct contacts *contacts);

void contacts_note(struct contacts *contacts, const struct session_summary *session);
/* Writes them when there is a new one; after a failure the next flush tries again. */
bool contacts_flush(struct contacts *contacts, struct error *err) MUST_USE;

#endif
