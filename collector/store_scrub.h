/* Reads the store slice by slice, as a reader would, so that damage is noticed while there is still time to
 * begin a new store: what the writer holds in its cache hides it. Threads: one at a time. */
#ifndef COLLECTOR_STORE_SCRUB_H
#define COLLECTOR_STORE_SCRUB_H

#include <stdint.h>

#include "common/base/error.h"

enum { SCRUB_ROWS = 20 * 1000 }; /* a slice: near 5 ms */

struct store_scrub {
    int64_t after_seq; /* the slice begins behind it */
};

/* The next slice, with a connection of its own; behind the last one the first comes again.
 * Errors: ERR_CORRUPT; others mean nothing. */
bool store_scrub_step(struct store_scrub *scrub, const char *path, struct error *err) MUST_USE;

#endif
