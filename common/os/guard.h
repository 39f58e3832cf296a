/* A mode of a program (`watchdog guard`, `collector guard`) that stands between it and a command, so that
 * nothing of the command is left behind. The guard is the subreaper of all that the command starts, daemons
 * that fork twice included; when its pipe closes (its starter let go of it, or was killed with -9) or it is
 * asked with SIGTERM, it ends that whole tree, reaps it, and only then ends itself as the command ended.
 * Knows nothing of services, inputs, logs or restarts. */
#ifndef COMMON_OS_GUARD_H
#define COMMON_OS_GUARD_H

#include "common/os/process.h"

enum {
    GUARD_GRACE_MS = 8000, /* between SIGTERM and SIGKILL on request; less than the watchdog's own grace */
    GUARD_ORPHAN_GRACE_MS = 2000, /* the same when the pipe closed: a successor may be on its way */
    GUARD_KILL_PERIOD_MS = 50,    /* SIGKILL again while something is left */
    GUARD_EXIT_NOT_FOUND = 127,   /* the command cannot be started */
    GUARD_WORDS_MAX = 64,         /* of a command */
};

/* Starts spec->argv (its first word: a path, or a name to be found in PATH) under a guard.
 * program: the path of the caller's own program, whose main calls guard_main.   user: whom the command
 * becomes; NULL: as we are. The guard itself stays who we are, so that it can end whatever the command
 * becomes, and the command cannot end it.   *pid: the guard's.   *guard_fd: the caller's; closing it ends the
 * command. The spec's user, keep_fd and parent_death_signal are the guard's own affair. Errors: ERR_LIMIT
 * (too many words), what process_start says of the guard; a command that cannot be started is said on stderr,
 * and the guard ends with GUARD_EXIT_NOT_FOUND. */
bool guard_start(const char *program, const char *user, struct process_spec spec, pid_t *pid, int *guard_fd,
                 struct error *err) MUST_USE;

/* True when the command line is guard_start's: main calls guard_main with it, before any option is read. */
bool guard_is_asked(int argc, char **argv);

/* Returns the exit code; a command that a signal ended has its guard end by the same signal. */
int guard_main(int argc, char **argv);

#endif
