#include "common/store/migrate.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rfc3339.h"

enum { LEDGER_HASH_BYTES = 65 };

bool migration_name_ok(struct view name)
{
    static const char ending[] = ".sql";
    if (name.size >= MIGRATION_NAME_BYTES || name.size < sizeof("0000_a.sql") - 1 || name.data[4] != '_' ||
        !view_ends(name, ending))
        return false;
    for (size_t i = 0; i < name.size - (sizeof(ending) - 1); i++) {
        unsigned char byte = (unsigned char)name.data[i];
        bool ok = i < 4 ? isdigit(byte) != 0 : islower(byte) || isdigit(byte) || byte == '_';
        if (!ok)
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct migration *const *one = a;
    const struct migration *const *other = b;
    return strcmp((*one)->name, (*other)->name);
}

static bool make_ledger(sqlite3 *db, struct error *err)
{
    return db_exec(db,
                   "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL PRIMARY KEY,"
                   " sha256 TEXT NOT NULL, applied_at TEXT NOT NULL, version TEXT NOT NULL)",
                   err);
}

/* Whether the ledger has it; ERR_CHANGED when it was another text. */
static bool find_applied(sqlite3_stmt *find, const struct migration *migration, bool *applied,
                         struct error *err)
{
    db_bind_view(find, 1, view_of(migration->name));
    enum db_step step = db_step(find, err);
    if (step == DB_STEP_FAILED)
        return false;
    *applied = step == DB_STEP_ROW;
    if (!*applied)
        return true;
    char sha256[LEDGER_HASH_BYTES];
    bool read = db_column_copy(find, 0, sha256, sizeof(sha256), err);
    db_reset(find);
    return read && (strcmp(sha256, migration->sha256) == 0 ||
                    error_set(err, ERR_CHANGED, "it was applied and differs now"));
}

/* Each statement in turn. One that ends the transaction would make the ledger lie. */
static bool run_script(sqlite3 *db, struct view sql, struct error *err)
{
    const char *end = sql.data + sql.size;
    for (const char *at = sql.data; at < end;) {
        SCOPE_STMT sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(db, at, (int)(end - at), &stmt, &at) != SQLITE_OK)
            return db_error(db, err, "database");
        if (stmt == NULL)
            continue;
        enum db_step step;
        do
            step = db_step(stmt, err);
        while (step == DB_STEP_ROW);
        if (step == DB_STEP_FAILED)
            return false;
        if (sqlite3_get_autocommit(db))
            return error_set(err, ERR_INPUT, "it ends the transaction that it runs in");
    }
    return true;
}

static bool write_ledger(sqlite3 *db, const struct migration *migration, const char *version,
                         const struct clock *clock, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *add = db_prepare(
        db, "INSERT INTO schema_migrations (name, sha256, applied_at, version) VALUES (?1, ?2, ?3, ?4)", err);
    if (add == NULL)
        return false;
    char now[RFC3339_S_BYTES];
    rfc3339_format_s(now, clock_utc_us(clock));
    db_bind_view(add, 1, view_of(migration->name));
    db_bind_view(add, 2, view_of(migration->sha256));
    db_bind_view(add, 3, view_of(now));
    db_bind_view(add, 4, view_of(version));
    return db_run(add, err);
}

static bool apply(sqlite3 *db, const struct migration *migration, const char *version,
                  const struct clock *clock, struct error *err)
{
    if (migration->sql.size > MIGRATION_MAX_BYTES)
        return error_set(err, ERR_LIMIT, "larger than %d bytes", MIGRATION_MAX_BYTES);
    if (!db_begin(db, err))
        return false;
    if (run_script(db, migration->sql, err) && write_ledger(db, migration, version, clock, err))
        return db_commit(db, err);
    db_rollback(db);
    return false;
}

bool migrate_db(sqlite3 *db, const struct migration *migrations, size_t count, const char *version,
                const struct clock *clock, struct error *err)
{
    SCOPE_FREE const struct migration **sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %zu migrations", count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &migrations[i];
    qsort(sorted, count, sizeof(*sorted), by_name);

    if (!make_ledger(db, err))
        return false;
    SCOPE_STMT sqlite3_stmt *find =
        db_prepare(db, "SELECT sha256 FROM schema_migrations WHERE name = ?1", err);
    if (find == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool applied = false;
        if (!find_applied(find, sorted[i], &applied, err) ||
            (!applied && !apply(db, sorted[i], version, clock, err)))
            return error_wrap(err, "migration %s", sorted[i]->name);
    }
    return true;
}
