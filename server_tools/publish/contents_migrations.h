/* The migrations of a package: read, named, in order, and tried on those that the release has. Threads: one.
 */
#ifndef SERVER_TOOLS_PUBLISH_CONTENTS_MIGRATIONS_H
#define SERVER_TOOLS_PUBLISH_CONTENTS_MIGRATIONS_H

#include "server_tools/publish/contents.h"

/* Fills manifest.migrations, migration_paths and sql. Errors: ERR_INPUT (`bad_migration`, or a name that none
 * has), ERR_NOT_FOUND, ERR_LIMIT (MIGRATION_MAX_BYTES), ERR_IO. */
bool contents_add_migrations(const struct settings *settings, struct contents *out,
                             struct error *err) MUST_USE;

#endif
