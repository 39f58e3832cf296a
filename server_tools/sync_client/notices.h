/* What people see on standard error while it runs: sentences, and a bar on a terminal. Knows nothing of what
 * is counted. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_NOTICES_H
#define SERVER_TOOLS_SYNC_CLIENT_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/clock.h"

enum { COUNT_TEXT_BYTES = 32, NOTICE_BAR_INTERVAL_MS = 100, NOTICES_BYTES_ONLY = -1 };

struct notices {
    const struct clock *clock; /* borrowed */
    bool quiet;
    bool bar;       /* a terminal, not quiet, no NO_COLOR */
    bool bar_drawn; /* the cursor stands behind it */
    const char *what;
    int64_t total;
    int64_t total_bytes;          /* 0: not known */
    int64_t started_us, drawn_us; /* monotonic */
};

void notices_init(struct notices *notices, bool quiet, const struct clock *clock);

/* One line; not with --quiet. */
void notice(struct notices *notices, const char *format, ...) PRINTF_LIKE(2, 3);

/* A bar begins. what: a word, borrowed ("receiving"). total: readings, 0 when unknown, or
 * NOTICES_BYTES_ONLY. */
void notices_begin(struct notices *notices, const char *what, int64_t total);
/* The same of so many bytes and nothing else: with what is left to wait. */
void notices_begin_bytes(struct notices *notices, const char *what, int64_t total_bytes);
/* Draws at most every NOTICE_BAR_INTERVAL_MS, so it may be called for every piece. */
void notices_advance(struct notices *notices, int64_t done, int64_t bytes);
/* Takes the bar away. */
void notices_end(struct notices *notices);

/* 2160000 -> "2,160,000". Returns out. */
const char *count_for_people(char out[COUNT_TEXT_BYTES], int64_t count);

#endif
