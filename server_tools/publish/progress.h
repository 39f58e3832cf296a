/* A bar on a terminal for what takes long: bytes done of bytes in all. Threads: one. */
#ifndef SERVER_TOOLS_PUBLISH_PROGRESS_H
#define SERVER_TOOLS_PUBLISH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROGRESS_INTERVAL_MS = 200,
    PROGRESS_FROM_BYTES = 32 * 1024 * 1024 /* smaller ones are done at once */
};

struct progress {
    bool wanted, drawn;
    const char *what;
    int64_t done, total; /* bytes */
    int64_t drawn_us;
};

/* quiet: nothing is drawn; nor when standard error is no terminal, or with NO_COLOR. */
void progress_init(struct progress *progress, bool quiet);
void progress_begin(struct progress *progress, const char *what, int64_t total);
void progress_add(struct progress *progress, int64_t bytes);
/* The line is empty again. */
void progress_end(struct progress *progress);

#endif
