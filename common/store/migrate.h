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

/* The same, but all or none, in one transaction; each that is applied runs under migrate_guard.h: it only
 * adds. Errors besides: ERR_INPUT with reason `bad_migration`. */
bool migrate_db_adding(sqlite3 *db, const struct migration *migrations, size_t count, const char *version,
                       const struct clock *clock, struct error *err) MUST_USE;

/* Whether the added ones have numbers of their own, run after the earlier ones and only add, tried in a
 * database in memory that has no rows and is thrown away. A script has MIGRATE_CHECK_STEPS steps of SQLite's
 * machine to come to its end there. Errors: ERR_INPUT `bad_migration` with the name and what is the matter,
 * ERR_MEMORY. (migrate_check.c) */
enum { MIGRATE_CHECK_STEPS = 20 * 1000 * 1000 };
bool migrate_check(const struct migration *earlier, size_t earlier_count, const struct migration *added,
                   size_t added_count, struct error *err) MUST_USE;

#endif
