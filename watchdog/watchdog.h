/* The watchdog itself: puts the services' state machines, their processes and the event loop together. Starts
 * all, restarts what ends or hangs, restarts all on restart.flag, stops all in the reverse order.
 * Single-threaded. */
#ifndef WATCHDOG_WATCHDOG_H
#define WATCHDOG_WATCHDOG_H

#include "common/app/appliance.h"
#include "common/os/loop.h"
#include "updater/release.h"
#include "watchdog/service.h"
#include "watchdog/updates.h"

enum {
    STATUS_PERIOD_MS = 10000, /* run/status.json is written that often, for CPU and memory */
    STATUS_DELAY_MS = 100,    /* after a change: several changes make one write */
    NOTES_A_TURN = 64,        /* notifications taken before the loop goes on */
    READY_TIMEOUT_S =
        SERVICE_START_TIMEOUT_S, /* the system is told READY=1 then, even if one service is not */
    SETTING_BYTES = 128,
};

enum watchdog_phase {
    WATCHDOG_RECOVERING, /* `updater recover` runs, and nothing else yet */
    WATCHDOG_UP,         /* every service shall run */
    WATCHDOG_RESTARTING, /* every service shall stop, and then start */
    WATCHDOG_ENDING,     /* every service shall stop, and then we do */
};

struct watchdog {
    const struct appliance *appliance;
    const struct clock *clock;
    struct log log;
    struct service_log own_log; /* log/watchdog.log, and stderr */
    struct loop *loop;
    struct service_list services;
    enum watchdog_phase phase;
    char version[RELEASE_VERSION_BYTES]; /* of the services */
    struct path program_folder;          /* its bin */
    struct path self;                    /* our own program */
    char notify_path[SETTING_BYTES];
    int lock_fd, notify_fd;
    struct updates updates;
    bool succession; /* when everything has stopped, ROOT/boot/start takes over from us */
    struct loop_watch *deadline, *status;
    bool status_due;    /* a write is planned for STATUS_DELAY_MS from the change */
    bool ready_told;    /* to the system that supervises us */
    int64_t started_us; /* monotonic */
    int64_t sampled_us; /* monotonic: CPU and memory */
};

/* Takes the lock, opens logs and the socket, hands over what the services write. log: where messages go until
 * then, on failure too. Errors: ERR_BUSY (another instance), ERR_NOT_FOUND (no release) ... */
bool watchdog_open(struct watchdog *watchdog, const struct appliance *appliance, const struct log *log,
                   struct error *err) MUST_USE;
/* Starts the services and runs until SIGTERM or SIGINT; returns when all of them have ended, with
 * `succession` when the caller is to become ROOT/boot/start (watchdog_succeed). */
bool watchdog_run(struct watchdog *watchdog, struct error *err) MUST_USE;
void watchdog_close(struct watchdog *watchdog);

/* After watchdog_close: becomes ROOT/boot/start, the start of the version that `current` names now. Returns
 * only when that failed. */
void watchdog_succeed(const struct appliance *appliance, struct error *err);

#endif
