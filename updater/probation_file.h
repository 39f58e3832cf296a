/* ROOT/probation, `<previous version> <starts>`: it is there from before the switch to a new release until
 * that one has proved itself or is undone, and boot/start counts in it. It lies in ROOT itself, where no
 * service may write, so it decides where pending_update/state.json says something else. Knows nothing of
 * packages. Threads: safe under run/update.lock. */
#ifndef UPDATER_PROBATION_FILE_H
#define UPDATER_PROBATION_FILE_H

#include "updater/release.h"

/* The release to go back to; "" when nothing is on probation, or the file makes no sense (boot/start leaves
 * such a one alone). Errors: ERR_IO, ERR_MEMORY. */
bool probation_file_read(const char *root, char previous[RELEASE_VERSION_BYTES], struct error *err) MUST_USE;

/* With no start counted; durable. */
bool probation_file_write(const char *root, const char *previous, struct error *err) MUST_USE;

/* Durable. True also when there was none. */
bool probation_file_remove(const char *root, struct error *err) MUST_USE;

#endif
