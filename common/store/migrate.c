#include "common/store/migrate.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rfc3339.h"
#include "common/store/migrate_guard.h"

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

/* The first statement of *at, which moves behind it. guard: NULL is none. */
static bool prepare(sqlite3 *db, const char **at, const char *end, struct migrate_guard *guard,
                    sqlite3_stmt **out, struct error *err)
{
    bool ok = sqlite3_prepare_v2(db, *at, (int)(end - *at), out, at) == SQLITE_OK;
    if (guard != NULL && !migrate_guard_check(guard, err))
        return false;
    return ok || db_error(db, err, "database");
}

static bool finish(sqlite3_stmt *stmt, struct migrate_guard *guard, struct error *err)
{
    enum db_step step;
    do
        step = db_step(stmt, err);
    while (step == DB_STEP_ROW);
    if (step == DB_STEP_DONE)
        return true;
    if (guard != NULL)
        (void)!migrate_guard_check(guard, err); /* says better what it is that was not allowed */
    return false;
}

/* Each statement in turn. One that ends the transaction would make the ledger lie. */
static bool run_script(sqlite3 *db, struct view sql, struct migrate_guard *guard, struct error *err)
{
    if (sql.size > 0 && memchr(sql.data, '\0', sql.size) != NULL) /* SQLite would read no further */
        return error_refuse(err, ERR_INPUT, "bad_migration", "it has a NUL byte");
    const char *end = sql.data + sql.size;
    for (const char *at = sql.data; at < end;) {
        SCOPE_STMT sqlite3_stmt *stmt = NULL;
        if (!prepare(db, &at, end, guard, &stmt, err))
            return false;
        if (stmt == NULL)
            continue;
        if (!finish(stmt, guard, err))
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

static bool run_adding(sqlite3 *db, struct view sql, struct error *err)
{
    SCOPE_MIGRATE_GUARD struct migrate_guard *guard = migrate_guard_begin(db, err);
    return guard != NULL && run_script(db, sql, guard, err) && migrate_guard_end(guard, err);
}

/* How all of them are applied. */
struct run {
    sqlite3 *db;
    const char *version;
    const struct clock *clock;
    bool adding; /* under a guard */
};

static bool apply(const struct run *run, const struct migration *migration, struct error *err)
{
    if (migration->sql.size > MIGRATION_MAX_BYTES)
        return error_set(err, ERR_LIMIT, "larger than %d bytes", MIGRATION_MAX_BYTES);
    bool ok = run->adding ? run_adding(run->db, migration->sql, err)
                          : run_script(run->db, migration->sql, NULL, err);
    return ok && write_ledger(run->db, migration, run->version, run->clock, err);
}

static bool apply_alone(const struct run *run, const struct migration *migration, struct error *err)
{
    if (!db_begin(run->db, err))
        return false;
    if (apply(run, migration, err))
        return db_commit(run->db, err);
    db_rollback(run->db);
    return false;
}

/* Those that the ledger does not have, in the order given. */
static bool apply_missing(const struct run *run, const struct migration *const *sorted, size_t count,
                          struct error *err)
{
    SCOPE_STMT sqlite3_stmt *find =
        db_prepare(run->db, "SELECT sha256 FROM schema_migrations WHERE name = ?1", err);
    if (find == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool applied = false;
        if (!find_applied(find, sorted[i], &applied, err) ||
            (!applied && !(run->adding ? apply : apply_alone)(run, sorted[i], err)))
            return error_wrap(err, "migration %s", sorted[i]->name);
    }
    return true;
}

/* All or none: what an update adds to the schema goes with it when it fails. */
static bool apply_together(const struct run *run, const struct migration *const *sorted, size_t count,
                           struct error *err)
{
    if (!db_begin(run->db, err))
        return false;
    if (apply_missing(run, sorted, count, err))
        return db_commit(run->db, err);
    db_rollback(run->db);
    return false;
}

static bool apply_all(const struct run *run, const struct migration *migrations, size_t count,
                      struct error *err)
{
    SCOPE_FREE const struct migration **sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %zu migrations", count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &migrations[i];
    qsort(sorted, count, sizeof(*sorted), by_name);
    return make_ledger(run->db, err) &&
           (run->adding ? apply_together : apply_missing)(run, sorted, count, err);
}

bool migrate_db(sqlite3 *db, const struct migration *migrations, size_t count, const char *version,
                const struct clock *clock, struct error *err)
{
    const struct run run = {db, version, clock, false};
    return apply_all(&run, migrations, count, err);
}

bool migrate_db_adding(sqlite3 *db, const struct migration *migrations, size_t count, const char *version,
                       const struct clock *clock, struct error *err)
{
    const struct run run = {db, version, clock, true};
    return apply_all(&run, migrations, count, err);
}
