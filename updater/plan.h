/* `updater verify` and `updater plan`: what a package is to this machine, and what applying it would do.
 * Reads only. */
#ifndef UPDATER_PLAN_H
#define UPDATER_PLAN_H

#include "common/base/buf.h"

/* Each writes for people or, with json, one JSON object and a line feed, also when it returns false: then the
 * package would be refused, and err says why. zip: any path. */

/* The package with its whole content, and whether it may land here. */
bool verify_print(const char *root, const char *zip, bool json, struct buf *out, struct error *err) MUST_USE;

/* Besides: every file that is new, replaced or removed, migrations, the backup, the room on the disk. */
bool plan_print(const char *root, const char *zip, bool json, struct buf *out, struct error *err) MUST_USE;

#endif
