/* Numbered SQL files applied to PostgreSQL once each, in order, with a ledger: schema_migrations(name,
 * sha256, applied_at, version). Knows no tables but the ledger. Source: migrate.h, the same for SQLite. */
#ifndef COMMON_STORE_PG_MIGRATE_H
#define COMMON_STORE_PG_MIGRATE_H

#include "common/store/migrate.h"
#include "common/store/pg.h"

/* Applies those that the ledger does not have, in the order given, each in one transaction with its ledger
 * row; one program at a time, the others wait. Where all are applied only the ledger is read, so that a role
 * without CREATE can do it. One that was applied and now differs: ERR_CHANGED. Ledger rows without a file are
 * no error. lock: of pg_advisory_lock(lock, 0). version: of the program, for the ledger. */
bool pg_migrate(struct pg *pg, const struct migration *migrations, size_t count, int32_t lock,
                const char *version, struct error *err) MUST_USE;

#endif
