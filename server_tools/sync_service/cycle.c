#include "server_tools/sync_service/cycle.h"

#include <stdlib.h>

#include "common/base/text.h"
#include "common/crypto/random.h"
#include "server_tools/sync_service/cycle_log.h"
#include "server_tools/sync_service/fleet_slots.h"

enum {
    S_MS = 1000,
    GAUGES_MS = 5000,
    AWAY_LOOK_MS = 250,  /* PostgreSQL is not there: so soon a cycle is tried again */
    AWAY_SAID_MS = 2000, /* and is said to be away: connections are young when the service starts */
    ONCE_LOOK_MS = 50,   /* `once` looks whether PostgreSQL is there, whether gaps are filled */
    ONCE_CONNECT_S = 15, /* so long it waits for PostgreSQL */
};

struct cycle {
    const struct sync_scene *scene;
    struct keeper *keeper;
    struct loop_watch *timer, *gauges;
    struct fleet_slots slots;
    bool freed;         /* by its owner, while it loads: the answer frees the rest */
    bool loading, open; /* open: turns of the cycle are under way */
    int64_t away_ms;    /* looked at so long, and PostgreSQL was not there */
    bool between;       /* what is being loaded is no cycle: vehicles of a process that died */
    uint64_t number;    /* of the cycle that began last; 0: none */
    size_t pending;     /* turns of this cycle under way */
    int64_t started_us; /* monotonic, as the next one */
    int64_t next_us;    /* when the next cycle is due */
    struct cycle_totals totals;

    bool is_once;
    char only[VEHICLE_NAME_BYTES];
    int64_t once_until_us; /* PostgreSQL is waited for */
    void (*once_done)(void *context, const struct cycle_totals *totals, const struct error *err);
    void *once_context;
};

static int64_t monotonic(const struct cycle *cycle)
{
    return clock_monotonic_us(cycle->scene->clock);
}

/* ---- what is to be seen ---- */

static void show_fleet(const struct cycle *cycle)
{
    size_t online = 0;
    size_t behind = 0;
    int64_t lag_us = 0;
    for (size_t i = 0; i < cycle->slots.count; i++) {
        const struct fleet_slot *slot = cycle->slots.list[i];
        bool answers = slot->had_turn && slot->last_status == TURN_OK;
        online += answers;
        behind += slot->puller != NULL && slot->puller->kind->is_filling(slot->puller);
        if (answers && slot->behind_us > lag_us)
            lag_us = slot->behind_us;
    }
    struct metrics *metrics = cycle->scene->metrics;
    metric_set(metrics, METRIC_VEHICLES, (double)cycle->slots.count);
    metric_set(metrics, METRIC_VEHICLES_ONLINE, (double)online);
    metric_set(metrics, METRIC_VEHICLES_BEHIND, (double)behind);
    metric_set(metrics, METRIC_LAG_MAX_SECONDS, (double)lag_us / US_PER_S);
}

static void show(const struct cycle *cycle)
{
    const struct sync_scene *scene = cycle->scene;
    struct writer_counts writer = writer_counts(scene->writer);
    show_fleet(cycle);
    metric_set(scene->metrics, METRIC_QUEUE_BYTES, (double)writer.queue_bytes);
    metric_set(scene->metrics, METRIC_QUEUE_JOBS, (double)writer.queue_jobs);
    metric_set(scene->metrics, METRIC_QUEUE_LIMIT_BYTES, (double)(scene->settings->queue_max_mb << 20));
    metric_set(scene->metrics, METRIC_DB_TRANSACTION_SECONDS, (double)writer.last_transaction_us / US_PER_S);
    metric_set(scene->metrics, METRIC_DB_CONNECTED, writer_is_connected(scene->writer));
    metric_set(scene->metrics, METRIC_TRANSFERS_RUNNING, (double)http_pool_counts(scene->pool).running);
}

/* ---- the end of a cycle ---- */

static bool anybody_is_filling(const struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->slots.count; i++) {
        const struct puller *puller = cycle->slots.list[i]->puller;
        if (puller != NULL && puller->kind->is_filling(puller))
            return true;
    }
    return false;
}

/* `once` has done what was missing too, or says that it has not. */
static void count_gaps(struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->slots.count; i++) {
        const struct fleet_slot *slot = cycle->slots.list[i];
        bool failed = slot->last_status == TURN_OK && slot->puller != NULL && slot->puller->gap_failed;
        cycle->totals.ok -= failed;
        cycle->totals.error += failed;
    }
    cycle->totals.rows_added = (int64_t)writer_counts(cycle->scene->writer).rows;
}

static void end_once(struct cycle *cycle, const struct error *err)
{
    count_gaps(cycle);
    loop_timer_set(cycle->timer, -1, 0);
    cycle->once_done(cycle->once_context, err == NULL ? &cycle->totals : NULL, err);
}

static void count_cycle(struct cycle *cycle, int64_t took_us)
{
    struct metrics *metrics = cycle->scene->metrics;
    metric_add(metrics, METRIC_CYCLES, 1);
    metric_set(metrics, METRIC_LAST_CYCLE_SECONDS, (double)took_us / US_PER_S);
    metric_set(metrics, METRIC_LAST_CYCLE_TIME_SECONDS, (double)clock_utc_us(cycle->scene->clock) / US_PER_S);
    show(cycle);
}

static void end_cycle(struct cycle *cycle)
{
    int64_t now_us = monotonic(cycle);
    cycle->open = false;
    cycle->totals.duration_us = now_us - cycle->started_us;
    int64_t sleep_us = now_us < cycle->next_us ? cycle->next_us - now_us : 0;
    cycle_log_done(cycle->scene->log, &cycle->totals, cycle->is_once ? -1 : sleep_us);
    count_cycle(cycle, cycle->totals.duration_us);
    if (cycle->is_once)
        loop_timer_set(cycle->timer, 0, ONCE_LOOK_MS);
}

/* A turn of a cycle that another one followed is over. It was the last of them, or the cycle goes on. */
static void end_overrun(struct cycle *cycle, uint64_t number, int64_t started_us)
{
    int64_t took_us = monotonic(cycle) - started_us;
    if (fleet_slots_any_under_way(&cycle->slots, number))
        return;
    cycle_log_overrun(cycle->scene->log, took_us);
    count_cycle(cycle, took_us);
}

/* ---- turns ---- */

static void count_turn(struct cycle *cycle, const struct fleet_slot *slot, const struct turn_result *result)
{
    static const enum metric metrics[] = {METRIC_TURNS_OK, METRIC_TURNS_TIMEOUT, METRIC_TURNS_ERROR};
    size_t *const totals[] = {&cycle->totals.ok, &cycle->totals.timeout, &cycle->totals.error};
    metric_add(cycle->scene->metrics, metrics[result->status], 1);
    if (slot->number != cycle->number)
        return;
    ++*totals[result->status];
    cycle->totals.rows_added += result->rows_added;
    cycle->totals.bytes += result->bytes;
}

static void on_turn(void *context, const struct turn_result *result)
{
    struct fleet_slot *slot = context;
    struct cycle *cycle = slot->cycle;
    bool changed = slot->had_turn ? slot->last_status != result->status : result->status != TURN_OK;
    uint32_t random;
    random_bytes(&random, sizeof(random));
    slot->due_us =
        slot->started_us + fleet_pause_us(slot, result, cycle->scene->settings->sync_interval_s, random);
    slot->running = false;
    slot->had_turn = true;
    slot->last_status = result->status;
    slot->behind_us = result->behind_us;
    cycle_log_turn(cycle->scene->log, cycle->totals.vehicles, slot->name, result, changed);
    count_turn(cycle, slot, result);
    if (slot->number == FLEET_NO_CYCLE)
        return;
    if (slot->number != cycle->number)
        end_overrun(cycle, slot->number, slot->cycle_started_us);
    else if (--cycle->pending == 0)
        end_cycle(cycle);
}

/* NULL: nobody pulls it. Of the signed transport without a host are those that an import made; of the
 * Outbound API it is a mistake that its turn tells of. */
static const struct puller_kind *kind_of(const struct vehicle *vehicle)
{
    if (vehicle->transport == TRANSPORT_OUTBOUND)
        return &outbound_puller;
    return vehicle->transport == TRANSPORT_AGENT && vehicle->host[0] != '\0' ? &agent_puller : NULL;
}

static bool is_due(const struct cycle *cycle, const struct fleet_slot *slot)
{
    return !slot->running && monotonic(cycle) >= slot->due_us &&
           writer_has_room(cycle->scene->writer, sizeof(struct write_job));
}

static void start_turn(struct cycle *cycle, struct fleet_slot *slot, const struct vehicle *vehicle)
{
    const struct puller_kind *kind = kind_of(vehicle);
    struct error err;
    if (kind == NULL || !is_due(cycle, slot)) {
        cycle->totals.left_out++;
        return;
    }
    if (slot->puller == NULL)
        slot->puller = kind->new (cycle->scene, vehicle, &err);
    if (slot->puller == NULL) {
        log_warn(cycle->scene->log, "[%s] %s", slot->name, err.text);
        cycle->totals.error++;
        return;
    }
    slot->cycle = cycle;
    slot->running = true;
    slot->number = cycle->open ? cycle->number : FLEET_NO_CYCLE;
    slot->cycle_started_us = cycle->started_us;
    slot->started_us = monotonic(cycle);
    cycle->pending += cycle->open;
    kind->start(slot->puller, vehicle, on_turn, slot);
}

/* ---- the beginning of a cycle ---- */

static size_t take_vehicles(struct cycle *cycle, const struct vehicle *vehicles, size_t count)
{
    size_t pulled = 0;
    for (size_t i = 0; i < cycle->slots.count; i++)
        cycle->slots.list[i]->is_ours = false;
    for (size_t i = 0; i < count; i++) {
        struct error err;
        if (kind_of(&vehicles[i]) == NULL)
            continue;
        if (fleet_slots_take(&cycle->slots, &vehicles[i], &err) == NULL)
            log_warn(cycle->scene->log, "[%s] %s", vehicles[i].client_id, err.text);
        else
            pulled++;
    }
    fleet_slots_drop_others(&cycle->slots);
    return pulled;
}

/* Some went with their turns, which were called off. */
static void recount_pending(struct cycle *cycle)
{
    if (!cycle->open)
        return;
    cycle->pending = fleet_slots_under_way(&cycle->slots, cycle->number);
    if (cycle->pending == 0)
        end_cycle(cycle);
}

static bool anybody_is_due(const struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->slots.count; i++) {
        if (is_due(cycle, cycle->slots.list[i]))
            return true;
    }
    return false;
}

/* A cycle is due while turns go on. False: there is nobody to begin one with. */
static bool may_overrun(const struct cycle *cycle, size_t under_way)
{
    bool begins = anybody_is_due(cycle);
    metric_add(cycle->scene->metrics, METRIC_CYCLES_OVERRUN, 1);
    if (begins)
        log_warn(cycle->scene->log, "the cycle before is not done: %zu vehicle(s) are left out of this one",
                 under_way);
    else
        log_warn(cycle->scene->log, "no new cycle: %zu vehicle(s) are still under way", under_way);
    return begins;
}

static void begin(struct cycle *cycle, const struct vehicle *vehicles, size_t count)
{
    size_t pulled = take_vehicles(cycle, vehicles, count);
    recount_pending(cycle);
    size_t under_way = fleet_slots_under_way(&cycle->slots, FLEET_ANY_CYCLE);
    if (under_way > 0 && !may_overrun(cycle, under_way))
        return;
    cycle->number++;
    cycle->pending = 0;
    cycle->open = true;
    cycle->started_us = monotonic(cycle);
    cycle->totals = (struct cycle_totals){.vehicles = pulled};
    cycle_log_start(cycle->scene->log, cycle->totals.vehicles);
    for (size_t i = 0; i < count; i++) {
        struct fleet_slot *slot = fleet_slots_find(&cycle->slots, vehicles[i].vehicle_id);
        if (slot != NULL)
            start_turn(cycle, slot, &vehicles[i]);
    }
    if (cycle->pending == 0)
        end_cycle(cycle);
}

/* Of a process that died: they do not wait for the next cycle, and count to the one that is open. */
static void take_over(struct cycle *cycle, const struct vehicle *vehicles, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        struct error err;
        if (kind_of(&vehicles[i]) == NULL || fleet_slots_find(&cycle->slots, vehicles[i].vehicle_id) != NULL)
            continue;
        struct fleet_slot *slot = fleet_slots_take(&cycle->slots, &vehicles[i], &err);
        if (slot == NULL) {
            log_warn(cycle->scene->log, "[%s] %s", vehicles[i].client_id, err.text);
            continue;
        }
        taken++;
        cycle->totals.vehicles++;
        start_turn(cycle, slot, &vehicles[i]);
    }
    if (taken > 0)
        log_info(cycle->scene->log, "%zu vehicle(s) taken over from another service", taken);
}

/* The vehicles are there, or will not be. False: nobody wants them any more. */
static bool take_answer(struct cycle *cycle)
{
    bool wanted = !cycle->freed;
    cycle->loading = false;
    if (!wanted)
        free(cycle);
    return wanted;
}

static void on_loaded(void *context, const struct vehicle *vehicles, size_t count, const struct error *err)
{
    struct cycle *cycle = context;
    if (!take_answer(cycle))
        return;
    bool between = cycle->between;
    cycle->between = false;
    if (err != NULL)
        log_warn(cycle->scene->log, "no cycle: which vehicles are ours could not be read: %s", err->text);
    else if (!keeper_holds(cycle->keeper))
        log_warn(cycle->scene->log, "no cycle: our leases could not be renewed");
    else if (between)
        take_over(cycle, vehicles, count);
    else
        begin(cycle, vehicles, count);
}

static void load(struct cycle *cycle)
{
    cycle->loading = true;
    keeper_load(cycle->keeper, NULL, on_loaded, cycle);
}

/* It is due, and begins as soon as PostgreSQL is there. */
static void wait_for_database(struct cycle *cycle)
{
    loop_timer_set(cycle->timer, AWAY_LOOK_MS, 0);
    cycle->away_ms += AWAY_LOOK_MS;
    if (cycle->away_ms == AWAY_SAID_MS)
        log_warn(cycle->scene->log, "no cycle: PostgreSQL is away");
}

static void on_tick(void *context, uint64_t times)
{
    struct cycle *cycle = context;
    (void)times;
    if (!writer_is_connected(cycle->scene->writer)) {
        wait_for_database(cycle);
        return;
    }
    cycle->away_ms = 0;
    loop_timer_set(cycle->timer, cycle->scene->settings->sync_interval_s * S_MS, 0);
    cycle->next_us = monotonic(cycle) + cycle->scene->settings->sync_interval_s * US_PER_S;
    if (cycle->between)
        cycle->between = false; /* what is on its way is this cycle's */
    else if (cycle->loading)
        log_warn(cycle->scene->log, "no cycle: PostgreSQL has not said yet which vehicles are ours");
    else
        load(cycle);
}

/* ---- `once` ---- */

static void on_once_loaded(void *context, const struct vehicle *vehicles, size_t count,
                           const struct error *err)
{
    struct cycle *cycle = context;
    struct error none;
    if (!take_answer(cycle))
        return;
    if (err == NULL && count == 0 && cycle->only[0] != '\0') {
        error_set(&none, ERR_NOT_FOUND, "no vehicle has the client_id or the name `%s`", cycle->only);
        err = &none;
    }
    if (err != NULL)
        end_once(cycle, err);
    else
        begin(cycle, vehicles, count);
}

/* PostgreSQL is waited for, then the turns, then the gaps. */
static void look_once(struct cycle *cycle)
{
    struct error err;
    bool begun = cycle->loading || cycle->number > 0;
    if (begun) {
        if (!cycle->loading && !cycle->open && !anybody_is_filling(cycle))
            end_once(cycle, NULL);
        return;
    }
    if (writer_is_connected(cycle->scene->writer)) {
        cycle->loading = true;
        keeper_load(cycle->keeper, cycle->only[0] != '\0' ? cycle->only : NULL, on_once_loaded, cycle);
    } else if (monotonic(cycle) > cycle->once_until_us) {
        error_set(&err, ERR_UNREACHABLE, "PostgreSQL cannot be reached");
        end_once(cycle, &err);
    }
}

void cycle_once(struct cycle *cycle, const char *only,
                void (*done)(void *context, const struct cycle_totals *totals, const struct error *err),
                void *context)
{
    cycle->is_once = true;
    cycle->once_done = done;
    cycle->once_context = context;
    cycle->once_until_us = monotonic(cycle) + (int64_t)ONCE_CONNECT_S * US_PER_S;
    if (only != NULL && !text_copy(cycle->only, sizeof(cycle->only), view_of(only)))
        memset(cycle->only, '?', sizeof(cycle->only) - 1); /* nobody has so long a name */
    loop_timer_set(cycle->timer, 0, ONCE_LOOK_MS);
}

/* ---- for its owner ---- */

static void on_gauges(void *context, uint64_t times)
{
    struct cycle *cycle = context;
    (void)times;
    show(cycle);
    if (cycle->loading || cycle->number == 0 || !keeper_may_take(cycle->keeper) ||
        !writer_is_connected(cycle->scene->writer))
        return;
    cycle->between = true;
    load(cycle);
    cycle->between = cycle->loading;
}

static void on_timer(void *context, uint64_t times)
{
    struct cycle *cycle = context;
    if (cycle->is_once)
        look_once(cycle);
    else
        on_tick(cycle, times);
}

struct cycle *cycle_new(const struct sync_scene *scene, struct keeper *keeper, struct error *err)
{
    struct cycle *cycle = calloc(1, sizeof(*cycle));
    if (cycle == NULL) {
        error_set(err, ERR_MEMORY, "no memory for the cycle");
        return NULL;
    }
    cycle->scene = scene;
    cycle->keeper = keeper;
    cycle->timer = loop_timer(scene->loop, -1, 0, on_timer, cycle, err);
    if (cycle->timer != NULL)
        cycle->gauges = loop_timer(scene->loop, GAUGES_MS, GAUGES_MS, on_gauges, cycle, err);
    if (cycle->gauges == NULL) {
        cycle_free(cycle);
        return NULL;
    }
    return cycle;
}

void cycle_free(struct cycle *cycle)
{
    if (cycle == NULL)
        return;
    fleet_slots_clear(&cycle->slots);
    loop_remove(cycle->timer);
    loop_remove(cycle->gauges);
    cycle->freed = true;
    if (!cycle->loading)
        free(cycle);
}

bool cycle_run(struct cycle *cycle, struct error *err)
{
    (void)err;
    loop_timer_set(cycle->timer, 0, 0);
    return true;
}
