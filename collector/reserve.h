/* The reserve file: space held back so that a full disk leaves room to write on and to tidy up. It is given
 * up in steps, so that another program that takes every byte does not take all of it at once. Knows nothing
 * of what fills the disk. Threads: one at a time. */
#ifndef COLLECTOR_RESERVE_H
#define COLLECTOR_RESERVE_H

#include "common/os/file.h"

enum {
    RESERVE_BYTES = 16 * 1024 * 1024,
    RESERVE_STEP_BYTES = 4 * 1024 * 1024,
    RESERVE_MARGIN_BYTES = 2 * RESERVE_BYTES, /* free beside it before it is made again */
};

struct reserve {
    struct path path;   /* TELEMETRY_DIR/reserve */
    int64_t held_bytes; /* 0: there is none */
};

/* Looks whether it is there; makes nothing. */
bool reserve_init(struct reserve *reserve, const char *folder, struct error *err) MUST_USE;
/* Makes it whole, its blocks really allocated. Errors: ERR_SPACE and others; what was held is held still. */
bool reserve_make(struct reserve *reserve, struct error *err) MUST_USE;
/* Makes it a step smaller; the last step removes it. */
bool reserve_give(struct reserve *reserve, struct error *err) MUST_USE;
bool reserve_is_whole(const struct reserve *reserve);
/* Whether free_bytes are enough to make it whole and leave a margin. */
bool reserve_has_room(const struct reserve *reserve, uint64_t free_bytes);

#endif
