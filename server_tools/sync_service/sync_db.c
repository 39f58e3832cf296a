#include "server_tools/sync_service/sync_db.h"

#include "server_tools/central/central_postgres.h"

bool sync_db_begin(struct pg *pg, struct error *err)
{
    if (pg_exec(pg, "BEGIN; SELECT set_config('app.user_role', 'superuser', true)", err))
        return true;
    pg_rollback(pg);
    return false;
}

/* A role that is no member writes as itself: slower where row-level security binds it. So does everybody
 * where telehaul_sync may do nothing yet: roles are of the whole cluster, and this database may not have been
 * told of it. */
static bool take_role(struct pg *pg, struct error *err)
{
    return pg_exec(pg,
                   "SELECT set_config('role', rolname, false) FROM pg_roles"
                   " WHERE rolname = 'telehaul_sync' AND pg_has_role(oid, 'MEMBER')"
                   " AND has_table_privilege(oid, to_regclass('vehicle_leases'), 'UPDATE')",
                   err);
}

static bool check_schema(struct pg *pg, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *found =
        pg_query(pg, "SELECT to_regclass('vehicle_sync') IS NOT NULL", NULL, 0, false, err);
    if (found == NULL)
        return false;
    return view_is(pg_value(found, 0, 0), "t") ||
           error_set(err, ERR_NOT_FOUND,
                     "the fleet's tables are not in this database: `sync_service migrate` makes them");
}

struct pg *sync_db_open(const char *db_url, struct error *err)
{
    struct pg *pg = pg_open(db_url, "telehaul sync_service", err);
    if (pg != NULL && check_schema(pg, err) && take_role(pg, err) && postgres_prepare(pg, err) &&
        postgres_prepare_plans(pg, err) && pg_exec(pg, "SET lock_timeout = " SYNC_DB_LOCK_WAIT, err))
        return pg;
    pg_close(pg);
    return NULL;
}
