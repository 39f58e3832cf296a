/* Which releases of a ROOT stay: the one that runs, the one to go back to, and no other. Knows nothing of
 * packages. Threads: under run/update.lock. */
#ifndef UPDATER_RELEASE_SWEEP_H
#define UPDATER_RELEASE_SWEEP_H

#include "updater/release.h"

/* The release to go back to from the one that runs: what ROOT/probation names, else the highest one below it
 * (versions only go up, and what was undone is swept before something newer comes). out: "" when there is
 * none. */
bool release_previous(const char *root, char out[RELEASE_VERSION_BYTES], struct error *err) MUST_USE;

/* Never the one that runs (ERR_INTERNAL). It gets another name first, so that what a crash leaves of it is no
 * release. True also when it was not there. */
bool release_remove(const char *root, const char *version, struct error *err) MUST_USE;

/* Removes every other release, and what was half made or half removed. */
bool release_sweep(const char *root, struct error *err) MUST_USE;

#endif
