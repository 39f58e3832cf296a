/* Takes the bytes of an update while they come: into a private file of pending_update that nobody else looks
 * at, never more than is allowed, gone again with the receiver unless it was queued. Knows nothing of HTTP
 * and of what is in it. Threads: one at a time. */
#ifndef AGENT_UPDATE_RECEIVER_H
#define AGENT_UPDATE_RECEIVER_H

#include "common/base/log.h"
#include "common/os/file.h"

enum { UPDATE_RESERVE_BYTES = 16 * 1024 * 1024 }; /* kept free for the telemetry, whatever is uploaded */

/* Whether an update of so many bytes (0: not known) has room on the disk of ROOT/pending_update. Errors:
 * ERR_SPACE `no_space`. */
bool update_receiver_room(const char *root, int64_t bytes, struct error *err) MUST_USE;

struct update_receiver;

/* Begins a new file; what is left of an earlier upload goes. One at a time. max_bytes: of the whole. */
struct update_receiver *update_receiver_new(const char *root, int64_t max_bytes, struct error *err) MUST_USE;
/* Removes the file, unless it has another name by now. NULL is fine. */
void update_receiver_free(struct update_receiver *receiver);

/* Errors: ERR_LIMIT `too_large`, ERR_SPACE `no_space`, ERR_IO. */
bool update_receiver_take(struct update_receiver *receiver, struct view piece, struct error *err) MUST_USE;

/* At the end: writes what is not yet written (no fsync). Errors: as above. */
bool update_receiver_finish(struct update_receiver *receiver, struct error *err) MUST_USE;

int update_receiver_fd(const struct update_receiver *receiver); /* borrowed */
int64_t update_receiver_bytes(const struct update_receiver *receiver);

/* At the agent's start: removes what a crash has left of an upload, received or half queued. */
bool update_receiver_sweep(const char *root, const struct log *log, struct error *err) MUST_USE;

#endif
