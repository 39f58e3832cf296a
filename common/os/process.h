/* Starting and ending child processes. Knows nothing of services or back-off.
 * Threads: fork from a single-threaded process, or from its main thread before others start. */
#ifndef COMMON_OS_PROCESS_H
#define COMMON_OS_PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

struct process_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is a path */
    const char *const
        *environment;   /* "KEY=value" on top of ours; "KEY" removes it; NULL-terminated or NULL */
    const char *folder; /* working folder; NULL: ours */
    const char *user;   /* drop to this user (its groups too) when we are root; NULL: stay */
    int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null for stdin, ours for the others; borrowed */
    int keep_fd;             /* one descriptor above 2 that the child keeps at its number; -1: none */
    bool new_group;          /* its own process group, so that it can be signalled whole */
    int parent_death_signal; /* 0: none; set after privileges are dropped, then the parent is checked */
};

/* What a zeroed spec should be. */
#define PROCESS_SPEC                                                                                         \
    {                                                                                                        \
        .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .keep_fd = -1, .parent_death_signal = SIGKILL      \
    }

/* Starts it with default signal handlers and an empty signal mask; all other descriptors are closed.
 * True only when exec succeeded: a missing program is an error here, not an exit code later. */
bool process_start(const struct process_spec *spec, pid_t *pid, struct error *err) MUST_USE;

/* Raises our soft limit of open descriptors to so many, as far as the hard one allows; never lowers it.
 * Returns what it is then. */
size_t process_raise_descriptors(size_t wanted);

/* "exit 3", "signal 9 (Killed)": out at least PROCESS_STATUS_BYTES. Returns out. */
enum { PROCESS_STATUS_BYTES = 64 };
const char *process_status_text(char out[PROCESS_STATUS_BYTES], int wait_status);

/* Uid and primary gid of a user name. Errors: ERR_NOT_FOUND. */
bool process_user(const char *name, uid_t *uid, gid_t *gid, struct error *err) MUST_USE;

/* CPU seconds and resident bytes of a process from /proc; false when it is gone. */
bool process_usage(pid_t pid, double *cpu_s, uint64_t *rss_bytes) MUST_USE;

#endif
