/* The collector: inputs -> sampler -> recorder, once a tick. */
#include <fcntl.h>

#include "collector/health.h"
#include "collector/release_migrations.h"
#include "collector/show.h"
#include "common/app/daemon.h"
#include "common/os/guard.h"

enum { DATA_FOLDER_MODE = 0750, RUN_FOLDER_MODE = 0755 };

struct collector {
    struct daemon daemon;
    struct input_env env;
    struct path data, report, program;
    int lock_fd;
    struct migration_set *migrations;
    struct channel_table *channels;
    struct sampler *sampler;
    struct recorder *recorder;
    struct loop_watch *timer;
    int64_t next_report_us;
    bool late_said, report_failing;
};

/* ---- a tick ---- */

static void report(struct collector *collector, bool changed)
{
    struct daemon *daemon = &collector->daemon;
    struct error err;
    int64_t now_us = clock_monotonic_us(daemon->clock);
    if (!changed && now_us < collector->next_report_us)
        return;
    collector->next_report_us = now_us + (int64_t)HEALTH_PERIOD_S * US_PER_S;
    bool ok =
        health_write(collector->report.text, collector->recorder, collector->sampler, daemon->clock, &err);
    if (!ok && !collector->report_failing)
        log_warn(&daemon->log, "the report cannot be written: %s", err.text);
    collector->report_failing = !ok;
}

static void tick(void *context, uint64_t times)
{
    struct collector *collector = context;
    struct daemon *daemon = &collector->daemon;
    int64_t elapsed_us = (int64_t)times * daemon->appliance.config.sample_interval_ms * US_PER_MS;
    if (times > 1 && !collector->late_said)
        log_warn(&daemon->log, "%llu ticks were missed: the disk or the machine is slow (said once)",
                 (unsigned long long)(times - 1));
    collector->late_said = collector->late_said || times > 1;
    bool changed = sampler_tick(collector->sampler, clock_utc_us(daemon->clock), elapsed_us,
                                recorder_batch(collector->recorder));
    changed = recorder_tick(collector->recorder) || changed;
    sampler_resume(collector->sampler);
    report(collector, changed);
}

/* Much has come in since the last tick. */
static bool flush(void *context)
{
    struct collector *collector = context;
    return recorder_flush(collector->recorder);
}

/* ---- start and stop ---- */

static bool make_inputs(struct collector *collector, bool trial, struct error *err)
{
    struct daemon *daemon = &collector->daemon;
    const struct appliance_config *config = &daemon->appliance.config;
    collector->env = (struct input_env){
        .log = &daemon->log,
        .system_root = "",
        .root = daemon->appliance.root,
        .program = collector->program.text,
        .trial = trial,
    };
    collector->channels = channel_table_new(err);
    if (collector->channels == NULL || !channel_table_configure(collector->channels, &config->channels, err))
        return false;
    const struct sampler_spec spec = {
        .kind_of = input_kind_of,
        .lines = &config->inputs,
        .env = &collector->env,
        .channels = collector->channels,
        .log = &daemon->log,
    };
    collector->sampler = sampler_new(&spec, err);
    return collector->sampler != NULL;
}

static void free_inputs(struct collector *collector)
{
    sampler_free(collector->sampler);
    channel_table_free(collector->channels);
    collector->sampler = NULL;
    collector->channels = NULL;
}

/* One collector a ROOT: the store has one writer. */
static bool take_places(struct collector *collector, struct error *err)
{
    const struct appliance *appliance = &collector->daemon.appliance;
    struct path run;
    struct path lock;
    if (!appliance_path(appliance, appliance->config.telemetry_dir, &collector->data, err) ||
        !appliance_path(appliance, "run", &run, err) ||
        !folder_make_all(collector->data.text, DATA_FOLDER_MODE, err) ||
        !folder_make_all(run.text, RUN_FOLDER_MODE, err) ||
        !path_join(&collector->report, run.text, "collector.json", err) ||
        !path_join(&lock, run.text, "collector.lock", err))
        return false;
    collector->lock_fd = file_lock(lock.text, err);
    return collector->lock_fd >= 0 || error_wrap(err, "another collector runs here");
}

static bool make_recorder(struct collector *collector, struct error *err)
{
    const struct daemon *daemon = &collector->daemon;
    const struct appliance_config *config = &daemon->appliance.config;
    collector->migrations = release_migrations_load(daemon->appliance.root, err);
    if (collector->migrations == NULL)
        return false;
    const struct recorder_spec spec = {
        .store =
            {
                .folder = collector->data.text,
                .version = daemon->appliance.version,
                .migrations = collector->migrations,
                .clock = daemon->clock,
                .log = &daemon->log,
            },
        .channels = collector->channels,
        .retention_days = config->retention_days,
        .max_store_bytes = config->max_store_bytes,
    };
    collector->recorder = recorder_new(&spec, err);
    return collector->recorder != NULL;
}

static bool start(struct collector *collector, struct error *err)
{
    struct daemon *daemon = &collector->daemon;
    if (!take_places(collector, err) || !make_inputs(collector, false, err) || !make_recorder(collector, err))
        return false;
    int64_t interval_ms = daemon->appliance.config.sample_interval_ms;
    const struct sampler_feed feed = {
        .loop = daemon->loop,
        .batch = recorder_batch(collector->recorder),
        .flush = flush,
        .context = collector,
    };
    sampler_attach(collector->sampler, &feed);
    tick(collector, 0); /* the first now, so that a store is there when we are ready */
    collector->timer = loop_timer(daemon->loop, interval_ms, interval_ms, tick, collector, err);
    return collector->timer != NULL;
}

static void stop(struct collector *collector)
{
    loop_remove(collector->timer);
    if (collector->recorder != NULL && collector->sampler != NULL)
        report(collector, true);
    recorder_free(collector->recorder);
    migration_set_free(collector->migrations);
    free_inputs(collector);
    if (collector->lock_fd >= 0)
        close(collector->lock_fd);
}

/* ---- the program ---- */

/* Our own path: a guard is the same program. */
static void find_program(struct path *out)
{
    ssize_t size = readlink("/proc/self/exe", out->text, sizeof(out->text) - 1);
    out->text[size > 0 ? size : 0] = '\0';
}

static bool check(struct daemon *daemon, struct error *err)
{
    struct collector collector = {.daemon = *daemon, .lock_fd = -1};
    bool ok = make_inputs(&collector, false, err);
    free_inputs(&collector);
    return ok;
}

static bool run_test(struct collector *collector, bool json, struct error *err)
{
    bool ok = make_inputs(collector, true, err) &&
              show_samples(collector->sampler, collector->channels, &collector->daemon, json, err);
    free_inputs(collector);
    return ok;
}

static bool run_daemon(struct collector *collector, struct error *err)
{
    bool ok = start(collector, err) && daemon_run(&collector->daemon, "measuring", err);
    stop(collector);
    return ok;
}

int main(int argc, char **argv)
{
    if (guard_is_asked(argc, argv))
        return guard_main(argc, argv);
    bool test = false;
    bool json = false;
    const struct option options[] = {
        {.name = "test",
         .kind = OPTION_FLAG,
         .target = &test,
         .help = "print one sample of every input; write nothing"},
        {.name = "json", .kind = OPTION_FLAG, .target = &json, .help = "with --test: one JSON object"},
    };
    const struct daemon_spec spec = {
        .name = "collector",
        .summary = "Measures: asks every input once a tick and writes the readings to the telemetry store.",
        .usage = "collector --root DIR [--check-config]\ncollector --root DIR --test [--json]",
        .extra = options,
        .extra_count = COUNT_OF(options),
        .check = check,
    };
    struct collector collector = {.lock_fd = -1};
    find_program(&collector.program);
    int code = daemon_open(&collector.daemon, &spec, argc, argv);
    if (code >= 0)
        return code;
    struct error err = {0};
    bool ok = test ? run_test(&collector, json, &err) : run_daemon(&collector, &err);
    code = ok ? 0 : daemon_fail(&collector.daemon, &err);
    daemon_close(&collector.daemon);
    return code;
}
