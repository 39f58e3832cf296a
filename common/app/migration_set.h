/* The migrations of a release folder (migrations/NNNN_what.sql), read and hashed. Knows no database. */
#ifndef COMMON_APP_MIGRATION_SET_H
#define COMMON_APP_MIGRATION_SET_H

#include "common/store/migrate.h"

enum { MIGRATION_SET_MAX = 1000 };

struct migration_set;

/* Every regular file *.sql of the folder, which must all be named NNNN_what.sql ([a-z0-9_]).
 * Errors: ERR_NOT_FOUND (no folder, or nothing in it), ERR_INPUT (a name), ERR_LIMIT, ERR_IO. */
struct migration_set *migration_set_load(const char *folder, struct error *err) MUST_USE;
void migration_set_free(struct migration_set *set); /* NULL is fine */
static inline void scope_migration_set(struct migration_set **set)
{
    migration_set_free(*set);
}
#define SCOPE_MIGRATION_SET SCOPE(scope_migration_set)

/* Borrowed from the set. */
const struct migration *migration_set_items(const struct migration_set *set, size_t *count);

/* migrate_db with the whole set. */
bool migration_set_apply(const struct migration_set *set, sqlite3 *db, const char *version,
                         const struct clock *clock, struct error *err) MUST_USE;

#endif
