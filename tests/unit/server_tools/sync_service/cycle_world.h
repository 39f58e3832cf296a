/* A cycle in a world of the test's own: time passes when the test says so, and with it the loop's timers;
 * vehicles keep their turns until the test ends them. Made-up vehicles. Each test program includes it once.
 */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_CYCLE_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_CYCLE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server_tools/sync_service/cycle.h"

enum { TIMERS_MAX = 4, FLEET_MAX = 8, SAID_BYTES = 64 * 1024, INTERVAL_S = 10 };

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- a loop that knows timers alone ---- */

struct loop_watch {
    struct loop *loop; /* NULL: free */
    int64_t due_us;    /* below 0: stopped */
    int64_t period_us;
    void (*fired)(void *context, uint64_t times);
    void *context;
};

struct loop {
    struct clock_fake clock;
    struct loop_watch timers[TIMERS_MAX];
};

void loop_timer_set(struct loop_watch *timer, int64_t first_ms, int64_t period_ms)
{
    timer->due_us = first_ms < 0 ? -1 : clock_monotonic_us(&timer->loop->clock.clock) + first_ms * US_PER_MS;
    timer->period_us = period_ms * US_PER_MS;
}

struct loop_watch *loop_timer(struct loop *loop, int64_t first_ms, int64_t period_ms,
                              void (*fired)(void *context, uint64_t times), void *context, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        struct loop_watch *timer = &loop->timers[i];
        if (timer->loop != NULL)
            continue;
        *timer = (struct loop_watch){.loop = loop, .fired = fired, .context = context};
        loop_timer_set(timer, first_ms, period_ms);
        return timer;
    }
    fail_msg("more timers than the test has");
    return NULL;
}

void loop_remove(struct loop_watch *watch)
{
    if (watch != NULL)
        watch->loop = NULL;
}

/* ---- the keeper and the writer ---- */

struct keeper {
    struct vehicle vehicles[FLEET_MAX]; /* what the tables have */
    size_t count;
    bool lost, may_take; /* lost: its leases could not be renewed */
    bool slow;           /* the answer is the test's: world_answer */
    struct error problem;
    int loads;
    char only[VEHICLE_NAME_BYTES];
    void (*loaded)(void *context, const struct vehicle *vehicles, size_t count, const struct error *err);
    void *context; /* of the load under way */
};

void keeper_load(struct keeper *keeper, const char *only,
                 void (*loaded)(void *context, const struct vehicle *vehicles, size_t count,
                                const struct error *err),
                 void *context)
{
    assert_null(keeper->loaded); /* never two at a time */
    keeper->loads++;
    keeper->loaded = loaded;
    keeper->context = context;
    snprintf(keeper->only, sizeof(keeper->only), "%s", only != NULL ? only : "");
}

bool keeper_holds(const struct keeper *keeper)
{
    return !keeper->lost;
}

bool keeper_may_take(const struct keeper *keeper)
{
    return keeper->may_take;
}

struct writer {
    bool away, full;
    uint64_t rows;
};

bool writer_has_room(struct writer *writer, size_t bytes)
{
    (void)bytes;
    return !writer->full;
}

bool writer_is_connected(const struct writer *writer)
{
    return !writer->away;
}

struct writer_counts writer_counts(const struct writer *writer)
{
    return (struct writer_counts){.rows = writer->rows};
}

struct http_pool_counts http_pool_counts(const struct http_pool *pool)
{
    (void)pool;
    return (struct http_pool_counts){.running = 0};
}

/* ---- what is counted, and chance ---- */

struct metrics {
    uint64_t counters[METRICS];
    double gauges[METRICS];
};

void metric_add(struct metrics *metrics, enum metric metric, uint64_t more)
{
    metrics->counters[metric] += more;
}

void metric_set(struct metrics *metrics, enum metric metric, double value)
{
    metrics->gauges[metric] = value;
}

static uint32_t chance; /* what random_bytes says */

void random_bytes(void *out, size_t size)
{
    assert_int_equal(size, sizeof(chance));
    memcpy(out, &chance, sizeof(chance));
}

/* ---- vehicles ---- */

struct machine {
    int turns;         /* that were begun */
    int64_t last_turn; /* when, in seconds of the test */
    bool under_way, filling, refuses /* to have a puller */;
    const struct puller_kind *kind; /* of its puller */
    struct puller *puller;          /* NULL: none, or freed */
    void (*done)(void *context, const struct turn_result *result);
    void *context;
};

struct cycle_world {
    struct sync_scene scene; /* first: a puller is given it */
    struct sync_settings settings;
    struct loop loop;
    struct keeper keeper;
    struct writer writer;
    struct metrics metrics;
    struct log log;
    struct machine machines[FLEET_MAX + 1]; /* by vehicle_id */
    struct cycle *cycle;
    int64_t begun_us;
    int once_times; /* that cycle_once said it was done */
    struct cycle_totals once_totals;
    struct error once_error; /* ERR_NONE: none */
};

struct fake_puller {
    struct puller puller; /* first */
    struct cycle_world *world;
    struct machine *machine;
};

static inline int64_t world_seconds(const struct cycle_world *world)
{
    return (clock_monotonic_us(world->scene.clock) - world->begun_us) / US_PER_S;
}

static inline struct puller *new_fake(const struct puller_kind *kind, const struct sync_scene *scene,
                                      const struct vehicle *vehicle, struct error *err)
{
    struct cycle_world *world = (struct cycle_world *)scene;
    struct machine *machine = &world->machines[vehicle->vehicle_id];
    if (machine->refuses) {
        error_set(err, ERR_MEMORY, "no memory left for a vehicle");
        return NULL;
    }
    struct fake_puller *fake = calloc(1, sizeof(*fake));
    assert_non_null(fake);
    assert_null(machine->puller);
    *fake = (struct fake_puller){.puller = {.kind = kind}, .world = world, .machine = machine};
    machine->kind = kind;
    machine->puller = &fake->puller;
    return &fake->puller;
}

static inline struct puller *new_outbound(const struct sync_scene *scene, const struct vehicle *vehicle,
                                          struct error *err)
{
    return new_fake(&outbound_puller, scene, vehicle, err);
}

static inline struct puller *new_agent(const struct sync_scene *scene, const struct vehicle *vehicle,
                                       struct error *err)
{
    return new_fake(&agent_puller, scene, vehicle, err);
}

static inline void free_fake(struct puller *puller)
{
    struct machine *machine = ((struct fake_puller *)puller)->machine;
    machine->puller = NULL;
    machine->under_way = false;
    free(puller);
}

static inline void start_fake(struct puller *puller, const struct vehicle *vehicle,
                              void (*done)(void *context, const struct turn_result *result), void *context)
{
    struct fake_puller *fake = (struct fake_puller *)puller;
    struct machine *machine = fake->machine;
    assert_ptr_equal(machine, &fake->world->machines[vehicle->vehicle_id]);
    assert_false(machine->under_way); /* one turn at a time */
    machine->turns++;
    machine->last_turn = world_seconds(fake->world);
    machine->under_way = true;
    machine->done = done;
    machine->context = context;
}

static inline bool is_fake_filling(const struct puller *puller)
{
    return ((const struct fake_puller *)puller)->machine->filling;
}

const struct puller_kind outbound_puller = {new_outbound, free_fake, start_fake, is_fake_filling};
const struct puller_kind agent_puller = {new_agent, free_fake, start_fake, is_fake_filling};

/* ---- the world ---- */

/* vehicle_id 1 on: "Truck-1" ... */
static inline void world_vehicle(struct cycle_world *world, enum transport transport, const char *host)
{
    struct vehicle *vehicle = &world->keeper.vehicles[world->keeper.count++];
    assert_true(world->keeper.count <= FLEET_MAX);
    *vehicle = (struct vehicle){.vehicle_id = (int64_t)world->keeper.count, .transport = transport};
    snprintf(vehicle->client_id, sizeof(vehicle->client_id), "c%zu", world->keeper.count);
    snprintf(vehicle->name, sizeof(vehicle->name), "Truck-%zu", world->keeper.count);
    snprintf(vehicle->host, sizeof(vehicle->host), "%s", host);
}

static inline void world_fleet(struct cycle_world *world, int count)
{
    for (int i = 0; i < count; i++)
        world_vehicle(world, TRANSPORT_OUTBOUND, "10.0.0.11");
}

static inline void world_answer(struct cycle_world *world)
{
    struct keeper *keeper = &world->keeper;
    void (*loaded)(void *context, const struct vehicle *vehicles, size_t count, const struct error *err) =
        keeper->loaded;
    assert_non_null(loaded);
    keeper->loaded = NULL;
    if (keeper->problem.code != ERR_NONE)
        loaded(keeper->context, NULL, 0, &keeper->problem);
    else
        loaded(keeper->context, keeper->vehicles, keeper->count, NULL);
}

/* The timer that is due first, by end_us at the latest; or NULL. */
static inline struct loop_watch *world_next(struct cycle_world *world, int64_t end_us)
{
    struct loop_watch *next = NULL;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        struct loop_watch *timer = &world->loop.timers[i];
        if (timer->loop != NULL && timer->due_us >= 0 && timer->due_us <= end_us &&
            (next == NULL || timer->due_us < next->due_us))
            next = timer;
    }
    return next;
}

/* Time passes, and what is due in it happens. */
static inline void world_pass_ms(struct cycle_world *world, int64_t ms)
{
    struct clock_fake *clock = &world->loop.clock;
    int64_t end_us = clock_monotonic_us(&clock->clock) + ms * US_PER_MS;
    for (struct loop_watch *timer; (timer = world_next(world, end_us)) != NULL;) {
        clock_fake_advance(clock, timer->due_us - clock_monotonic_us(&clock->clock));
        timer->due_us = timer->period_us > 0 ? timer->due_us + timer->period_us : -1;
        timer->fired(timer->context, 1);
        if (world->keeper.loaded != NULL && !world->keeper.slow)
            world_answer(world);
    }
    clock_fake_advance(clock, end_us - clock_monotonic_us(&clock->clock));
}

static inline void world_pass(struct cycle_world *world, int64_t seconds)
{
    world_pass_ms(world, seconds * 1000);
}

/* From the moment that the cycles began. */
static inline void world_pass_to(struct cycle_world *world, int64_t second)
{
    world_pass(world, second - world_seconds(world));
}

#define TURN_WELL   ((struct turn_result){.status = TURN_OK, .reached = true})
#define TURN_SILENT ((struct turn_result){.status = TURN_TIMEOUT, .note = "no answer"})

static inline void world_end_turn(struct cycle_world *world, size_t vehicle_id, struct turn_result result)
{
    struct machine *machine = &world->machines[vehicle_id];
    assert_true(machine->under_way);
    machine->under_way = false;
    machine->done(machine->context, &result);
}

static inline uint64_t world_count(const struct cycle_world *world, enum metric metric)
{
    return world->metrics.counters[metric];
}

/* How many lines of the log have this in them. */
static inline int world_said(const struct cycle_world *world, const char *words)
{
    static char text[SAID_BYTES];
    int times = 0;
    ssize_t size = pread(world->log.fd, text, sizeof(text) - 1, 0);
    assert_in_range(size, 0, sizeof(text) - 2);
    text[size] = '\0';
    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        times++;
    return times;
}

static inline int set_up(void **state)
{
    struct cycle_world *world = calloc(1, sizeof(*world));
    struct error err;
    assert_non_null(world);
    chance = 0;
    clock_fake_init(&world->loop.clock, INT64_C(1771754400000000), 7 * (int64_t)US_PER_S);
    world->begun_us = clock_monotonic_us(&world->loop.clock.clock);
    log_init(&world->log, "test", &world->loop.clock.clock);
    world->log.fd = memfd_create("cycle_log", 0);
    world->settings.sync_interval_s = INTERVAL_S;
    world->scene = (struct sync_scene){.settings = &world->settings,
                                       .clock = &world->loop.clock.clock,
                                       .log = &world->log,
                                       .loop = &world->loop,
                                       .writer = &world->writer,
                                       .metrics = &world->metrics};
    world->cycle = cycle_new(&world->scene, &world->keeper, &err);
    *state = world;
    return world->log.fd < 0 || world->cycle == NULL;
}

static inline int tear_down(void **state)
{
    struct cycle_world *world = *state;
    cycle_free(world->cycle);
    for (size_t i = 0; i < COUNT_OF(world->machines); i++)
        assert_null(world->machines[i].puller);
    close(world->log.fd);
    free(world);
    return 0;
}

#endif
