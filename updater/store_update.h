/* The telemetry store during an update: found, copied, migrated, while the collector writes to it. Its folder
 * belongs to the services, so all of it is done as that folder's owner: whoever plants a link there leads us
 * nowhere that they could not go themselves. Knows nothing of releases and packages. Threads: one at a time
 * (the process's effective user changes). */
#ifndef UPDATER_STORE_UPDATE_H
#define UPDATER_STORE_UPDATE_H

#include "common/app/appliance.h"
#include "common/base/clock.h"

struct store_place {
    struct path folder; /* TELEMETRY_DIR, absolute */
    struct path file;   /* of the store in use */
    bool there;         /* false: the collector has made none yet; there is nothing to copy or migrate */
    int64_t bytes;      /* with its write-ahead log */
};

bool store_find(const struct appliance *appliance, struct store_place *out, struct error *err) MUST_USE;

/* A copy of the store as it is now, in a file without a name (nothing of it is left when the descriptor is
 * closed), positioned at its start. Returns -1 with err: ERR_SPACE, ERR_CORRUPT, ERR_BUSY, ERR_IO. */
int store_snapshot(const struct store_place *store, struct error *err) MUST_USE;

/* Removes what a crash left of a snapshot. */
bool store_sweep(const struct store_place *store, struct error *err) MUST_USE;

/* Applies what migrations/ of the release folder has and the store's ledger has not, all or none; they only
 * add (migrate_db_adding). version: for the ledger. */
bool store_migrate(const struct store_place *store, const char *release_folder, const char *version,
                   const struct clock *clock, struct error *err) MUST_USE;

#endif
