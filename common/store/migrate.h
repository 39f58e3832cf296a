/* Numbered SQL files applied once each, in order, with a ledger: schema_migrations(name, sha256, applied_at,
 * version). Knows no tables but the ledger. One migration is one transaction with its ledger row. */
#ifndef COMMON_STORE_MIGRATE_H
#define COMMON_STORE_MIGRATE_H

#include "common/base/clock.h"
#include "common/store/db.h"

enum { MIGRATION_MAX_BYTES = 1024 * 1024, MIGRATION_NAME_BYTES = 100 };

struct migration {
    const char *name; /* NNNN_what.sql */
    struct view sql;
    const char *sha256; /* lowercase hex of sql */
};

/* NNNN_what.sql: four digits, then a-z, 0-9 and _; shorter than MIGRATION_NAME_BYTES. */
bool migration_name_ok(struct view name);

/* Applies those that the ledger does not have, in order of name. One that was applied and now differs:
 * ERR_CHANGED. Ledger rows without a file are no error. version: of the program, for the ledger. */
bool migrate_db(sqlite3 *db, const struct migration *migrations, size_t count, const char *version,
                const struct clock *clock, struct error *err) MUST_USE;

#endif
