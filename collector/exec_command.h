/* The command of an `exec` input: its words, and a run of it under a guard with two pipes. Knows nothing of
 * when it runs or of what it prints. Threads: one at a time. */
#ifndef COLLECTOR_EXEC_COMMAND_H
#define COLLECTOR_EXEC_COMMAND_H

#include "common/app/config.h"
#include "common/os/guard.h"

struct exec_command {
    char text[CONFIG_TEXT_BYTES];           /* cut into words */
    const char *words[GUARD_WORDS_MAX + 1]; /* into text, NULL-terminated */
};

/* Blanks part words; '...' keeps blanks in a word and is left out itself. No shell, no escapes, no variables.
 * Errors: ERR_USAGE. */
bool exec_command_parse(struct exec_command *command, struct view text, struct error *err) MUST_USE;

struct exec_run {
    pid_t pid;          /* the guard's; 0: nothing runs */
    int pid_fd;         /* readable when the guard has ended, and with it all that the command had started */
    int guard_fd;       /* closed: the guard ends it all */
    int out_fd, err_fd; /* stdout and stderr of it, ours do not block */
};
#define EXEC_NO_RUN ((struct exec_run){.pid_fd = -1, .guard_fd = -1, .out_fd = -1, .err_fd = -1})

/* program: the collector's own path.   folder: where it runs. */
bool exec_run_start(struct exec_run *run, const struct exec_command *command, const char *program,
                    const char *folder, struct error *err) MUST_USE;
/* Asks the guard to end it: SIGTERM, then SIGKILL after GUARD_ORPHAN_GRACE_MS. */
void exec_run_end(struct exec_run *run);
/* After pid_fd is readable: the wait status; the pid is void. */
int exec_run_reap(struct exec_run *run);
/* Closes all; what still runs is ended by its guard. */
void exec_run_clear(struct exec_run *run);

#endif
