/* backups/backup_v<old version>_<YYYYMMDD>_<HHMMSS>.zip: what an update takes away, for people; going back
 * needs none of it. Knows nothing of packages but what they change. Threads: under run/update.lock. */
#ifndef UPDATER_BACKUP_H
#define UPDATER_BACKUP_H

#include "common/base/clock.h"
#include "updater/manifest.h"

enum { BACKUPS_KEPT = 3, BACKUP_NAME_BYTES = RELEASE_VERSION_BYTES + 40 };

struct backup_request {
    const char *version;             /* of the release that runs */
    const struct manifest *manifest; /* of the package that replaces it */
    int snapshot;                    /* a copy of the store, read from its start; -1: none */
    const char *snapshot_name;       /* "telemetry.db" */
};

/* version.txt, `release/<path>` of every file that is replaced or removed, `data/<snapshot_name>`. Written
 * beside and renamed when it is whole and durable; of all backups the newest three stay. name: of the file,
 * in ROOT/backups. Errors: ERR_SPACE, ERR_IO, ERR_MEMORY. */
bool backup_make(const char *root, const struct backup_request *request, const struct clock *clock,
                 char name[BACKUP_NAME_BYTES], struct error *err) MUST_USE;

/* Removes what a crash left half written. */
bool backup_sweep(const char *root, struct error *err) MUST_USE;

#endif
