/* The migrations that belong to the running program: ROOT/current/migrations, else beside the program's own
 * folder (../migrations), else those of a build (../dist/migrations). Knows no database. */
#ifndef COLLECTOR_RELEASE_MIGRATIONS_H
#define COLLECTOR_RELEASE_MIGRATIONS_H

#include "common/app/migration_set.h"

/* The first of the three folders that is there. */
struct migration_set *release_migrations_load(const char *root, struct error *err) MUST_USE;

#endif
