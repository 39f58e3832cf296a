#include "server_tools/sync_service/service.h"

#include <signal.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/os/notify.h"

enum { BYTES_A_MB = 1024 * 1024, MS_A_S = 1000, SECONDS_BYTES = 24 };

/* ---- signals ---- */

/* Which of two signals that came together is handled first is the system's choice. */
static bool is_stop_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static void on_signal(void *context, int signal_number)
{
    struct service *service = context;
    service->reload = signal_number == SIGHUP;
    if (service->reload && is_stop_pending())
        return;
    log_info(service->log, "%s",
             service->reload           ? "reading the config anew on SIGHUP"
             : signal_number == SIGINT ? "stopping on SIGINT"
                                       : "stopping on SIGTERM");
    loop_stop(service->loop);
}

/* Before any thread starts, so that each has them blocked and the loop alone gets them. */
static bool watch_signals(struct service *service, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (loop_signal(service->loop, signals[i], on_signal, service, err) == NULL)
            return false;
    }
    return true;
}

/* ---- open ---- */

static bool open_key(struct service *service, struct error *err)
{
    const char *file = service->settings->auth_key_file;
    if (file[0] == '\0')
        return true;
    service->signer = signer_start(file, service->mailbox, err);
    return service->signer != NULL || error_wrap(err, "AUTH_KEY_FILE");
}

static bool open_writer(struct service *service, struct error *err)
{
    const struct writer_config config = {
        .db_url = service->settings->db_url,
        .connections = (size_t)service->settings->db_connections,
        .queue_bytes = (size_t)service->settings->queue_max_mb * BYTES_A_MB,
        .mailbox = service->mailbox,
        .clock = service->clock,
        .log = service->log,
    };
    service->writer = writer_start(&config, err);
    return service->writer != NULL;
}

static bool open_network(struct service *service, struct error *err)
{
    const struct http_pool_config config = {
        .loop = service->loop,
        .max_parallel = (size_t)service->settings->max_parallel,
        .max_idle = SERVICE_IDLE_CONNECTIONS,
        .connect_ms = service->settings->pull_timeout_ms,
    };
    service->pool = http_pool_new(&config, err);
    if (service->pool == NULL)
        return false;
    service->gaps = gap_lane_new(service->loop, (size_t)service->settings->gap_parallel, err);
    return service->gaps != NULL;
}

/* What needs signed sessions. */
static bool open_rollouts(struct service *service, struct error *err)
{
    if (service->signer == NULL)
        return true;
    service->rollouts = rollout_desk_new(&service->scene, err);
    if (service->rollouts == NULL)
        return false;
    const struct chore chore = {"rollouts", ROLLOUT_PERIOD_MS, rollout_desk_run, service->rollouts};
    chores_add(&service->chores, &chore);
    return true;
}

static bool open_keeper(struct service *service, bool lease, struct error *err)
{
    if (lease && !open_rollouts(service, err))
        return false;
    const struct keeper_config config = {
        .db_url = service->settings->db_url,
        .mailbox = service->mailbox,
        .clock = service->clock,
        .log = service->log,
        .chores = service->chores.list,
        .chore_count = lease ? service->chores.count : 0,
        .lease = lease,
    };
    service->keeper = keeper_start(&config, err);
    return service->keeper != NULL;
}

static void set_scene(struct service *service)
{
    service->scene = (struct sync_scene){
        .settings = service->settings,
        .clock = service->clock,
        .log = service->log,
        .loop = service->loop,
        .mailbox = service->mailbox,
        .pool = service->pool,
        .writer = service->writer,
        .gaps = service->gaps,
        .signer = service->signer,
        .metrics = service->metrics,
    };
}

static bool open_parts(struct service *service, bool lease, struct error *err)
{
    service->loop = loop_new(err);
    if (service->loop == NULL || (lease && !watch_signals(service, err)))
        return false;
    service->mailbox = mailbox_new(service->loop, err);
    if (service->mailbox == NULL || !open_key(service, err))
        return false;
    chores_init(&service->chores, service->settings, service->clock, service->log, service->metrics);
    /* the schema and its roles first: connections take their role when they are opened */
    if (!chores_prepare(&service->chores, err) || !open_writer(service, err) || !open_network(service, err))
        return false;
    set_scene(service);
    if (!open_keeper(service, lease, err))
        return false;
    service->cycle = cycle_new(&service->scene, service->keeper, err);
    return service->cycle != NULL;
}

bool service_open(struct service *service, const struct service_config *config, struct error *err)
{
    *service = (struct service){
        .settings = config->settings, .clock = config->clock, .log = config->log, .metrics = config->metrics};
    return open_parts(service, config->lease, err);
}

/* Backwards; what the parts post at their end is read before the mailbox goes. */
void service_close(struct service *service)
{
    notice_sender_stop(service->notices);
    cycle_free(service->cycle);
    keeper_stop(service->keeper);
    rollout_desk_stop(service->rollouts);
    http_pool_free(service->pool);
    writer_stop(service->writer);
    signer_stop(service->signer);
    mailbox_free(service->mailbox);
    rollout_desk_free(service->rollouts);
    gap_lane_free(service->gaps);
    loop_free(service->loop);
    *service = (struct service){.loop = NULL};
}

/* ---- run ---- */

static void beat(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    notify_send("WATCHDOG=1");
}

static bool start_beats(struct loop *loop, struct error *err)
{
    int64_t period_ms = notify_beat_period_ms();
    return period_ms <= 0 || loop_timer(loop, 0, period_ms, beat, NULL, err) != NULL;
}

/* As people write it: 10.0, 2.5, 0.25. */
static void write_seconds(char out[SECONDS_BYTES], int64_t ms)
{
    int size = snprintf(out, SECONDS_BYTES, "%d.%03d", (int)(ms / MS_A_S), (int)(ms % MS_A_S));
    while (out[size - 1] == '0' && out[size - 2] != '.')
        out[--size] = '\0';
}

bool service_begin(struct service *service, struct error *err)
{
    const struct sync_settings *settings = service->settings;
    char timeout[SECONDS_BYTES];
    if (!start_beats(service->loop, err) || !cycle_run(service->cycle, err))
        return false;
    service->notices = notice_sender_start(settings, service->clock, service->log, service->metrics, err);
    if (service->notices == NULL ||
        !metrics_serve(service->metrics, settings->metrics_bind, (uint16_t)settings->metrics_port,
                       service->clock, service->log, err))
        return false;
    write_seconds(timeout, settings->pull_timeout_ms);
    log_info(service->log, "Sync service starting  interval=%ds  timeout=%ss  window=%ds",
             (int)settings->sync_interval_s, timeout, (int)settings->pull_window_s);
    return true;
}

bool service_run(struct service *service, bool *reload, struct error *err)
{
    service->reload = false;
    notify_send("READY=1\nSTATUS=syncing");
    bool ok = loop_run(service->loop, err);
    *reload = service->reload;
    if (!ok || !service->reload)
        notify_send("STOPPING=1");
    return ok;
}
