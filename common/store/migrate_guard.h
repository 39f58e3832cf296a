/* Holds a migration to its promise that it only adds: CREATE TABLE, VIEW and non-unique INDEX, ADD COLUMN,
 * and filling what it added. From begin to end an SQLite authorizer refuses every other act on the
 * connection; at the end the schema is compared with what it was. So the old version of the programs runs on
 * the new schema. Knows nothing of files and ledgers. Threads: belongs to the connection's thread. */
#ifndef COMMON_STORE_MIGRATE_GUARD_H
#define COMMON_STORE_MIGRATE_GUARD_H

#include "common/store/db.h"

struct migrate_guard;

/* Looks at the schema and lets in nothing but additions until migrate_guard_end or _free. db: borrowed. */
struct migrate_guard *migrate_guard_begin(sqlite3 *db, struct error *err) MUST_USE;

/* Whether the statement that was prepared last, whether that failed or not, only adds. Errors: ERR_INPUT
 * `bad_migration`. */
bool migrate_guard_check(struct migrate_guard *guard, struct error *err) MUST_USE;

/* The authorizer is taken off. Errors: as migrate_guard_check; what was there has changed; an unique index, a
 * generated column or a foreign key that the old version would stumble over. */
bool migrate_guard_end(struct migrate_guard *guard, struct error *err) MUST_USE;

void migrate_guard_free(struct migrate_guard *guard); /* NULL is fine; takes the authorizer off too */
static inline void scope_migrate_guard(struct migrate_guard **guard)
{
    migrate_guard_free(*guard);
}
#define SCOPE_MIGRATE_GUARD SCOPE(scope_migrate_guard)

#endif
