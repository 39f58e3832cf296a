/* What the service asks of PostgreSQL besides writing: which vehicles are ours now (leases), and chores now
 * and then (partitions ahead, retention, the journal's 30 days, silent vehicles, rollouts). A thread with a
 * connection of its own, so that nothing of it holds up the loop. Leases: each process is a row of
 * sync_workers that says until when it lives (KEEPER_ALIVE_S, renewed every KEEPER_RENEW_S); a vehicle
 * belongs to the process that its row of vehicle_leases names, while that lives. Free ones are taken with FOR
 * UPDATE SKIP LOCKED, at most a fair share. Who dies is taken over after KEEPER_ALIVE_S. Threads: functions
 * from the loop's thread; callbacks there, but a chore's `run` on the keeper's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_KEEPER_H
#define SERVER_TOOLS_SYNC_SERVICE_KEEPER_H

#include "common/base/log.h"
#include "common/os/mailbox.h"
#include "common/store/pg.h"
#include "server_tools/sync_service/vehicle.h"

enum { KEEPER_ALIVE_S = 15, KEEPER_RENEW_S = 5, KEEPER_CHORES_MAX = 16 };

/* The SQL of one chore, in autocommit; it begins and ends transactions itself. False: said in the log, tried
 * again at its next time. Runs on the keeper's thread. */
struct chore {
    const char *name; /* for the log: "retention" */
    int64_t period_ms;
    bool (*run)(void *context, struct pg *pg, struct error *err);
    void *context;
};

struct keeper_config {
    const char *db_url;
    struct mailbox *mailbox;
    const struct clock *clock;
    const struct log *log;
    const struct chore *chores; /* borrowed */
    size_t chore_count;
    bool lease; /* false: every vehicle, leases are left alone (`once` of one vehicle) */
};

struct keeper;
struct keeper *keeper_start(const struct keeper_config *config, struct error *err) MUST_USE;
/* Gives its leases back when PostgreSQL is there. NULL is fine. */
void keeper_stop(struct keeper *keeper);

/* Renews, takes and reads the vehicles that are ours, now. loaded: from the loop, once. err NULL: vehicles,
 * count of them, valid until it returns. only: a client_id or a name, NULL: all. */
void keeper_load(struct keeper *keeper, const char *only,
                 void (*loaded)(void *context, const struct vehicle *vehicles, size_t count,
                                const struct error *err),
                 void *context);
/* Whether the last renewal held: while it did not, nobody may write for our vehicles. */
bool keeper_holds(const struct keeper *keeper);
/* Whether vehicles are free that a load would make ours: somebody died since the last one. Looked at every
 * KEEPER_RENEW_S. */
bool keeper_may_take(const struct keeper *keeper);

/* ---- without a keeper: commands ---- */
/* A connection as the service uses it: role telehaul_sync where it may be taken, app.user_role set. Errors:
 * as pg_open. */
struct pg *sync_db_open(const char *db_url, struct error *err) MUST_USE;

#endif
