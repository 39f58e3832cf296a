/* What the keeper does now and then, as one table: the schema, partitions and retention, the journal's end,
 * readings whose time has come, silent vehicles. Threads: chores run on the keeper's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_CHORES_H
#define SERVER_TOOLS_SYNC_SERVICE_CHORES_H

#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/metrics.h"
#include "server_tools/sync_service/notice_chores.h"
#include "server_tools/sync_service/settings.h"

struct chores {
    const struct sync_settings *settings;
    const struct clock *clock;
    const struct log *log;
    struct metrics *metrics;
    bool migrated;
    struct notice_watch silence;
    struct chore list[KEEPER_CHORES_MAX];
    size_t count;
};

/* chores: neither moved nor copied afterwards; everything is borrowed. */
void chores_init(struct chores *chores, const struct sync_settings *settings, const struct clock *clock,
                 const struct log *log, struct metrics *metrics);

/* One more, of another part's; at most KEEPER_CHORES_MAX in all. Before the keeper starts. */
void chores_add(struct chores *chores, const struct chore *chore);

/* Brings the schema up to date before the first cycle. PostgreSQL that is away is no error: the chore
 * `schema` does it as soon as it can. Errors: what else is wrong with the database. */
bool chores_prepare(struct chores *chores, struct error *err) MUST_USE;

/* Each of them once, where no keeper does it (`once`). What fails is said in the log. */
void chores_run_once(struct chores *chores);

#endif
