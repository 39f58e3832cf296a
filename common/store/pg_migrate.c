#include "common/store/pg_migrate.h"

#include <stdio.h>

enum { LOCK_TEXT_BYTES = 16, TRIES = 5 };

static bool make_ledger(struct pg *pg, struct error *err)
{
    return pg_exec(
        pg,
        "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL,"
        " applied_at timestamptz NOT NULL, version text NOT NULL)",
        err);
}

static bool has_ledger(struct pg *pg, bool *present, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT to_regclass('schema_migrations')", NULL, 0, false, err);
    if (result == NULL)
        return false;
    *present = !pg_is_null(result, 0, 0);
    return true;
}

/* Whether the ledger has it; ERR_CHANGED when it was another text. */
static bool find_applied(struct pg *pg, const struct migration *migration, bool *applied, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, "SELECT sha256 FROM schema_migrations WHERE name = $1", &migration->name, 1, false, err);
    if (result == NULL)
        return false;
    *applied = pg_rows(result) > 0;
    if (*applied && !view_is(pg_value(result, 0, 0), migration->sha256))
        return error_set(err, ERR_CHANGED, "it was applied and differs now");
    return true;
}

static bool run_script(struct pg *pg, struct view sql, struct error *err)
{
    char *text = strndup(sql.data, sql.size);
    bool done = text == NULL ? error_set(err, ERR_MEMORY, "no memory left") : pg_exec(pg, text, err);
    free(text);
    return done;
}

static bool write_ledger(struct pg *pg, const struct migration *migration, const char *version,
                         struct error *err)
{
    const char *const params[] = {migration->name, migration->sha256, version};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg, "INSERT INTO schema_migrations (name, sha256, applied_at, version) VALUES ($1, $2, now(), $3)",
        params, COUNT_OF(params), false, err);
    return result != NULL;
}

static bool run_once(struct pg *pg, const struct migration *migration, const char *version, struct error *err)
{
    if (!pg_begin(pg, err))
        return false;
    if (run_script(pg, migration->sql, err) && write_ledger(pg, migration, version, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

static bool apply(struct pg *pg, const struct migration *migration, const char *version, struct error *err)
{
    bool applied;
    if (migration->sql.size > MIGRATION_MAX_BYTES)
        return error_set(err, ERR_LIMIT, "larger than %d bytes", MIGRATION_MAX_BYTES);
    if (!find_applied(pg, migration, &applied, err))
        return false;
    /* who reads the tables meanwhile may wait for us as we wait for him: one of the two is told ERR_BUSY */
    struct error problem = {.code = ERR_NONE};
    for (int tries = 0; !applied && tries < TRIES; tries++) {
        if (run_once(pg, migration, version, &problem))
            return true;
        if (problem.code != ERR_BUSY)
            break;
    }
    if (!applied && err != NULL)
        *err = problem;
    return applied;
}

static bool apply_all(struct pg *pg, const struct migration *migrations, size_t count, const char *version,
                      struct error *err)
{
    if (!make_ledger(pg, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!apply(pg, &migrations[i], version, err))
            return error_wrap(err, "migration %s", migrations[i].name);
    }
    return true;
}

static bool all_applied(struct pg *pg, const struct migration *migrations, size_t count, bool *all,
                        struct error *err)
{
    if (!has_ledger(pg, all, err))
        return false;
    for (size_t i = 0; i < count && *all; i++) {
        if (!find_applied(pg, &migrations[i], all, err))
            return error_wrap(err, "migration %s", migrations[i].name);
    }
    return true;
}

static bool query_lock(struct pg *pg, const char *sql, int32_t lock, struct error *err)
{
    char text[LOCK_TEXT_BYTES];
    snprintf(text, sizeof(text), "%d", lock);
    const char *const params[] = {text};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, sql, params, COUNT_OF(params), false, err);
    return result != NULL;
}

bool pg_migrate(struct pg *pg, const struct migration *migrations, size_t count, int32_t lock,
                const char *version, struct error *err)
{
    bool done;
    if (!all_applied(pg, migrations, count, &done, err))
        return false;
    if (done)
        return true;
    if (!query_lock(pg, "SELECT pg_advisory_lock($1::int, 0)", lock, err))
        return false;
    bool applied = apply_all(pg, migrations, count, version, err);
    if (!query_lock(pg, "SELECT pg_advisory_unlock($1::int, 0)", lock, applied ? err : NULL))
        return false;
    return applied;
}
