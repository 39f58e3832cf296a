#include "common/store/migrate.h"

enum { STEPS_A_LOOK = 100 * 1000, SCRATCH_MAX_PAGES = 16 * 1024 };

/* How often SQLite has come by. */
struct patience {
    int64_t steps;
};

static int is_over(void *context)
{
    struct patience *patience = context;
    patience->steps += STEPS_A_LOOK;
    return patience->steps > MIGRATE_CHECK_STEPS;
}

static sqlite3 *open_scratch(struct error *err)
{
    SCOPE_DB sqlite3 *db = NULL;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        db_error(db, err, "a database in memory");
        return NULL;
    }
    char limit[64];
    snprintf(limit, sizeof(limit), "PRAGMA max_page_count=%d", SCRATCH_MAX_PAGES);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, MIGRATION_MAX_BYTES);
    if (!db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY", err) ||
        !db_exec(db, limit, err))
        return NULL;
    return POINTER_TAKE(db);
}

/* Whatever a script does wrong is the script's fault; only our own memory is not. */
static bool blame(const struct error *cause, struct error *err)
{
    if (cause->code == ERR_MEMORY)
        return error_set(err, ERR_MEMORY, "%s", cause->text);
    return error_refuse(err, ERR_INPUT, "bad_migration", "%s", cause->text);
}

bool migrate_check(const struct migration *earlier, size_t earlier_count, const struct migration *added,
                   size_t added_count, struct error *err)
{
    struct patience patience = {0};
    SCOPE_DB sqlite3 *db = open_scratch(err);
    if (db == NULL || !migrate_db(db, earlier, earlier_count, "", clock_system(), err))
        return false;
    struct error cause = {0};
    sqlite3_progress_handler(db, STEPS_A_LOOK, is_over, &patience);
    if (migrate_db_adding(db, added, added_count, "", clock_system(), &cause))
        return true;
    if (patience.steps > MIGRATE_CHECK_STEPS) /* which db_step takes for its own way of stopping */
        return error_refuse(err, ERR_INPUT, "bad_migration",
                            "migration %s and those before it come to no end, not even without rows",
                            added[added_count - 1].name);
    return blame(&cause, err);
}
