/* GET /api/update/progress: the lines of progress.jsonl as events, as the updater writes them. The file is
 * read when inotify says so; nothing runs otherwise. Each event's id outlives a restart of the portal, also
 * into another version.
 * Threads: update_progress_get from any; the rest from the loop's. */
#ifndef PORTAL_UPDATE_PROGRESS_H
#define PORTAL_UPDATE_PROGRESS_H

#include "portal/portal.h"

/* portal: borrowed, its server runs. */
struct update_progress *update_progress_start(struct portal *portal, struct error *err) MUST_USE;
/* Ends every stream. Before the server's stop; a request under way may still ask. */
void update_progress_stop(struct update_progress *progress);
/* After the server's stop. NULL is fine in both. */
void update_progress_free(struct update_progress *progress);

/* Answers with the stream: first what its Last-Event-ID has not seen of this run, or without one the whole
 * run when it is about the package that the queue speaks of. */
void update_progress_get(struct http_request *request);

#endif
