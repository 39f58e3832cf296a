#include "common/os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/os/file.h"

enum {
    GROUPS_MAX = 256,
    ENVIRONMENT_MAX = 4096,
    USER_RECORD_BYTES = 16 * 1024,
    FIRST_FREE_FD = 3,            /* behind stdin, stdout, stderr */
    FALLBACK_FDS_MAX = 64 * 1024, /* how far descriptors are looked for without close_range(2) */
    EXIT_NOT_STARTED = 127,
    STAT_MAX_BYTES = 4096,
};

/* What can go wrong between fork and exec, in this order. */
enum step {
    STEP_SIGNALS,
    STEP_GROUP,
    STEP_STDIO,
    STEP_DESCRIPTORS,
    STEP_USER,
    STEP_PARENT,
    STEP_FOLDER,
    STEP_EXEC,
};

/* Sent by the child when it cannot exec. Smaller than PIPE_BUF: it arrives whole. */
struct failure {
    enum step step;
    int number; /* errno */
};

/* Everything that allocates or asks a name service, made before fork. */
struct plan {
    const struct process_spec *spec;
    const char **environment; /* owned array of borrowed strings */
    bool drop_user;
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    int group_count;
    int stdio[3];  /* what becomes 0, 1, 2 */
    int null_fd;   /* owned; -1: not needed */
    int report_fd; /* where the child tells a failure; closed by exec */
    int fd_limit;
    pid_t parent;
};

/* ---- users --------------------------------------------------------------------------------------------- */

bool process_user(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
    char record[USER_RECORD_BYTES];
    struct passwd user;
    struct passwd *found = NULL;
    int number = getpwnam_r(name, &user, record, sizeof(record), &found);
    if (number != 0) {
        errno = number;
        return error_set_errno(err, "user %s", name);
    }
    if (found == NULL)
        return error_set(err, ERR_NOT_FOUND, "there is no user %s", name);
    *uid = found->pw_uid;
    *gid = found->pw_gid;
    return true;
}

static bool plan_user(struct plan *plan, struct error *err)
{
    const char *user = plan->spec->user;
    if (user == NULL || user[0] == '\0' || geteuid() != 0)
        return true;
    if (!process_user(user, &plan->uid, &plan->gid, err))
        return false;
    plan->group_count = GROUPS_MAX;
    if (getgrouplist(user, plan->gid, plan->groups, &plan->group_count) < 0)
        return error_set(err, ERR_LIMIT, "user %s is in more than %d groups", user, GROUPS_MAX);
    plan->drop_user = true;
    return true;
}

/* ---- environment --------------------------------------------------------------------------------------- */

static size_t name_size(const char *variable)
{
    return strcspn(variable, "=");
}

static bool is_replaced(const char *variable, const char *const *extra)
{
    size_t size = name_size(variable);
    for (; extra != NULL && *extra != NULL; extra++) {
        if (name_size(*extra) == size && memcmp(*extra, variable, size) == 0)
            return true;
    }
    return false;
}

static bool plan_environment(struct plan *plan, struct error *err)
{
    const char *const *extra = plan->spec->environment;
    plan->environment = calloc(ENVIRONMENT_MAX + 1, sizeof(plan->environment[0]));
    if (plan->environment == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to start a process");
    size_t count = 0;
    for (char **ours = environ; *ours != NULL && count < ENVIRONMENT_MAX; ours++) {
        if (!is_replaced(*ours, extra))
            plan->environment[count++] = *ours;
    }
    for (; extra != NULL && *extra != NULL && count < ENVIRONMENT_MAX; extra++) {
        if (strchr(*extra, '=') != NULL)
            plan->environment[count++] = *extra;
    }
    if (count == ENVIRONMENT_MAX)
        return error_set(err, ERR_LIMIT, "more than %d environment variables", ENVIRONMENT_MAX - 1);
    return true;
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

size_t process_raise_descriptors(size_t wanted)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    struct rlimit raised = {.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max,
                            .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

static bool plan_descriptors(struct plan *plan, struct error *err)
{
    const struct process_spec *spec = plan->spec;
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FALLBACK_FDS_MAX;
    plan->fd_limit = known ? (int)limit.rlim_cur : FALLBACK_FDS_MAX;
    plan->stdio[0] = spec->stdin_fd;
    plan->stdio[1] = spec->stdout_fd >= 0 ? spec->stdout_fd : STDOUT_FILENO;
    plan->stdio[2] = spec->stderr_fd >= 0 ? spec->stderr_fd : STDERR_FILENO;
    if (spec->stdin_fd >= 0)
        return true;
    plan->null_fd = file_open("/dev/null", O_RDONLY, err);
    plan->stdio[0] = plan->null_fd;
    return plan->null_fd >= 0;
}

/* The sources are moved out of the way first, so that none is overwritten before it is used. */
static bool child_stdio(const struct plan *plan)
{
    int source[3];
    for (int i = 0; i < 3; i++) {
        source[i] = fcntl(plan->stdio[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        if (source[i] < 0)
            return false;
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(source[i], i) < 0)
            return false;
    }
    return true;
}

/* Marks all but stdio to be closed by exec, then spares the one that is kept. */
static bool child_descriptors(const struct plan *plan)
{
    if (close_range(FIRST_FREE_FD, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
        for (int fd = FIRST_FREE_FD; fd < plan->fd_limit; fd++)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return plan->spec->keep_fd < 0 || fcntl(plan->spec->keep_fd, F_SETFD, 0) == 0;
}

/* ---- the child: async-signal-safe calls alone ---------------------------------------------------------- */

static bool child_signals(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &by_default, NULL); /* fails for SIGKILL, SIGSTOP and those of libc */
    return true;
}

static bool child_user(const struct plan *plan)
{
    if (!plan->drop_user)
        return true;
    return setgroups((size_t)plan->group_count, plan->groups) == 0 && setgid(plan->gid) == 0 &&
           setuid(plan->uid) == 0;
}

/* Dropping privileges clears the death signal, so this comes after it; the parent may have died before. */
static bool child_parent(const struct plan *plan)
{
    int death_signal = plan->spec->parent_death_signal;
    if (death_signal == 0)
        return true;
    if (prctl(PR_SET_PDEATHSIG, death_signal) < 0)
        return false;
    errno = ESRCH;
    return getppid() == plan->parent;
}

static bool child_exec(const struct plan *plan)
{
    const struct process_spec *spec = plan->spec;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(spec->argv[0], (char *const *)spec->argv, (char *const *)plan->environment);
    return false;
}

static bool child_step(const struct plan *plan, enum step step)
{
    switch (step) {
    case STEP_SIGNALS:
        return child_signals();
    case STEP_GROUP:
        return !plan->spec->new_group || setpgid(0, 0) == 0;
    case STEP_STDIO:
        return child_stdio(plan);
    case STEP_DESCRIPTORS:
        return child_descriptors(plan);
    case STEP_USER:
        return child_user(plan);
    case STEP_PARENT:
        return child_parent(plan);
    case STEP_FOLDER:
        return plan->spec->folder == NULL || chdir(plan->spec->folder) == 0;
    case STEP_EXEC:
        return child_exec(plan);
    }
    return false;
}

static _Noreturn void run_child(const struct plan *plan)
{
    for (enum step step = STEP_SIGNALS;; step++) {
        if (child_step(plan, step))
            continue;
        struct failure failure = {step, errno};
        ssize_t written = write(plan->report_fd, &failure, sizeof(failure));
        (void)written;
        _exit(EXIT_NOT_STARTED);
    }
}

/* ---- the parent ---------------------------------------------------------------------------------------- */

static bool failed(const struct process_spec *spec, const struct failure *failure, struct error *err)
{
    errno = failure->number;
    switch (failure->step) {
    case STEP_USER:
        return error_set_errno(err, "become user %s", spec->user);
    case STEP_FOLDER:
        return error_set_errno(err, "working folder %s", spec->folder);
    case STEP_EXEC:
        return error_set_errno(err, "%s", spec->argv[0]);
    case STEP_SIGNALS:
    case STEP_GROUP:
    case STEP_STDIO:
    case STEP_DESCRIPTORS:
    case STEP_PARENT:
        break;
    }
    return error_set_errno(err, "prepare %s", spec->argv[0]);
}

/* Exec closes the pipe without a word; a failure comes through it. */
static bool await_exec(const struct process_spec *spec, int fd, pid_t child, struct error *err)
{
    struct failure failure;
    ssize_t got;
    do {
        got = read(fd, &failure, sizeof(failure));
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return true;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        /* again: it must not stay a zombie */
    }
    if (got != (ssize_t)sizeof(failure))
        return error_set(err, ERR_IO, "%s: its start could not be followed", spec->argv[0]);
    return failed(spec, &failure, err);
}

/* Signals wait while the child has our handlers, so that none of them runs there. */
static pid_t fork_quietly(const struct plan *plan)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0)
        run_child(plan);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return child;
}

static bool start(struct plan *plan, pid_t *pid, struct error *err)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return error_set_errno(err, "pipe");
    SCOPE_FD int read_end = report[0];
    SCOPE_FD int write_end = report[1];
    plan->parent = getpid();
    /* at 3 or above, or it would be taken for stdio in the child */
    SCOPE_FD int report_fd = fcntl(write_end, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    if (report_fd < 0)
        return error_set_errno(err, "pipe");
    plan->report_fd = report_fd;
    pid_t child = fork_quietly(plan);
    if (child < 0)
        return error_set_errno(err, "fork for %s", plan->spec->argv[0]);
    close(fd_take(&write_end));
    close(fd_take(&report_fd));
    if (!await_exec(plan->spec, read_end, child, err))
        return false;
    *pid = child;
    return true;
}

bool process_start(const struct process_spec *spec, pid_t *pid, struct error *err)
{
    struct plan plan = {.spec = spec, .null_fd = -1, .report_fd = -1};
    bool ok = plan_user(&plan, err) && plan_environment(&plan, err) && plan_descriptors(&plan, err) &&
              start(&plan, pid, err);
    scope_fd(&plan.null_fd);
    free(plan.environment);
    return ok;
}

/* ---- looking at processes ------------------------------------------------------------------------------ */

const char *process_status_text(char out[PROCESS_STATUS_BYTES], int wait_status)
{
    if (WIFEXITED(wait_status)) {
        snprintf(out, PROCESS_STATUS_BYTES, "exit %d", WEXITSTATUS(wait_status));
    } else if (WIFSIGNALED(wait_status)) {
        const char *name = sigdescr_np(WTERMSIG(wait_status));
        snprintf(out, PROCESS_STATUS_BYTES, "signal %d (%s)", WTERMSIG(wait_status),
                 name != NULL ? name : "unknown");
    } else {
        snprintf(out, PROCESS_STATUS_BYTES, "wait status 0x%x", (unsigned)wait_status);
    }
    return out;
}

/* Fields of /proc/PID/stat behind the command, which may hold anything, from 3 on (proc(5)). */
enum { STAT_UTIME = 14, STAT_STIME = 15, STAT_RSS_PAGES = 24 };

bool process_usage(pid_t pid, double *cpu_s, uint64_t *rss_bytes)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(STAT_MAX_BYTES);
    if (!path_printf(&path, NULL, "/proc/%d/stat", (int)pid) || !file_read_path(path.text, &text, NULL))
        return false;
    const char *command_end = strrchr(buf_text(&text), ')');
    if (command_end == NULL || command_end[1] != ' ')
        return false;
    struct view rest = view_of(command_end + 2);
    uint64_t utime = 0;
    uint64_t stime = 0;
    uint64_t pages = 0;
    bool ok = true;
    for (int field = 3; field <= STAT_RSS_PAGES; field++) {
        struct view word = text_cut(&rest, ' ');
        uint64_t *into = field == STAT_UTIME       ? &utime
                         : field == STAT_STIME     ? &stime
                         : field == STAT_RSS_PAGES ? &pages
                                                   : NULL;
        if (into != NULL)
            ok = ok && text_parse_u64(word, UINT64_MAX, into);
    }
    if (!ok)
        return false;
    *cpu_s = (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
    *rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}
