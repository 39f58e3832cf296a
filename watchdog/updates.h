/* What the watchdog does about updates: has `updater` recover before anything is started, approves where
 * UPDATE_APPROVAL says so, has `updater` apply what is approved, watches the new version's probation and has
 * `updater` commit or undo it. Knows the order, not how a version changes. One child of `updater` at a time;
 * the loop's callbacks are the only callers. docs/updates.md has the diagram. */
#ifndef WATCHDOG_UPDATES_H
#define WATCHDOG_UPDATES_H

#include <sys/types.h>

#include "updater/pending.h"
#include "watchdog/probation.h"

enum {
    UPDATES_TICK_MS = 1000,    /* while a child runs or a version is on probation */
    UPDATES_WINDOW_MS = 20000, /* between looks whether the window has opened */
    UPDATES_TRIES_MAX = 3,     /* of one package by one watchdog, when `updater apply` is cut off */
    UPDATES_RECOVER_S = 300,   /* then the child is killed: what it does survives that */
    UPDATES_APPLY_S = 4 * 3600,
    UPDATES_DECIDE_S = 300, /* commit, undo */
    PROBE_TIMEOUT_S = 10,
};

enum updates_job { UPDATES_IDLE, UPDATES_RECOVER, UPDATES_APPLY, UPDATES_COMMIT, UPDATES_UNDO };

struct loop_watch;
struct service;
struct watchdog;

struct updates {
    enum updates_job job;
    pid_t child;               /* of updater; 0: none */
    int64_t child_deadline_us; /* monotonic */
    pid_t probe;               /* asks agent and portal; 0: none */
    int64_t probe_deadline_us; /* monotonic */
    bool answering;            /* as the last probe found */
    struct probation probation;
    char previous[RELEASE_VERSION_BYTES]; /* to go back to, while on probation */
    char tried[MANIFEST_SHA256_BYTES];    /* the package that was applied last */
    unsigned tries;                       /* of that one */
    struct loop_watch *timer, *folder;
};

bool updates_open(struct watchdog *watchdog, struct error *err) MUST_USE;
/* Has `updater` recover; then starts the services. */
void updates_recover(struct watchdog *watchdog);
/* The services have just been started, of the release that `current` names. */
void updates_started(struct watchdog *watchdog);

/* A child was reaped; true when it was one of ours. */
bool updates_ended(struct watchdog *watchdog, pid_t pid, int wait_status);
/* A service ended or hung; it reports its version. */
void updates_service_fell(struct watchdog *watchdog, const struct service *service, const char *how);
void updates_service_version(struct watchdog *watchdog, const struct service *service, const char *version);
/* Something changed: looks whether the probation is over. */
void updates_settle(struct watchdog *watchdog);

/* Our children, which are no strays. out: room for two. Returns how many. */
size_t updates_children(const struct updates *updates, pid_t out[2]);

/* Whether `current` names another release than the one that runs, or than the one that this program is of:
 * then a restart is a start of the machine by boot/start. */
bool updates_need_succession(const struct watchdog *watchdog);

#endif
