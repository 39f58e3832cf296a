/* The reserve file: space held back so that a full disk leaves room to write on and to tidy up. Knows
 * nothing of what fills the disk. Threads: one at a time. */
#ifndef COLLECTOR_RESERVE_H
#define COLLECTOR_RESERVE_H

#include "common/os/file.h"

enum {
    RESERVE_BYTES = 16 * 1024 * 1024,
    RESERVE_MARGIN_BYTES = 2 * RESERVE_BYTES, /* free beside it before it is made again */
};

struct reserve {
    struct path path; /* TELEMETRY_DIR/reserve */
    bool present;
};

/* Looks whether it is there; makes nothing. */
bool reserve_init(struct reserve *reserve, const char *folder, struct error *err) MUST_USE;
/* Makes it, its blocks really allocated. Errors: ERR_SPACE and others; then there is none. */
bool reserve_make(struct reserve *reserve, struct error *err) MUST_USE;
/* Removes it. */
bool reserve_release(struct reserve *reserve, struct error *err) MUST_USE;
/* Whether free_bytes are enough to make it and leave a margin. */
bool reserve_has_room(uint64_t free_bytes);

#endif
