#include "watchdog/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/os/notify.h"
#include "common/os/process_tree.h"
#include "watchdog/control.h"
#include "watchdog/instance.h"
#include "watchdog/owners.h"

enum {
    FOLDER_MODE = 0755,
    SOCKET_MODE = 0600,
    LAST_SWEEPS = 200, /* at the end: until nothing is left of ours */
    LAST_SWEEP_MS = 10,
    SOCKET_PATH_BYTES = 108, /* unix(7): sun_path */
};

/* ---- what the loop tells us ---------------------------------------------------------------------------- */

static void on_status(void *context, uint64_t times)
{
    (void)times;
    struct watchdog *watchdog = context;
    int64_t now_us = clock_monotonic_us(watchdog->clock);
    bool due = now_us - watchdog->sampled_us >= (int64_t)STATUS_PERIOD_MS / 2 * US_PER_MS;
    for (size_t i = 0; i < watchdog->services.count; i++) {
        struct service *service = &watchdog->services.items[i];
        if (due || service->rss_bytes == 0) /* 0: it has just been started */
            service_sample_usage(service, watchdog->clock);
    }
    watchdog->sampled_us = due ? now_us : watchdog->sampled_us;
    watchdog->status_due = false;
    control_write_status(watchdog);
    loop_timer_set(watchdog->status, STATUS_PERIOD_MS, 0);
}

static void on_child(void *context, int signal_number)
{
    (void)signal_number;
    struct watchdog *watchdog = context;
    bool reaped = false;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0; reaped = true) {
        if (!updates_ended(watchdog, pid, status))
            control_ended(watchdog, pid, status);
    }
    if (reaped)
        control_kill_strays(watchdog);
    control_settle(watchdog);
}

static void on_note(void *context, uint32_t events)
{
    (void)events;
    struct watchdog *watchdog = context;
    struct notify_message note;
    for (int i = 0; i < NOTES_A_TURN && notify_receive(watchdog->notify_fd, &note); i++)
        control_take_note(watchdog, &note);
    control_settle(watchdog);
}

/* Beats that have arrived count before anybody is found hung. */
static void on_deadline(void *context, uint64_t times)
{
    (void)times;
    struct watchdog *watchdog = context;
    on_note(watchdog, 0);
    control_expire(watchdog);
    control_settle(watchdog);
}

/* True when there was a flag, and it is gone for good: a restart must not be repeated at our next start. */
static bool take_flag(const struct watchdog *watchdog)
{
    struct path flag;
    struct error err = {.code = ERR_NONE};
    const char *root = watchdog->appliance->root;
    if (!path_join(&flag, root, "restart.flag", &err) || !file_exists(flag.text))
        return false;
    if (file_remove(flag.text, &err) && folder_sync(root, &err))
        return true;
    log_error(&watchdog->log, "%s; no restart", err.text);
    return false;
}

static void on_root(void *context, const char *name)
{
    struct watchdog *watchdog = context;
    if (name != NULL && strcmp(name, "restart.flag") != 0)
        return;
    if (!take_flag(watchdog) || watchdog->phase != WATCHDOG_UP)
        return;
    log_info(&watchdog->log, "restart.flag: restarting all services");
    watchdog->succession = updates_need_succession(watchdog);
    watchdog->phase = WATCHDOG_RESTARTING;
    control_settle(watchdog);
}

static void on_end(void *context, int signal_number)
{
    struct watchdog *watchdog = context;
    if (watchdog->phase == WATCHDOG_ENDING) {
        log_warn(&watchdog->log, "asked again to stop: killing what still runs");
        for (size_t i = 0; i < watchdog->services.count; i++)
            service_kill_process(&watchdog->services.items[i]);
        return;
    }
    log_info(&watchdog->log, "stopping on %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    notify_send("STOPPING=1");
    watchdog->phase = WATCHDOG_ENDING;
    control_settle(watchdog);
}

static void on_hangup(void *context, int signal_number)
{
    (void)signal_number;
    struct watchdog *watchdog = context;
    log_info(&watchdog->log, "SIGHUP means nothing here; touch restart.flag to restart the services");
}

static void on_beat(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    notify_send("WATCHDOG=1");
}

/* ---- open, run, close ---------------------------------------------------------------------------------- */

static bool find_self(struct path *out, struct error *err)
{
    ssize_t size = readlink("/proc/self/exe", out->text, sizeof(out->text) - 1);
    if (size < 0)
        return error_set_errno(err, "/proc/self/exe");
    out->text[size] = '\0';
    return true;
}

/* A socket's path has room for 107 bytes (unix(7)). Where ROOT is deeper than that, it is reached through the
 * working folder, which is ROOT for us and for every service. */
static bool open_socket(struct watchdog *watchdog, struct error *err)
{
    const char *root = watchdog->appliance->root;
    if (chdir(root) != 0)
        return error_set_errno(err, "%s", root);
    struct path direct;
    if (!path_join(&direct, root, "run/notify.sock", err))
        return false;
    bool fits = strlen(direct.text) < SOCKET_PATH_BYTES;
    snprintf(watchdog->notify_path, sizeof(watchdog->notify_path), "%.107s",
             fits ? direct.text : "/proc/self/cwd/run/notify.sock");
    watchdog->notify_fd = notify_listen(watchdog->notify_path, SOCKET_MODE, err);
    return watchdog->notify_fd >= 0;
}

static bool open_logs(struct watchdog *watchdog, const char *folder, struct error *err)
{
    if (!service_log_open(&watchdog->own_log, folder, "watchdog", watchdog->loop, watchdog->clock, err))
        return false;
    for (size_t i = 0; i < watchdog->services.count; i++) {
        struct service *service = &watchdog->services.items[i];
        if (!service_log_open(&service->log, folder, service->name, watchdog->loop, watchdog->clock, err))
            return false;
    }
    /* from here on our own lines take the same way; they must never wait for us to read them */
    watchdog->own_log.copy_fd = watchdog->log.fd;
    if (fcntl(watchdog->own_log.write_fd, F_SETFL, O_NONBLOCK) != 0)
        return error_set_errno(err, "the log pipe");
    watchdog->log.fd = watchdog->own_log.write_fd;
    return true;
}

static bool make_folders(const struct appliance *appliance, struct path *log_folder, struct error *err)
{
    struct path run;
    return path_join(&run, appliance->root, "run", err) && folder_make_all(run.text, FOLDER_MODE, err) &&
           path_join(log_folder, appliance->root, "log", err) &&
           folder_make_all(log_folder->text, FOLDER_MODE, err);
}

static bool watch_signals(struct watchdog *watchdog, struct error *err)
{
    struct loop *loop = watchdog->loop;
    signal(SIGPIPE, SIG_IGN);
    return loop_signal(loop, SIGCHLD, on_child, watchdog, err) != NULL &&
           loop_signal(loop, SIGTERM, on_end, watchdog, err) != NULL &&
           loop_signal(loop, SIGINT, on_end, watchdog, err) != NULL &&
           loop_signal(loop, SIGHUP, on_hangup, watchdog, err) != NULL;
}

static bool watch_the_rest(struct watchdog *watchdog, struct error *err)
{
    struct loop *loop = watchdog->loop;
    int64_t beat_ms = notify_beat_period_ms();
    unsetenv("WATCHDOG_PID"); /* meant for us: services would take theirs for somebody else's */
    watchdog->deadline = loop_timer(loop, -1, 0, on_deadline, watchdog, err);
    watchdog->status = loop_timer(loop, STATUS_DELAY_MS, 0, on_status, watchdog, err);
    return watchdog->deadline != NULL && watchdog->status != NULL &&
           loop_fd(loop, watchdog->notify_fd, EPOLLIN, on_note, watchdog, err) != NULL &&
           loop_folder(loop, watchdog->appliance->root, on_root, watchdog, err) != NULL &&
           updates_open(watchdog, err) &&
           (beat_ms == 0 || loop_timer(loop, 0, beat_ms, on_beat, NULL, err) != NULL);
}

static bool open_all(struct watchdog *watchdog, struct error *err)
{
    struct path log_folder;
    const struct appliance *appliance = watchdog->appliance;
    if (!make_folders(appliance, &log_folder, err) || !control_resolve_release(watchdog, err) ||
        !find_self(&watchdog->self, err))
        return false;
    watchdog->lock_fd = instance_lock(appliance->root, err);
    if (watchdog->lock_fd < 0)
        return false;
    if (!service_list_make(&watchdog->services, &appliance->config, watchdog->clock, err))
        return false;
    control_write_status(watchdog); /* what an earlier one left is not true any more */
    watchdog->loop = loop_new(err);
    if (watchdog->loop == NULL || !watch_signals(watchdog, err) || !open_socket(watchdog, err) ||
        !owners_hand_over(appliance, watchdog->notify_path, err) || !watch_the_rest(watchdog, err))
        return false;
    return open_logs(watchdog, log_folder.text, err);
}

bool watchdog_open(struct watchdog *watchdog, const struct appliance *appliance, const struct log *log,
                   struct error *err)
{
    *watchdog = (struct watchdog){
        .appliance = appliance,
        .clock = log->clock,
        .log = *log,
        .phase = WATCHDOG_UP,
        .lock_fd = -1,
        .notify_fd = -1,
    };
    watchdog->started_us = clock_monotonic_us(watchdog->clock);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        error_set_errno(err, "become a subreaper");
    else if (open_all(watchdog, err))
        return true;
    watchdog_close(watchdog);
    return false;
}

bool watchdog_run(struct watchdog *watchdog, struct error *err)
{
    log_info(&watchdog->log, "version %s, process %d, %s", watchdog->version, (int)getpid(),
             watchdog->appliance->root);
    take_flag(watchdog); /* everything is started anew anyway */
    updates_recover(watchdog);
    control_settle(watchdog);
    return loop_run(watchdog->loop, err);
}

/* Whatever still lives below us, e.g. when the loop itself failed. */
static void sweep(const struct watchdog *watchdog)
{
    struct timespec pause = {.tv_nsec = LAST_SWEEP_MS * 1000000L};
    for (size_t i = 0; i < watchdog->services.count; i++)
        service_kill_process(&watchdog->services.items[i]);
    for (int i = 0; i < LAST_SWEEPS; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (pid < 0)
            return;
        SCOPE_FREE struct process_tree *left = malloc(sizeof(*left));
        if (left != NULL && process_tree_read(getpid(), NULL, 0, left))
            process_tree_signal(left, SIGKILL);
        nanosleep(&pause, NULL);
    }
}

void watchdog_close(struct watchdog *watchdog)
{
    sweep(watchdog);
    if (watchdog->status != NULL)
        control_write_status(watchdog);
    if (watchdog->own_log.loop != NULL) {
        watchdog->log.fd = watchdog->own_log.copy_fd;
        service_log_close(&watchdog->own_log);
    }
    service_list_clear(&watchdog->services);
    loop_free(watchdog->loop);
    if (watchdog->notify_fd >= 0)
        unlink(watchdog->notify_path);
    scope_fd(&watchdog->notify_fd);
    scope_fd(&watchdog->lock_fd);
}

void watchdog_succeed(const struct appliance *appliance, struct error *err)
{
    struct path program;
    sigset_t none;
    if (!path_join(&program, appliance->root, "boot/start", err))
        return;
    char *const argv[] = {program.text, NULL};
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the loop's signals; exec would hand the mask on */
    execv(program.text, argv);
    error_set_errno(err, "%s", program.text);
}
