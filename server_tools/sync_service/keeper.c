#include "server_tools/sync_service/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/crypto/random.h"
#include "common/os/waking.h"
#include "server_tools/sync_service/keeper_leases.h"
#include "server_tools/sync_service/keeper_vehicles.h"
#include "server_tools/sync_service/sync_db.h"

enum { MS_PER_S = 1000, STOP_S = 10, CHORE_RETRY_MS = 5000 };

/* One question of the loop's; it goes to the keeper's thread and comes back as a letter. */
struct load {
    struct letter letter; /* first */
    struct load *next;
    bool all;
    char only[VEHICLE_NAME_BYTES];
    void (*loaded)(void *context, const struct vehicle *vehicles, size_t count, const struct error *err);
    void *context;
    struct vehicle *vehicles;
    size_t count;
    struct error error; /* ERR_NONE: vehicles */
};

/* Leases and loads have a thread, chores another: a chore that waits for a lock costs no lease. */
struct keeper_line {
    struct keeper *keeper;
    pthread_t id;
    bool started;
    struct pg *pg; /* the lock's where another thread looks at it */
};

struct keeper {
    char *db_url;
    struct mailbox *mailbox;
    const struct clock *clock;
    const struct log *log;
    const struct chore *chores;
    size_t chore_count;
    bool lease;
    char worker_id[WORKER_ID_BYTES];
    size_t unfit; /* vehicles that were left out last; the lease thread's */
    struct keeper_line leases, chore_line;

    struct waking waking; /* its lock is of the rest */
    size_t running;       /* threads */
    bool stopping;
    struct load *first_load, *last_load;
    int64_t held_until_us; /* clock's monotonic time; our leases are ours until then */
    bool lapsed;           /* they were not for a while: what was loaded before may be another's */
    bool may_take;         /* others are free */
};

/* ---- connections ---- */

static void set_pg(struct keeper_line *line, struct pg *pg)
{
    struct pg *old = line->pg;
    waking_lock(&line->keeper->waking);
    line->pg = pg;
    waking_unlock(&line->keeper->waking);
    pg_close(old);
}

static bool ensure_pg(struct keeper_line *line, struct error *err)
{
    if (line->pg != NULL)
        return true;
    struct pg *pg = sync_db_open(line->keeper->db_url, err);
    if (pg == NULL)
        return false;
    set_pg(line, pg);
    return true;
}

static void drop_broken(struct keeper_line *line, const struct error *problem)
{
    if (problem->code == ERR_UNREACHABLE)
        set_pg(line, NULL);
}

/* ---- leases ---- */

/* Its own time counts from before the question: PostgreSQL counts from later on. */
static bool renew(struct keeper *keeper, struct error *err)
{
    bool lived = true;
    int64_t asked_us = clock_monotonic_us(keeper->clock);
    if (!leases_renew(keeper->leases.pg, keeper->worker_id, &lived, err))
        return false;
    waking_lock(&keeper->waking);
    keeper->lapsed = keeper->lapsed || !lived;
    keeper->held_until_us = asked_us + (int64_t)KEEPER_ALIVE_S * US_PER_S;
    waking_unlock(&keeper->waking);
    return true;
}

static void note_loaded(struct keeper *keeper)
{
    waking_lock(&keeper->waking);
    keeper->lapsed = false;
    keeper->may_take = false;
    waking_unlock(&keeper->waking);
}

static bool look_for_free(struct keeper *keeper, struct error *err)
{
    bool may;
    if (!leases_may_take(keeper->leases.pg, keeper->worker_id, &may, err))
        return false;
    waking_lock(&keeper->waking);
    keeper->may_take = may;
    waking_unlock(&keeper->waking);
    return true;
}

/* Said when it changes, not every time. */
static void tell_unfit(struct keeper *keeper, size_t unfit, const struct error *why)
{
    if (unfit > 0 && unfit != keeper->unfit)
        log_warn(keeper->log, "%zu vehicles are left out, the first of them: %s", unfit, why->text);
    keeper->unfit = unfit;
}

static bool load_vehicles(struct keeper *keeper, struct load *load, struct error *err)
{
    struct pg *pg = keeper->leases.pg;
    const char *holder = keeper->lease ? keeper->worker_id : NULL;
    struct error why;
    size_t unfit;
    if (keeper->lease && (!renew(keeper, err) || !leases_balance(pg, keeper->worker_id, err)))
        return false;
    if (!vehicles_read(pg, holder, load->all ? NULL : load->only, &load->vehicles, &load->count, &unfit, &why,
                       err))
        return false;
    note_loaded(keeper);
    tell_unfit(keeper, unfit, &why);
    return true;
}

/* A connection that broke while nobody used it is made anew once. */
static bool load_once_more(struct keeper *keeper, struct load *load, struct error *err)
{
    struct error problem;
    bool fresh = keeper->leases.pg == NULL;
    if (!ensure_pg(&keeper->leases, err))
        return false;
    if (load_vehicles(keeper, load, &problem))
        return true;
    drop_broken(&keeper->leases, &problem);
    if (!fresh && keeper->leases.pg == NULL)
        return ensure_pg(&keeper->leases, err) && load_vehicles(keeper, load, err);
    *err = problem;
    return false;
}

static void deliver(struct letter *letter)
{
    struct load *load = (struct load *)letter;
    bool good = load->error.code == ERR_NONE;
    load->loaded(load->context, load->vehicles, load->count, good ? NULL : &load->error);
    free(load->vehicles);
    free(load);
}

static void answer(struct keeper *keeper, struct load *load)
{
    load->letter.read = deliver;
    mailbox_post(keeper->mailbox, &load->letter);
}

/* ---- threads ---- */

static void end_line(struct keeper_line *line)
{
    set_pg(line, NULL);
    waking_lock(&line->keeper->waking);
    line->keeper->running--;
    waking_all(&line->keeper->waking);
    waking_unlock(&line->keeper->waking);
}

/* The next load, or NULL: it is time to renew. False: to stop. */
static bool wait_for_load(struct keeper *keeper, struct load **load)
{
    const struct timespec end = waking_in((int64_t)KEEPER_RENEW_S * MS_PER_S);
    waking_lock(&keeper->waking);
    while (!keeper->stopping && keeper->first_load == NULL && waking_wait(&keeper->waking, &end))
        continue;
    bool go_on = !keeper->stopping;
    *load = go_on ? keeper->first_load : NULL;
    if (*load != NULL)
        keeper->first_load = (*load)->next;
    waking_unlock(&keeper->waking);
    return go_on;
}

static void renew_now(struct keeper *keeper)
{
    struct error problem;
    if (!keeper->lease ||
        (ensure_pg(&keeper->leases, &problem) && renew(keeper, &problem) && look_for_free(keeper, &problem)))
        return;
    log_warn(keeper->log, "our vehicles could not be kept: %s", problem.text);
    drop_broken(&keeper->leases, &problem);
}

static void *keep_leases(void *context)
{
    struct keeper *keeper = context;
    struct load *load;
    while (wait_for_load(keeper, &load)) {
        if (load == NULL) {
            renew_now(keeper);
            continue;
        }
        if (!load_once_more(keeper, load, &load->error))
            drop_broken(&keeper->leases, &load->error);
        answer(keeper, load);
    }
    if (keeper->lease && keeper->leases.pg != NULL &&
        !leases_give_back(keeper->leases.pg, keeper->worker_id, NULL))
        log_warn(keeper->log, "our vehicles were not given back: others take them in %d s", KEEPER_ALIVE_S);
    end_line(&keeper->leases);
    return NULL;
}

/* ---- chores ---- */

/* Waits until the first is due; NULL: it is time to stop. */
static const struct chore *wait_for_chore(struct keeper *keeper, int64_t *due_ms, size_t *which)
{
    const struct chore *chore = NULL;
    waking_lock(&keeper->waking);
    while (!keeper->stopping && chore == NULL) {
        int64_t now_ms = clock_monotonic_us(clock_system()) / US_PER_MS;
        *which = 0;
        for (size_t i = 1; i < keeper->chore_count; i++)
            *which = due_ms[i] < due_ms[*which] ? i : *which;
        if (due_ms[*which] <= now_ms) {
            chore = &keeper->chores[*which];
            continue;
        }
        const struct timespec end = waking_in(due_ms[*which] - now_ms);
        if (!waking_wait(&keeper->waking, &end))
            continue; /* it is due */
    }
    waking_unlock(&keeper->waking);
    return chore;
}

/* PostgreSQL away is the writers' to say: here it is tried again soon, and quietly. */
static bool run_chore(struct keeper *keeper, const struct chore *chore)
{
    struct keeper_line *line = &keeper->chore_line;
    struct error problem;
    if (!ensure_pg(line, &problem))
        return false;
    if (chore->run(chore->context, line->pg, &problem))
        return true;
    pg_rollback(line->pg); /* whatever it left open */
    log_warn(keeper->log, "%s: %s", chore->name, problem.text);
    drop_broken(line, &problem);
    return line->pg != NULL;
}

static void *keep_chores(void *context)
{
    struct keeper *keeper = context;
    int64_t due_ms[KEEPER_CHORES_MAX] = {0};
    size_t which;
    const struct chore *chore;
    while ((chore = wait_for_chore(keeper, due_ms, &which)) != NULL) {
        bool ran = run_chore(keeper, chore);
        int64_t pause_ms = ran || chore->period_ms < CHORE_RETRY_MS ? chore->period_ms : CHORE_RETRY_MS;
        due_ms[which] = clock_monotonic_us(clock_system()) / US_PER_MS + pause_ms;
    }
    end_line(&keeper->chore_line);
    return NULL;
}

/* ---- start and stop ---- */

static bool start_line(struct keeper *keeper, struct keeper_line *line, void *(*run)(void *context),
                       struct error *err)
{
    line->keeper = keeper;
    waking_lock(&keeper->waking);
    errno = pthread_create(&line->id, NULL, run, keeper);
    line->started = errno == 0;
    keeper->running += line->started;
    waking_unlock(&keeper->waking);
    return line->started || error_set_errno(err, "a thread to look after the vehicles");
}

struct keeper *keeper_start(const struct keeper_config *config, struct error *err)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));
    char *db_url = strdup(config->db_url);
    if (keeper == NULL || db_url == NULL || !waking_init(&keeper->waking, err)) {
        error_set(err, ERR_MEMORY, "no memory left to look after the vehicles");
        free(db_url);
        free(keeper);
        return NULL;
    }
    keeper->db_url = db_url;
    keeper->mailbox = config->mailbox;
    keeper->clock = config->clock;
    keeper->log = config->log;
    keeper->chores = config->chores;
    keeper->chore_count = config->chore_count < KEEPER_CHORES_MAX ? config->chore_count : KEEPER_CHORES_MAX;
    keeper->lease = config->lease;
    keeper->held_until_us = INT64_MIN;
    random_uuid(keeper->worker_id);
    if (start_line(keeper, &keeper->leases, keep_leases, err) &&
        (keeper->chore_count == 0 || start_line(keeper, &keeper->chore_line, keep_chores, err)))
        return keeper;
    keeper_stop(keeper);
    return NULL;
}

/* What is being asked ends, or is broken off. */
static void join_all(struct keeper *keeper)
{
    struct keeper_line *const lines[] = {&keeper->leases, &keeper->chore_line};
    const struct timespec end = waking_in((int64_t)STOP_S * MS_PER_S);
    waking_lock(&keeper->waking);
    keeper->stopping = true;
    waking_all(&keeper->waking);
    while (keeper->running > 0 && waking_wait(&keeper->waking, &end))
        continue;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (lines[i]->pg != NULL)
            pg_break(lines[i]->pg);
    }
    waking_unlock(&keeper->waking);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (lines[i]->started)
            pthread_join(lines[i]->id, NULL);
    }
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    join_all(keeper);
    for (struct load *load = keeper->first_load; load != NULL;) {
        struct load *next = load->next;
        error_set(&load->error, ERR_CANCELLED, "the service stops");
        answer(keeper, load);
        load = next;
    }
    waking_clear(&keeper->waking);
    free(keeper->db_url);
    free(keeper);
}

/* ---- from the loop ---- */

void keeper_load(struct keeper *keeper, const char *only,
                 void (*loaded)(void *context, const struct vehicle *vehicles, size_t count,
                                const struct error *err),
                 void *context)
{
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        struct error problem;
        error_set(&problem, ERR_MEMORY, "no memory left to ask for the vehicles");
        loaded(context, NULL, 0, &problem);
        return;
    }
    load->loaded = loaded;
    load->context = context;
    load->all = only == NULL;
    if (only != NULL && !text_copy(load->only, sizeof(load->only), view_of(only))) {
        answer(keeper, load); /* no vehicle has so long a name */
        return;
    }
    waking_lock(&keeper->waking);
    *(keeper->first_load == NULL ? &keeper->first_load : &keeper->last_load->next) = load;
    keeper->last_load = load;
    waking_all(&keeper->waking);
    waking_unlock(&keeper->waking);
}

bool keeper_holds(const struct keeper *keeper)
{
    struct keeper *open = (struct keeper *)(uintptr_t)keeper; /* the lock alone changes */
    waking_lock(&open->waking);
    bool holds =
        !keeper->lease || (!keeper->lapsed && clock_monotonic_us(keeper->clock) < keeper->held_until_us);
    waking_unlock(&open->waking);
    return holds;
}

bool keeper_may_take(const struct keeper *keeper)
{
    struct keeper *open = (struct keeper *)(uintptr_t)keeper; /* the lock alone changes */
    waking_lock(&open->waking);
    bool may = keeper->may_take;
    waking_unlock(&open->waking);
    return may;
}
