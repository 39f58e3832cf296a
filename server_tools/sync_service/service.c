#include "server_tools/sync_service/service.h"

#include <signal.h>

#include "common/base/text.h"
#include "common/os/notify.h"

enum { BYTES_A_MB = 1024 * 1024, S_MS = 1000 };

/* ---- signals ---- */

static void on_signal(void *context, int signal_number)
{
    struct service *service = context;
    service->reload = signal_number == SIGHUP;
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
        .connect_ms = service->settings->pull_timeout_s * S_MS,
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
    service->metrics = service->mailbox == NULL ? NULL : metrics_new(err);
    if (service->metrics == NULL || !open_key(service, err))
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

bool service_open(struct service *service, const struct sync_settings *settings, const struct clock *clock,
                  const struct log *log, bool lease, struct error *err)
{
    *service = (struct service){.settings = settings, .clock = clock, .log = log};
    return open_parts(service, lease, err);
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
    metrics_free(service->metrics);
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

bool service_run(struct service *service, bool *reload, struct error *err)
{
    const struct sync_settings *settings = service->settings;
    if (!start_beats(service->loop, err) ||
        !metrics_serve(service->metrics, settings->metrics_bind, (uint16_t)settings->metrics_port,
                       service->clock, service->log, err))
        return false;
    log_info(service->log, "Sync service starting  interval=%ds  timeout=%d.0s  window=%ds",
             (int)settings->sync_interval_s, (int)settings->pull_timeout_s, (int)settings->pull_window_s);
    if (!cycle_run(service->cycle, err))
        return false;
    service->notices = notice_sender_start(settings, service->clock, service->log, service->metrics, err);
    if (service->notices == NULL)
        return false;
    notify_send("READY=1\nSTATUS=syncing");
    bool ok = loop_run(service->loop, err);
    notify_send("STOPPING=1");
    *reload = service->reload;
    return ok;
}
