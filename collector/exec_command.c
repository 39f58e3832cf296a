#include "collector/exec_command.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/text.h"

/* ---- words ---- */

/* Cuts the word that begins at *at out of the text, in place; *at: behind it. NULL: a quote has no end. */
static const char *cut_word(char **at)
{
    char *word = *at;
    char *out = word;
    char *from = word;
    bool quoted = false;
    for (; *from != '\0' && (quoted || *from != ' '); from++) {
        if (*from == '\'')
            quoted = !quoted;
        else
            *out++ = *from;
    }
    if (quoted)
        return NULL;
    *at = *from == '\0' ? from : from + 1;
    *out = '\0';
    return word;
}

bool exec_command_parse(struct exec_command *command, struct view text, struct error *err)
{
    if (!text_copy(command->text, sizeof(command->text), text))
        return error_set(err, ERR_USAGE, "expected a command of at most %zu bytes",
                         sizeof(command->text) - 1);
    size_t count = 0;
    for (char *at = command->text; *(at += strspn(at, " ")) != '\0';) {
        if (count == GUARD_WORDS_MAX)
            return error_set(err, ERR_USAGE, "expected a command of at most %d words", GUARD_WORDS_MAX);
        command->words[count] = cut_word(&at);
        if (command->words[count++] == NULL)
            return error_set(err, ERR_USAGE, "expected a ' that ends the quoted words of command=");
    }
    command->words[count] = NULL;
    return (count > 0 && command->words[0][0] != '\0') ||
           error_set(err, ERR_USAGE, "expected a program and its arguments behind command=");
}

/* ---- runs ---- */

static bool make_pipe(int ends[2], struct error *err)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, "make a pipe");
    /* only our end: whether the command's writes wait is its own affair */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return true;
}

static bool start_guarded(struct exec_run *run, struct process_spec spec, const char *program,
                          struct error *err)
{
    /* beats of our own are not the command's to send */
    static const char *const environment[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", NULL};
    int out[2];
    int errors[2];
    if (!make_pipe(out, err))
        return false;
    run->out_fd = out[0];
    SCOPE_FD int out_end = out[1];
    if (!make_pipe(errors, err))
        return false;
    run->err_fd = errors[0];
    SCOPE_FD int errors_end = errors[1];
    spec.environment = environment;
    spec.stdout_fd = out_end;
    spec.stderr_fd = errors_end;
    spec.new_group = true;
    if (!guard_start(program, NULL, spec, &run->pid, &run->guard_fd, err))
        return false;
    run->pid_fd = pidfd_open(run->pid, 0);
    return run->pid_fd >= 0 || error_set_errno(err, "follow a process");
}

bool exec_run_start(struct exec_run *run, const struct exec_command *command, const char *program,
                    const char *folder, struct error *err)
{
    struct process_spec spec = PROCESS_SPEC;
    spec.argv = (const char *const *)command->words;
    spec.folder = folder;
    *run = EXEC_NO_RUN;
    if (start_guarded(run, spec, program, err))
        return true;
    exec_run_clear(run);
    return false;
}

void exec_run_end(struct exec_run *run)
{
    scope_fd(&run->guard_fd);
    run->guard_fd = -1;
}

int exec_run_reap(struct exec_run *run)
{
    int status = 0;
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
        /* again: it must not stay a zombie */
    }
    run->pid = 0;
    return status;
}

void exec_run_clear(struct exec_run *run)
{
    exec_run_end(run);
    scope_fd(&run->out_fd);
    scope_fd(&run->err_fd);
    scope_fd(&run->pid_fd);
    *run = EXEC_NO_RUN;
}
