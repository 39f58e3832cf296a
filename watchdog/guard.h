/* `watchdog guard`: stands between the watchdog and a SERVICE command, so that nothing of it is left behind.
 * It is the subreaper of all that the command starts, daemons that fork twice included; when the watchdog
 * goes away (kill -9 too: a pipe closes) or asks with SIGTERM, it ends that whole tree, reaps it, and only
 * then ends itself as the command ended. Knows nothing of services, logs or restarts. */
#ifndef WATCHDOG_GUARD_H
#define WATCHDOG_GUARD_H

enum {
    GUARD_GRACE_MS = 8000, /* between SIGTERM and SIGKILL on request; less than the watchdog's own grace */
    GUARD_ORPHAN_GRACE_MS = 2000, /* the same when the watchdog is gone: its successor may be on its way */
    GUARD_KILL_PERIOD_MS = 50,    /* SIGKILL again while something is left */
    GUARD_EXIT_NOT_FOUND = 127,   /* the command cannot be started */
};

/* What the watchdog puts in front of a command: `watchdog guard FD USER COMMAND...`. FD is the reading end
 * of a pipe whose writing end the watchdog alone holds; USER is whom to become, `-` for nobody. Returns the
 * exit code; a command that a signal ended has its guard end by the same signal. */
int guard_main(int argc, char **argv);

#endif
