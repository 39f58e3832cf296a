/* pending_update/progress.jsonl as valid lines: how far the updater is. Pure: bytes in, lines out. The file
 * is begun anew with each run; the time of its first line tells one run from another, so that a line has the
 * same name in every portal that reads it, before a restart and after. Threads: safe. */
#ifndef PORTAL_PROGRESS_H
#define PORTAL_PROGRESS_H

#include "common/base/buf.h"
#include "updater/pending.h"

enum {
    PROGRESS_LINES_MAX = 64, /* of one run; further ones are left out */
    PROGRESS_FILE_MAX_BYTES = PROGRESS_LINES_MAX * 2048,
    PROGRESS_STEP_BYTES = 32,
    PROGRESS_MSG_BYTES = PENDING_TEXT_BYTES + PENDING_REASON_BYTES + 2,
    PROGRESS_ID_BYTES = 48,
};

struct progress_line {
    size_t number; /* in the file, from 1 */
    char step[PROGRESS_STEP_BYTES];
    int pct; /* 0 to 100 */
    char msg[PROGRESS_MSG_BYTES];
};

struct progress {
    int64_t run_us; /* the time of its first line */
    size_t count;
    struct progress_line lines[PROGRESS_LINES_MAX];
};

/* A last line without its end is not there yet; one that makes no sense is left out and keeps its number. */
void progress_parse(struct view text, struct progress *out);

/* "<run>-<number>", as in an event's id. */
void progress_id(const struct progress *progress, const struct progress_line *line,
                 char out[PROGRESS_ID_BYTES]);
/* How many lines of this run somebody has seen who names that id; 0: none, or not of this run. id may be
 * NULL and anything. */
size_t progress_seen(const struct progress *progress, const char *id, bool *same_run);

/* Whether the run is about the package that pending speaks of, and not about one before it. */
bool progress_belongs(const struct progress *progress, const struct pending *pending);

#endif
