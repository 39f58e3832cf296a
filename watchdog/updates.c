#include "watchdog/updates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/text.h"
#include "common/os/process.h"
#include "watchdog/approval.h"
#include "watchdog/control.h"

enum { WORDS_MAX = 10, PROBATION_FILE_MAX_BYTES = 256, PID_COUNT = 2 };

static const char *const job_names[] = {
    [UPDATES_IDLE] = "",         [UPDATES_RECOVER] = "recover", [UPDATES_APPLY] = "apply",
    [UPDATES_COMMIT] = "commit", [UPDATES_UNDO] = "undo",
};

/* ---- children ------------------------------------------------------------------------------------------ */

/* Its messages go where ours go. NOTIFY_SOCKET is not its business. */
static bool start_child(struct watchdog *watchdog, const char *const *argv, pid_t *pid, struct error *err)
{
    static const char *const environment[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", NULL};
    struct process_spec spec = PROCESS_SPEC;
    spec.argv = argv;
    spec.environment = environment;
    spec.folder = watchdog->appliance->root;
    spec.stdout_fd = watchdog->own_log.write_fd;
    spec.stderr_fd = watchdog->own_log.write_fd;
    spec.new_group = true;
    return process_start(&spec, pid, err);
}

static int64_t seconds_from_now(const struct watchdog *watchdog, int64_t s)
{
    return clock_monotonic_us(watchdog->clock) + s * US_PER_S;
}

/* `<release>/bin/updater --root ROOT <job> <words...>`. words: NULL-terminated. */
static bool start_job(struct watchdog *watchdog, enum updates_job job, const char *version,
                      const char *const *words, int64_t limit_s, struct error *err)
{
    struct updates *updates = &watchdog->updates;
    const char *root = watchdog->appliance->root;
    struct path program;
    if (!path_printf(&program, err, "%s/releases/%s/bin/updater", root, version))
        return false;
    const char *argv[WORDS_MAX] = {program.text, "--root", root, job_names[job]};
    for (size_t i = 4; i < WORDS_MAX - 1 && *words != NULL; i++)
        argv[i] = *words++;
    if (!start_child(watchdog, argv, &updates->child, err))
        return false;
    updates->job = job;
    updates->child_deadline_us = seconds_from_now(watchdog, limit_s);
    loop_timer_set(updates->timer, UPDATES_TICK_MS, UPDATES_TICK_MS);
    log_info(&watchdog->log, "updater %s: process %d, version %s", job_names[job], (int)updates->child,
             version);
    return true;
}

size_t updates_children(const struct updates *updates, pid_t out[PID_COUNT])
{
    size_t count = 0;
    if (updates->child > 0)
        out[count++] = updates->child;
    if (updates->probe > 0)
        out[count++] = updates->probe;
    return count;
}

static void kill_late(const struct watchdog *watchdog)
{
    const struct updates *updates = &watchdog->updates;
    int64_t now_us = clock_monotonic_us(watchdog->clock);
    if (updates->child > 0 && now_us >= updates->child_deadline_us) {
        log_error(&watchdog->log, "updater %s takes too long: killed", job_names[updates->job]);
        kill(-updates->child, SIGKILL);
    }
    if (updates->probe > 0 && now_us >= updates->probe_deadline_us)
        kill(-updates->probe, SIGKILL);
}

/* ---- a new start --------------------------------------------------------------------------------------- */

/* This very program lies in a release, and not in the current one. */
static bool is_of_another_release(const struct watchdog *watchdog, const char *current)
{
    SCOPE_FREE char *root = realpath(watchdog->appliance->root, NULL);
    struct path releases;
    struct path own;
    if (root == NULL || !path_printf(&releases, NULL, "%s/releases/", root) ||
        !path_printf(&own, NULL, "%s/releases/%s/", root, current))
        return false;
    const char *self = watchdog->self.text;
    return strncmp(self, releases.text, strlen(releases.text)) == 0 &&
           strncmp(self, own.text, strlen(own.text)) != 0;
}

bool updates_need_succession(const struct watchdog *watchdog)
{
    char current[RELEASE_VERSION_BYTES];
    struct path start;
    if (!release_current(watchdog->appliance->root, current, NULL) ||
        !path_join(&start, watchdog->appliance->root, "boot/start", NULL) || access(start.text, X_OK) != 0)
        return false;
    return strcmp(current, watchdog->version) != 0 || is_of_another_release(watchdog, current);
}

static void restart_all(struct watchdog *watchdog)
{
    if (watchdog->phase == WATCHDOG_ENDING)
        return;
    watchdog->succession = updates_need_succession(watchdog);
    watchdog->phase = WATCHDOG_RESTARTING;
}

/* ---- what waits ---------------------------------------------------------------------------------------- */

static bool runs_too_often(struct watchdog *watchdog, const struct pending *pending)
{
    struct updates *updates = &watchdog->updates;
    if (strcmp(updates->tried, pending->manifest_sha256) != 0) {
        memcpy(updates->tried, pending->manifest_sha256, sizeof(updates->tried));
        updates->tries = 0;
    }
    if (updates->tries++ < UPDATES_TRIES_MAX)
        return false;
    if (updates->tries == UPDATES_TRIES_MAX + 1)
        log_error(&watchdog->log, "update %s was cut off %d times; restart the watchdog to try it again",
                  pending->version, UPDATES_TRIES_MAX);
    return true;
}

static void approve(struct watchdog *watchdog, const struct pending *pending)
{
    const char *setting = watchdog->appliance->config.update_approval;
    time_t now = (time_t)(clock_utc_us(watchdog->clock) / US_PER_S);
    struct tm local;
    struct error err = {.code = ERR_NONE};
    const char *who = localtime_r(&now, &local) == NULL ? NULL : approval_now(setting, &local);
    if (who == NULL && approval_waits_for_time(setting))
        loop_timer_set(watchdog->updates.timer, UPDATES_WINDOW_MS, 0);
    if (who == NULL)
        return;
    if (pending_approve(watchdog->appliance->root, pending->manifest_sha256, who, watchdog->clock, &err))
        log_info(&watchdog->log, "update %s: approved by UPDATE_APPROVAL = %s", pending->version, setting);
    else
        loop_timer_set(watchdog->updates.timer, UPDATES_TICK_MS,
                       0); /* whoever queued it may still be at it */
    if (err.code != ERR_NONE && err.code != ERR_BUSY)
        log_warn(&watchdog->log, "update %s: %s", pending->version, err.text);
}

/* Whoever approves still holds the lock when the approval is there to be seen: an apply would be refused. */
static bool comes_later(struct watchdog *watchdog)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_FD int lock = pending_lock(watchdog->appliance->root, &err);
    if (lock >= 0 || err.code != ERR_BUSY)
        return false;
    loop_timer_set(watchdog->updates.timer, UPDATES_TICK_MS, 0);
    return true;
}

static void apply(struct watchdog *watchdog, const struct pending *pending)
{
    static const char *const no_words[] = {NULL};
    struct error err = {.code = ERR_NONE};
    if (!comes_later(watchdog) && !runs_too_often(watchdog, pending) &&
        !start_job(watchdog, UPDATES_APPLY, watchdog->version, no_words, UPDATES_APPLY_S, &err))
        log_error(&watchdog->log, "update %s: %s", pending->version, err.text);
}

static void read_and_act(struct watchdog *watchdog)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    if (!pending_read(watchdog->appliance->root, &pending, &err)) {
        log_warn(&watchdog->log, "%s", err.text);
        return;
    }
    if (pending.state == UPDATE_PENDING)
        approve(watchdog, &pending);
    else if (pending.state == UPDATE_APPROVED)
        apply(watchdog, &pending);
}

/* One thing at a time: an update waits for another's probation to end. */
static void look(struct watchdog *watchdog)
{
    const struct updates *updates = &watchdog->updates;
    if (updates->job == UPDATES_IDLE && !updates->probation.on && watchdog->phase == WATCHDOG_UP)
        read_and_act(watchdog);
}

static void on_folder(void *context, const char *name)
{
    struct watchdog *watchdog = context;
    if (name == NULL || strcmp(name, "meta.json") == 0 || strcmp(name, "approved.json") == 0)
        look(watchdog);
    control_settle(watchdog);
}

/* ---- probation ----------------------------------------------------------------------------------------- */

/* ROOT/probation, `<previous version> <starts>`: boot/start counts in it too. */
static bool read_probation(const char *root, char previous[RELEASE_VERSION_BYTES])
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(PROBATION_FILE_MAX_BYTES);
    if (!path_join(&path, root, "probation", NULL) || !file_read_path(path.text, &text, NULL))
        return false;
    struct view rest = buf_view(&text);
    struct view version = text_cut(&rest, ' ');
    return text_copy(previous, RELEASE_VERSION_BYTES, version) && release_version_ok(previous);
}

static void start_probe(struct watchdog *watchdog)
{
    struct updates *updates = &watchdog->updates;
    const char *const argv[] = {watchdog->self.text, "--root", watchdog->appliance->root, "probe",
                                watchdog->version,   NULL};
    struct error err = {.code = ERR_NONE};
    updates->probe_deadline_us = seconds_from_now(watchdog, PROBE_TIMEOUT_S);
    if (start_child(watchdog, argv, &updates->probe, &err))
        return;
    updates->answering = false;
    log_warn(&watchdog->log, "the probe cannot be started: %s", err.text);
}

static struct probation_sight look_around(const struct watchdog *watchdog, char *text, size_t text_bytes)
{
    struct probation_sight sight = {.running = true, .answering = watchdog->updates.answering};
    sight.what_is_wrong = "agent or portal does not answer";
    for (size_t i = 0; i < watchdog->services.count; i++) {
        const struct service *service = &watchdog->services.items[i];
        bool well =
            service->machine.state == SERVICE_RUNNING && (!service->built_in || service->machine.beats);
        if (well)
            continue;
        sight.running = false;
        snprintf(text, text_bytes, "%s is %s", service->name, supervisor_state_name(service->machine.state));
        sight.what_is_wrong = text;
    }
    return sight;
}

static void decide_passed(struct watchdog *watchdog)
{
    static const char *const no_words[] = {NULL};
    struct error err = {.code = ERR_NONE};
    log_info(&watchdog->log, "version %s has proved itself", watchdog->version);
    if (!start_job(watchdog, UPDATES_COMMIT, watchdog->version, no_words, UPDATES_DECIDE_S, &err))
        log_error(&watchdog->log, "%s", err.text);
}

/* The version before is asked to undo it: its updater is known to work. */
static void decide_failed(struct watchdog *watchdog)
{
    struct updates *updates = &watchdog->updates;
    const char *const words[] = {"--reason", updates->probation.reason, "--text", updates->probation.text,
                                 NULL};
    struct error err = {.code = ERR_NONE};
    log_error(&watchdog->log, "version %s did not prove itself: %s", watchdog->version,
              updates->probation.text);
    if (!start_job(watchdog, UPDATES_UNDO, updates->previous, words, UPDATES_DECIDE_S, &err))
        log_error(&watchdog->log, "%s", err.text);
}

void updates_settle(struct watchdog *watchdog)
{
    struct updates *updates = &watchdog->updates;
    char text[SERVICE_NAME_BYTES + 32];
    if (!updates->probation.on || updates->job != UPDATES_IDLE || watchdog->phase != WATCHDOG_UP)
        return;
    struct probation_sight sight = look_around(watchdog, text, sizeof(text));
    enum probation_verdict verdict =
        probation_look(&updates->probation, &sight, clock_monotonic_us(watchdog->clock));
    if (verdict == PROBATION_PASSED)
        decide_passed(watchdog);
    else if (verdict == PROBATION_FAILED)
        decide_failed(watchdog);
}

void updates_service_fell(struct watchdog *watchdog, const struct service *service, const char *how)
{
    if (watchdog->phase == WATCHDOG_UP)
        probation_fall(&watchdog->updates.probation, service->name, how);
}

void updates_service_version(struct watchdog *watchdog, const struct service *service, const char *version)
{
    if (strcmp(version, watchdog->version) != 0)
        probation_wrong_version(&watchdog->updates.probation, service->name, version, watchdog->version);
}

static void begin_probation(struct watchdog *watchdog)
{
    struct updates *updates = &watchdog->updates;
    updates->probation.on = false;
    updates->answering = false;
    if (!read_probation(watchdog->appliance->root, updates->previous) ||
        strcmp(updates->previous, watchdog->version) == 0)
        return;
    probation_begin(&updates->probation, watchdog->appliance->config.probation_s,
                    clock_monotonic_us(watchdog->clock));
    loop_timer_set(updates->timer, UPDATES_TICK_MS, UPDATES_TICK_MS);
    log_info(&watchdog->log, "version %s is on probation for %" PRId64 " s; before it ran %s",
             watchdog->version, watchdog->appliance->config.probation_s, updates->previous);
}

void updates_started(struct watchdog *watchdog)
{
    begin_probation(watchdog);
    look(watchdog);
}

/* ---- the ends of children ------------------------------------------------------------------------------ */

/* Whether `current` asks for another start: before anything runs, or because an apply was ended behind its
 * switch and could not say so. */
static bool must_start_anew(const struct watchdog *watchdog)
{
    char current[RELEASE_VERSION_BYTES];
    if (watchdog->phase == WATCHDOG_RECOVERING)
        return updates_need_succession(watchdog);
    return watchdog->phase == WATCHDOG_UP && release_current(watchdog->appliance->root, current, NULL) &&
           strcmp(current, watchdog->version) != 0;
}

static void after_recovery(struct watchdog *watchdog)
{
    if (must_start_anew(watchdog))
        restart_all(watchdog);
    else if (watchdog->phase == WATCHDOG_RECOVERING)
        control_start_all(watchdog);
}

/* updater could not: `current` is pointed back at least, and the next start's recovery does the rest. */
static void point_back(struct watchdog *watchdog)
{
    struct error err = {.code = ERR_NONE};
    if (!release_switch(watchdog->appliance->root, watchdog->updates.previous, &err))
        log_error(&watchdog->log, "%s", err.text);
    restart_all(watchdog);
}

static void job_ended(struct watchdog *watchdog, enum updates_job job, bool ok)
{
    static const char *const no_words[] = {NULL};
    struct error err = {.code = ERR_NONE};
    switch (job) {
    case UPDATES_IDLE:
        break;
    case UPDATES_RECOVER:
        after_recovery(watchdog);
        look(watchdog);
        break;
    case UPDATES_APPLY:
        if (ok)
            restart_all(watchdog);
        else if (!start_job(watchdog, UPDATES_RECOVER, watchdog->version, no_words, UPDATES_RECOVER_S, &err))
            log_error(&watchdog->log, "%s", err.text);
        break;
    case UPDATES_COMMIT:
        watchdog->updates.probation.on = false;
        if (ok)
            look(watchdog);
        else
            begin_probation(watchdog); /* it is asked to prove itself again, and then we try again */
        break;
    case UPDATES_UNDO:
        watchdog->updates.probation.on = false;
        if (ok)
            restart_all(watchdog);
        else
            point_back(watchdog);
        break;
    }
}

bool updates_ended(struct watchdog *watchdog, pid_t pid, int wait_status)
{
    struct updates *updates = &watchdog->updates;
    char text[PROCESS_STATUS_BYTES];
    if (pid == updates->probe) {
        updates->probe = 0;
        updates->answering = wait_status == 0;
        return true;
    }
    if (pid != updates->child)
        return false;
    enum updates_job job = updates->job;
    updates->child = 0;
    updates->job = UPDATES_IDLE;
    if (wait_status != 0)
        log_error(&watchdog->log, "updater %s: %s", job_names[job], process_status_text(text, wait_status));
    job_ended(watchdog, job, wait_status == 0);
    return true;
}

/* ---- the timer, the start ------------------------------------------------------------------------------ */

static void on_tick(void *context, uint64_t times)
{
    (void)times;
    struct watchdog *watchdog = context;
    struct updates *updates = &watchdog->updates;
    kill_late(watchdog);
    if (updates->child == 0 && !updates->probation.on) {
        loop_timer_set(updates->timer, -1, 0);
        look(watchdog); /* the window may have opened */
    }
    if (updates->probation.on && updates->probe == 0 && watchdog->phase == WATCHDOG_UP)
        start_probe(watchdog);
    control_settle(watchdog);
}

bool updates_open(struct watchdog *watchdog, struct error *err)
{
    struct updates *updates = &watchdog->updates;
    struct path folder;
    if (!path_join(&folder, watchdog->appliance->root, "pending_update", err) ||
        !folder_make_all(folder.text, 0750, err))
        return false;
    updates->timer = loop_timer(watchdog->loop, -1, 0, on_tick, watchdog, err);
    updates->folder = loop_folder(watchdog->loop, folder.text, on_folder, watchdog, err);
    return updates->timer != NULL && updates->folder != NULL;
}

void updates_recover(struct watchdog *watchdog)
{
    static const char *const no_words[] = {NULL};
    struct error err = {.code = ERR_NONE};
    watchdog->phase = WATCHDOG_RECOVERING;
    if (start_job(watchdog, UPDATES_RECOVER, watchdog->version, no_words, UPDATES_RECOVER_S, &err))
        return;
    log_warn(&watchdog->log, "nothing is recovered: %s", err.text);
    after_recovery(watchdog);
}
