/* Whether the disks have room for an update before anything of it is written. Threads: safe. */
#ifndef UPDATER_SPACE_H
#define UPDATER_SPACE_H

#include "updater/target.h"

struct update_space {
    int64_t release_bytes; /* new files and migrations, into releases/ */
    int64_t backup_bytes;  /* at most, into backups/ */
    int64_t store_bytes;   /* of the snapshot, for a moment in TELEMETRY_DIR; 0: no migrations, or no store */
};

/* What applying this package would take. */
bool update_space_of(const struct target *target, const struct manifest *manifest, struct update_space *out,
                     struct error *err) MUST_USE;

/* Errors: ERR_SPACE `no_space`, with what is missing where. */
bool update_space_check(const struct target *target, const struct update_space *space,
                        struct error *err) MUST_USE;

#endif
