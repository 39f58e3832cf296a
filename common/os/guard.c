#include "common/os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/os/file.h"
#include "common/os/loop.h"
#include "common/os/process_tree.h"

/* `<program> guard FD USER COMMAND...`: FD is the reading end of a pipe whose writing end the starter alone
 * holds; USER is whom to become, `-` for nobody. */
enum { ARGUMENT_MODE = 1, ARGUMENT_FD, ARGUMENT_USER, ARGUMENT_COMMAND, NUMBER_BYTES = 16 };
static const char mode[] = "guard";

struct guard {
    struct log log;
    struct loop *loop;
    struct loop_watch *killer; /* the timer between SIGTERM and SIGKILL */
    pid_t command;             /* 0 once it was reaped */
    int command_status;        /* of waitpid */
    pid_t starter;
    bool ending;
};

static void signal_tree(int signal_number)
{
    static const size_t tree_bytes = sizeof(struct process_tree);
    SCOPE_FREE struct process_tree *tree = malloc(tree_bytes);
    if (tree != NULL && process_tree_read(getpid(), NULL, 0, tree))
        process_tree_signal(tree, signal_number);
}

static void end_tree(struct guard *guard, int grace_ms)
{
    if (guard->ending)
        return;
    guard->ending = true;
    signal_tree(SIGTERM);
    signal_tree(SIGCONT); /* a stopped one could not act on it */
    loop_timer_set(guard->killer, grace_ms, GUARD_KILL_PERIOD_MS);
}

static void on_killer(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    signal_tree(SIGKILL);
}

/* Nothing is ever written to the pipe: that it can be read means that its other end is closed. */
static void on_let_go(void *context, uint32_t events)
{
    (void)events;
    struct guard *guard = context;
    if (guard->ending)
        return;
    if (getppid() != guard->starter)
        log_warn(&guard->log, "who started it is gone: ending the command");
    end_tree(guard, GUARD_ORPHAN_GRACE_MS);
}

static void on_asked(void *context, int signal_number)
{
    (void)signal_number;
    end_tree(context, GUARD_GRACE_MS);
}

/* Reaps whatever ended. When the command itself did, what it left behind follows; when nothing is left, the
 * guard has done its duty. */
static void on_child(void *context, int signal_number)
{
    (void)signal_number;
    struct guard *guard = context;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == guard->command) {
            guard->command = 0;
            guard->command_status = status;
        }
    }
    if (pid < 0 && errno == ECHILD)
        loop_stop(guard->loop);
    else if (guard->command == 0)
        end_tree(guard, GUARD_GRACE_MS);
}

static bool open_loop(struct guard *guard, int pipe_fd, struct error *err)
{
    static const int asking[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    signal(SIGPIPE, SIG_IGN);
    guard->loop = loop_new(err);
    if (guard->loop == NULL || loop_signal(guard->loop, SIGCHLD, on_child, guard, err) == NULL)
        return false;
    for (size_t i = 0; i < COUNT_OF(asking); i++) {
        if (loop_signal(guard->loop, asking[i], on_asked, guard, err) == NULL)
            return false;
    }
    guard->killer = loop_timer(guard->loop, -1, 0, on_killer, guard, err);
    return guard->killer != NULL && loop_fd(guard->loop, pipe_fd, EPOLLIN, on_let_go, guard, err) != NULL;
}

/* As a shell finds a program; a name with a slash is a path already. */
static bool find_program(const char *name, struct path *out, struct error *err)
{
    if (strchr(name, '/') != NULL)
        return path_printf(out, err, "%s", name);
    const char *folders = getenv("PATH");
    struct view rest = view_of(folders != NULL ? folders : "/usr/local/bin:/usr/bin:/bin");
    while (rest.size > 0) {
        struct view folder = text_cut(&rest, ':');
        if (path_printf(out, NULL, "%.*s/%s", VIEW_ARG(folder), name) && access(out->text, X_OK) == 0)
            return true;
    }
    return error_set(err, ERR_NOT_FOUND, "%s: no such program in PATH", name);
}

static bool start_command(struct guard *guard, const char *user, char **command, struct error *err)
{
    struct path program;
    if (!find_program(command[0], &program, err))
        return false;
    command[0] = program.text;
    struct process_spec spec = PROCESS_SPEC;
    spec.argv = (const char *const *)command;
    spec.user = strcmp(user, "-") == 0 ? NULL : user;
    spec.new_group = true;
    return process_start(&spec, &guard->command, err);
}

/* Ends as the command did, so that who waits for the guard sees what became of the command. */
static int end_like(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, WTERMSIG(status));
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return 1;
}

static bool run(struct guard *guard, int pipe_fd, const char *user, char **command, struct error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return error_set_errno(err, "become a subreaper");
    return open_loop(guard, pipe_fd, err) && start_command(guard, user, command, err) &&
           loop_run(guard->loop, err);
}

/* ---- from outside ---- */

bool guard_start(const char *program, const char *user, struct process_spec spec, pid_t *pid, int *guard_fd,
                 struct error *err)
{
    int ends[2];
    char fd_text[NUMBER_BYTES];
    const char *argv[ARGUMENT_COMMAND + GUARD_WORDS_MAX + 1] = {program, mode, fd_text,
                                                                user != NULL ? user : "-"};
    size_t words = 0;
    for (; spec.argv[words] != NULL; words++) {
        if (words == GUARD_WORDS_MAX)
            return error_set(err, ERR_LIMIT, "a command has at most %d words", GUARD_WORDS_MAX);
        argv[ARGUMENT_COMMAND + words] = spec.argv[words];
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, "make the guard's pipe");
    SCOPE_FD int reading = ends[0];
    SCOPE_FD int writing = ends[1];
    snprintf(fd_text, sizeof(fd_text), "%d", reading);
    spec.argv = argv;
    spec.user = NULL;
    spec.keep_fd = reading;
    spec.parent_death_signal = 0;
    if (!process_start(&spec, pid, err))
        return false;
    *guard_fd = fd_take(&writing);
    return true;
}

bool guard_is_asked(int argc, char **argv)
{
    return argc > ARGUMENT_MODE && strcmp(argv[ARGUMENT_MODE], mode) == 0;
}

int guard_main(int argc, char **argv)
{
    uint64_t pipe_fd;
    if (argc <= ARGUMENT_COMMAND || !text_parse_u64(view_of(argv[ARGUMENT_FD]), INT32_MAX, &pipe_fd)) {
        fprintf(stderr, "guard: its own program alone runs this\n");
        return 2;
    }
    struct guard guard = {.starter = getppid()};
    log_init(&guard.log, "guard", clock_system());
    struct error err = {.code = ERR_NONE};
    bool ok = run(&guard, (int)pipe_fd, argv[ARGUMENT_USER], argv + ARGUMENT_COMMAND, &err);
    loop_free(guard.loop);
    if (ok)
        return end_like(guard.command_status);
    log_error(&guard.log, "%s", err.text);
    return GUARD_EXIT_NOT_FOUND;
}
