#include "watchdog/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/os/process.h"
#include "common/os/process_tree.h"
#include "watchdog/status.h"

/* ---- status -------------------------------------------------------------------------------------------- */

static void change_status(struct watchdog *watchdog)
{
    if (watchdog->status_due)
        return;
    watchdog->status_due = true;
    loop_timer_set(watchdog->status, STATUS_DELAY_MS, 0);
}

void control_write_status(struct watchdog *watchdog)
{
    struct error err = {.code = ERR_NONE};
    if (!status_write(watchdog->appliance->root, watchdog->version, &watchdog->services, watchdog->clock,
                      &err))
        log_warn(&watchdog->log, "%s", err.text);
}

static size_t count_running(const struct watchdog *watchdog)
{
    size_t running = 0;
    for (size_t i = 0; i < watchdog->services.count; i++)
        running += watchdog->services.items[i].machine.state == SERVICE_RUNNING ? 1 : 0;
    return running;
}

/* One broken service must not have the system give us up, and with us all the others. */
static void tell_ready(struct watchdog *watchdog)
{
    char message[NOTIFY_MESSAGE_BYTES];
    size_t running = count_running(watchdog);
    int64_t passed_us = clock_monotonic_us(watchdog->clock) - watchdog->started_us;
    if (watchdog->ready_told ||
        (running < watchdog->services.count && passed_us < READY_TIMEOUT_S * (int64_t)US_PER_S))
        return;
    watchdog->ready_told = true;
    snprintf(message, sizeof(message), "READY=1\nSTATUS=version %s: %zu of %zu services run",
             watchdog->version, running, watchdog->services.count);
    notify_send(message);
    log_info(&watchdog->log, "%zu of %zu services run", running, watchdog->services.count);
}

/* ---- one service --------------------------------------------------------------------------------------- */

static void apply(struct watchdog *watchdog, struct service *service, enum service_event event);

static void start_process(struct watchdog *watchdog, struct service *service)
{
    struct error err = {.code = ERR_NONE};
    struct service_setup setup = {
        .root = watchdog->appliance->root,
        .program_folder = watchdog->program_folder.text,
        .watchdog = watchdog->self.text,
        .user = watchdog->appliance->config.service_user,
        .notify_socket = watchdog->notify_path,
    };
    if (!service_start_process(service, &setup, &err)) {
        log_error(&watchdog->log, "%s cannot be started: %s", service->name, err.text);
        snprintf(service->exit, sizeof(service->exit), "not started: %.200s", err.text);
        apply(watchdog, service, SERVICE_ENDED);
        return;
    }
    log_info(&watchdog->log, "%s started: process %d, version %s", service->name, (int)service->pid,
             watchdog->version);
    /* a command knows nothing of READY=1: it runs as long as it lives */
    if (!service->built_in)
        apply(watchdog, service, SERVICE_READY);
}

static void do_action(struct watchdog *watchdog, struct service *service, enum service_action action)
{
    switch (action) {
    case SERVICE_DO_NOTHING:
        break;
    case SERVICE_DO_SPAWN:
        start_process(watchdog, service);
        break;
    case SERVICE_DO_ASK:
        service_ask_process(service);
        break;
    case SERVICE_DO_KILL:
        service_kill_process(service);
        break;
    }
}

static void tell_change(const struct watchdog *watchdog, const struct service *service,
                        enum service_state before)
{
    const struct log *log = &watchdog->log;
    const struct service_machine *machine = &service->machine;
    int64_t wait_us = machine->deadline_us - clock_monotonic_us(watchdog->clock);
    switch (machine->state) {
    case SERVICE_WAITING:
        log_warn(log, "%s ended (%s); it is started again in %" PRId64 " s", service->name, service->exit,
                 (wait_us + US_PER_S / 2) / US_PER_S);
        break;
    case SERVICE_HUNG:
        log_error(log,
                  before == SERVICE_STARTING ? "%s is not ready after %d s: killed"
                                             : "%s missed its beats for %d s: killed",
                  service->name,
                  before == SERVICE_STARTING ? SERVICE_START_TIMEOUT_S : SERVICE_BEAT_TIMEOUT_S);
        break;
    case SERVICE_STOPPED:
        log_info(log, "%s stopped%s%s", service->name, service->exit[0] != '\0' ? ": " : "", service->exit);
        break;
    case SERVICE_STOPPING:
        if (before == SERVICE_STOPPING)
            log_error(log, "%s does not stop: killed", service->name);
        break;
    case SERVICE_STARTING:
    case SERVICE_RUNNING:
        break;
    }
}

static void apply(struct watchdog *watchdog, struct service *service, enum service_event event)
{
    enum service_state before = service->machine.state;
    enum service_action action = supervisor_step(&service->machine, event, watchdog->clock);
    bool changed = service->machine.state != before;
    if (changed)
        change_status(watchdog);
    if (changed || action == SERVICE_DO_KILL)
        tell_change(watchdog, service, before);
    if (changed && (service->machine.state == SERVICE_WAITING || service->machine.state == SERVICE_HUNG))
        updates_service_fell(watchdog, service,
                             service->machine.state == SERVICE_HUNG ? "it hangs" : service->exit);
    do_action(watchdog, service, action);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

/* All services of one start come from one release, even when `current` moves meanwhile. */
bool control_resolve_release(struct watchdog *watchdog, struct error *err)
{
    char version[RELEASE_VERSION_BYTES];
    struct path folder;
    const char *root = watchdog->appliance->root;
    if (!release_current(root, version, err) ||
        !path_printf(&folder, err, "%s/releases/%s/bin", root, version))
        return false;
    memcpy(watchdog->version, version, sizeof(version));
    watchdog->program_folder = folder;
    return true;
}

void control_start_all(struct watchdog *watchdog)
{
    struct error err = {.code = ERR_NONE};
    watchdog->phase = WATCHDOG_UP;
    if (!control_resolve_release(watchdog, &err))
        log_error(&watchdog->log, "%s; the services stay at version %s", err.text, watchdog->version);
    for (size_t i = 0; i < watchdog->services.count; i++)
        apply(watchdog, &watchdog->services.items[i], SERVICE_START);
    updates_started(watchdog);
}

/* Asks the last one that has not stopped yet; the one before it has its turn when that is gone. */
static bool all_stopped(struct watchdog *watchdog)
{
    for (size_t i = watchdog->services.count; i-- > 0;) {
        struct service *service = &watchdog->services.items[i];
        if (service->machine.state != SERVICE_STOPPED && service->machine.state != SERVICE_STOPPING)
            apply(watchdog, service, SERVICE_STOP);
        if (service->machine.state != SERVICE_STOPPED)
            return false;
    }
    return true;
}

static void plan_deadline(struct watchdog *watchdog)
{
    int64_t next_us = SERVICE_NEVER;
    int64_t ready_us = watchdog->started_us + READY_TIMEOUT_S * (int64_t)US_PER_S;
    for (size_t i = 0; i < watchdog->services.count; i++) {
        int64_t deadline_us = watchdog->services.items[i].machine.deadline_us;
        next_us = deadline_us < next_us ? deadline_us : next_us;
    }
    if (!watchdog->ready_told && ready_us < next_us)
        next_us = ready_us;
    int64_t left_us = next_us - clock_monotonic_us(watchdog->clock);
    int64_t left_ms = left_us > 0 ? left_us / US_PER_MS + 1 : 0;
    loop_timer_set(watchdog->deadline, next_us == SERVICE_NEVER ? -1 : left_ms, 0);
}

/* What every callback ends with. */
void control_settle(struct watchdog *watchdog)
{
    bool halting = watchdog->phase == WATCHDOG_RESTARTING || watchdog->phase == WATCHDOG_ENDING;
    if (halting && all_stopped(watchdog)) {
        if (watchdog->phase == WATCHDOG_RESTARTING && !watchdog->succession)
            control_start_all(watchdog);
        else
            loop_stop(watchdog->loop);
    }
    updates_settle(watchdog);
    if (watchdog->phase == WATCHDOG_UP || watchdog->phase == WATCHDOG_RECOVERING)
        tell_ready(watchdog);
    plan_deadline(watchdog);
}

/* ---- what becomes of them ------------------------------------------------------------------------------ */

void control_kill_strays(const struct watchdog *watchdog)
{
    SCOPE_FREE struct process_tree *strays = malloc(sizeof(*strays));
    pid_t known[SERVICES_MAX + 2];
    size_t count = watchdog->services.count;
    for (size_t i = 0; i < count; i++)
        known[i] = watchdog->services.items[i].pid;
    count += updates_children(&watchdog->updates, known + count);
    if (strays == NULL || !process_tree_read(getpid(), known, count, strays))
        return;
    if (strays->count > 0)
        log_warn(&watchdog->log, "%zu processes were left behind: killed", strays->count);
    process_tree_signal(strays, SIGKILL);
}

static struct service *service_of(const struct watchdog *watchdog, pid_t pid)
{
    for (size_t i = 0; i < watchdog->services.count; i++) {
        if (watchdog->services.items[i].pid == pid)
            return &watchdog->services.items[i];
    }
    return NULL;
}

void control_ended(struct watchdog *watchdog, pid_t pid, int wait_status)
{
    char text[PROCESS_STATUS_BYTES];
    struct service *service = service_of(watchdog, pid);
    if (service == NULL)
        return;
    snprintf(service->exit, sizeof(service->exit), "%s", process_status_text(text, wait_status));
    service_forget_process(service);
    apply(watchdog, service, SERVICE_ENDED);
}

/* A built-in service speaks for itself alone; a command, anything that its guard watches over. */
static struct service *sender_of(const struct watchdog *watchdog, pid_t sender)
{
    pid_t known[SERVICES_MAX];
    for (size_t i = 0; i < watchdog->services.count; i++)
        known[i] = watchdog->services.items[i].pid;
    size_t at = process_tree_owner(sender, known, watchdog->services.count);
    if (at == watchdog->services.count)
        return NULL;
    struct service *service = &watchdog->services.items[at];
    return service->built_in && service->pid != sender ? NULL : service;
}

void control_take_note(struct watchdog *watchdog, const struct notify_message *note)
{
    char status[SERVICE_STATUS_BYTES];
    char version[RELEASE_VERSION_BYTES];
    struct service *service = sender_of(watchdog, note->sender);
    if (service == NULL)
        return;
    if (notify_has(note, "WATCHDOG=1"))
        apply(watchdog, service, SERVICE_BEAT);
    if (notify_has(note, "READY=1"))
        apply(watchdog, service, SERVICE_READY);
    if (service->built_in && notify_value(note, "X_TELEHAUL_VERSION", version, sizeof(version)))
        updates_service_version(watchdog, service, version);
    if (notify_value(note, "STATUS", status, sizeof(status)) && strcmp(status, service->status) != 0) {
        snprintf(service->status, sizeof(service->status), "%s", status);
        change_status(watchdog);
    }
}

void control_expire(struct watchdog *watchdog)
{
    for (size_t i = 0; i < watchdog->services.count; i++)
        apply(watchdog, &watchdog->services.items[i], SERVICE_EXPIRE);
}
