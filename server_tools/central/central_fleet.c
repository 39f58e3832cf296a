#include "server_tools/central/central_fleet.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "server_tools/central/central_months.h"
#include "server_tools/central/central_postgres.h"

extern const struct asset central_postgres_roles[];

static const char advice[] =
    "run `sync_service migrate` once with the URL of a superuser of the database, then give the "
    "roles passwords (ALTER ROLE telehaul_sync PASSWORD '...')";

/* Rows of the ledger; 0 without one. */
static bool count_applied(struct pg *pg, int64_t *count, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *ledger =
        pg_query(pg, "SELECT to_regclass('schema_migrations') IS NOT NULL", NULL, 0, false, err);
    if (ledger == NULL)
        return false;
    *count = 0;
    if (!view_is(pg_value(ledger, 0, 0), "t"))
        return true;
    SCOPE_PG_RESULT struct pg_result *rows =
        pg_query(pg, "SELECT count(*) FROM schema_migrations", NULL, 0, false, err);
    return rows != NULL && pg_i64(rows, 0, 0, count, err);
}

static bool migrate(struct pg *pg, struct central_migrate_report *report, struct error *err)
{
    int64_t before;
    int64_t after;
    struct error problem = {0};
    if (!count_applied(pg, &before, err))
        return false;
    if (!postgres_migrate(pg, &report->known, &problem)) {
        if (err != NULL)
            *err = problem;
        return problem.code == ERR_DENIED
                   ? error_wrap(
                         err, "the database's schema is behind this program and this role may not change it "
                              "(run `sync_service migrate` as telehaul_owner or a superuser)")
                   : false;
    }
    if (!count_applied(pg, &after, err))
        return false;
    report->applied = after - before;
    return true;
}

/* ---- roles ---- */

/* Its text ends with a NUL: packaging/embed puts one behind each. */
static const char *script(const char *name)
{
    const struct asset *asset = asset_find(central_postgres_roles, name);
    return asset == NULL ? "" : asset->begin;
}

/* Under the lock of the migrations: two of them would change the same rows of the catalog. */
static bool run_roles(struct pg *pg, struct error *err)
{
    char lock[PARAM_BYTES];
    const char *const params[] = {param_i64(lock, LOCK_MIGRATIONS)};
    if (!pg_begin(pg, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *locked =
        pg_query(pg, "SELECT pg_advisory_xact_lock($1::int, 0)", params, COUNT_OF(params), false, err);
    if (locked != NULL && pg_exec(pg, script("roles.sql"), err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return error_wrap(err, "roles.sql");
}

static bool find_missing(struct pg *pg, struct central_migrate_report *report, struct error *err)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(CENTRAL_MISSING_BYTES - 1);
    SCOPE_PG_RESULT struct pg_result *missing = pg_query(pg, script("roles_check.sql"), NULL, 0, false, err);
    if (missing == NULL)
        return error_wrap(err, "roles_check.sql");
    for (size_t row = 0; row < pg_rows(missing); row++)
        buf_printf(&lines, "%.*s\n", VIEW_ARG(pg_value(missing, row, 0)));
    if (pg_rows(missing) > 0)
        buf_printf(&lines, "%s", advice);
    if (!buf_check(&lines, "what the database's roles lack", err))
        return false;
    snprintf(report->missing, sizeof(report->missing), "%s", buf_text(&lines));
    return true;
}

bool central_migrate_fleet(const char *db_url, const struct clock *clock,
                           struct central_migrate_report *report, struct error *err)
{
    struct central_migrate_report found = {0};
    SCOPE_PG struct pg *pg = pg_open(db_url, "telehaul migrate", err);
    if (pg == NULL || !postgres_prepare(pg, err) || !migrate(pg, &found, err) || !run_roles(pg, err) ||
        !find_missing(pg, &found, err) || !central_keep_months(pg, clock_utc_us(clock), 0, err))
        return false;
    *report = found;
    return true;
}

/* ---- the report ---- */

static void describe_json(const struct central_migrate_report *report, struct buf *out)
{
    struct json_writer writer;
    struct view rest = view_of(report->missing);
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_i64(&writer, "applied", report->applied);
    json_i64(&writer, "migrations", report->known);
    json_array(&writer, "missing");
    while (rest.size > 0)
        json_string_view(&writer, NULL, text_cut(&rest, '\n'));
    json_end_array(&writer);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

void central_migrate_describe(const struct central_migrate_report *report, bool json, struct buf *out)
{
    if (json) {
        describe_json(report, out);
        return;
    }
    buf_printf(out, "%" PRId64 " of %" PRId64 " migrations were applied now; the schema is up to date\n",
               report->applied, report->known);
    if (report->missing[0] != '\0')
        buf_printf(out, "roles and rights are not complete:\n%s\n", report->missing);
}
