#include <stdlib.h>

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

/* Each number once: what would tell two files apart at a glance. */
static bool check_numbers(const struct migration *earlier, size_t earlier_count,
                          const struct migration *added, size_t added_count, struct error *err)
{
    enum { NUMBER_DIGITS = 4 };
    for (size_t i = 0; i < earlier_count * added_count; i++) {
        const char *taken = earlier[i % earlier_count].name;
        const char *name = added[i / earlier_count].name;
        if (strncmp(taken, name, NUMBER_DIGITS) == 0 && strcmp(taken, name) != 0)
            return error_refuse(err, ERR_INPUT, "bad_migration", "migration %s: its number is taken by %s",
                                name, taken);
    }
    return true;
}

static const struct migration *find(const struct migration *all, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    return NULL;
}

/* Those of the earlier ones that are not to be tried; others: room for them. One that is there under another
 * text is refused. */
static bool run_others(sqlite3 *db, const struct migration *earlier, size_t earlier_count,
                       const struct migration *added, size_t added_count, struct migration *others,
                       struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < earlier_count; i++) {
        const struct migration *same = find(added, added_count, earlier[i].name);
        if (same == NULL)
            others[count++] = earlier[i];
        else if (strcmp(same->sha256, earlier[i].sha256) != 0)
            return error_refuse(err, ERR_INPUT, "bad_migration",
                                "migration %s: there is one of this name already, with another text",
                                same->name);
    }
    return migrate_db(db, others, count, "", clock_system(), err);
}

static bool run_earlier(sqlite3 *db, const struct migration *earlier, size_t earlier_count,
                        const struct migration *added, size_t added_count, struct error *err)
{
    struct migration *others = calloc(earlier_count + 1, sizeof(*others));
    bool done = others != NULL
                    ? run_others(db, earlier, earlier_count, added, added_count, others, err)
                    : error_set(err, ERR_MEMORY, "no memory left for %zu migrations", earlier_count);
    free(others);
    return done;
}

bool migrate_check(const struct migration *earlier, size_t earlier_count, const struct migration *added,
                   size_t added_count, struct error *err)
{
    if (!check_numbers(earlier, earlier_count, added, added_count, err))
        return false;
    struct patience patience = {0};
    SCOPE_DB sqlite3 *db = open_scratch(err);
    if (db == NULL || !run_earlier(db, earlier, earlier_count, added, added_count, err))
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
