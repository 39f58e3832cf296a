#include "server_tools/sync_service/chores.h"

#include "common/base/text.h"
#include "server_tools/central/central_driver.h"
#include "server_tools/central/central_fleet.h"
#include "server_tools/central/central_months.h"
#include "server_tools/sync_service/keeper_chores.h"

enum {
    S_MS = 1000,
    SCHEMA_MS = 10 * S_MS,
    MONTHS_MS = 3600 * S_MS,
    JOURNAL_MS = 600 * S_MS,
    WORKERS_MS = 3600 * S_MS,
    QUARANTINE_MS = 10 * S_MS
};

static bool keep_schema(void *context, struct pg *pg, struct error *err)
{
    struct chores *chores = context;
    struct central_migrate_report report;
    (void)pg;
    if (chores->migrated)
        return true;
    chores->migrated = central_migrate_fleet(chores->settings->db_url, chores->clock, &report, err);
    struct view missing = chores->migrated ? view_of(report.missing) : view_of("");
    while (missing.size > 0) {
        struct view line = text_cut(&missing, '\n');
        log_warn(chores->log, "PostgreSQL: %.*s", VIEW_ARG(line));
    }
    return chores->migrated;
}

static bool keep_months(void *context, struct pg *pg, struct error *err)
{
    const struct chores *chores = context;
    return central_keep_months(pg, clock_utc_us(chores->clock), (int)chores->settings->retention_months, err);
}

static bool prune_journal(void *context, struct pg *pg, struct error *err)
{
    const struct chores *chores = context;
    return chore_prune_journal(pg, clock_utc_us(chores->clock) - CENTRAL_JOURNAL_KEPT_US, err);
}

static bool forget_workers(void *context, struct pg *pg, struct error *err)
{
    (void)context;
    return chore_forget_workers(pg, err);
}

/* Readings that said they were of the future, and whose time has come. */
static bool release_quarantine(void *context, struct pg *pg, struct error *err)
{
    const struct chores *chores = context;
    int64_t released;
    return chore_release_quarantine(pg, NULL, clock_utc_us(chores->clock), &released, err);
}

static bool tell_silent(void *context, struct pg *pg, struct error *err)
{
    struct chores *chores = context;
    return notice_tell_silent(&chores->silence, pg, err);
}

static void add(struct chores *chores, const char *name, int64_t period_ms,
                bool (*run)(void *context, struct pg *pg, struct error *err))
{
    chores->list[chores->count++] = (struct chore){name, period_ms, run, chores};
}

void chores_init(struct chores *chores, const struct sync_settings *settings, const struct clock *clock,
                 const struct log *log, struct metrics *metrics)
{
    *chores = (struct chores){.settings = settings, .clock = clock, .log = log, .metrics = metrics};
    add(chores, "schema", SCHEMA_MS, keep_schema);
    chores->silence = (struct notice_watch){.silent_after_s = settings->silent_after_s, .clock = clock};
    add(chores, "partitions", MONTHS_MS, keep_months);
    add(chores, "the journal's 30 days", JOURNAL_MS, prune_journal);
    add(chores, "processes that died", WORKERS_MS, forget_workers);
    add(chores, "readings whose time has come", QUARANTINE_MS, release_quarantine);
    add(chores, "silent vehicles", NOTICE_SILENT_PERIOD_MS, tell_silent);
    add(chores, "old notices", NOTICE_FORGET_PERIOD_MS, notice_forget_old);
}

void chores_add(struct chores *chores, const struct chore *chore)
{
    chores->list[chores->count++] = *chore;
}

bool chores_prepare(struct chores *chores, struct error *err)
{
    struct error problem;
    if (keep_schema(chores, NULL, &problem))
        return true;
    if (problem.code == ERR_UNREACHABLE || problem.code == ERR_BUSY) {
        log_warn(chores->log, "PostgreSQL: %s", problem.text);
        return true;
    }
    if (err != NULL)
        *err = problem;
    return false;
}

void chores_run_once(struct chores *chores)
{
    struct error problem;
    SCOPE_PG struct pg *pg = sync_db_open(chores->settings->db_url, &problem);
    if (pg == NULL) {
        log_warn(chores->log, "PostgreSQL: %s", problem.text);
        return;
    }
    for (size_t i = 0; i < chores->count; i++) {
        const struct chore *chore = &chores->list[i];
        if (chore->run(chore->context, pg, &problem))
            continue;
        pg_rollback(pg); /* whatever it left open */
        log_warn(chores->log, "%s: %s", chore->name, problem.text);
    }
}
