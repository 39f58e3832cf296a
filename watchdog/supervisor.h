/* The life of one supervised service as a state machine: one table of transitions, back-off, time-outs. Knows
 * nothing of processes, files or the loop: events come in, actions go out, the clock is passed in.
 *
 *   stopped            --start-->               starting  --ready-->          running
 *   starting, running  --ended-->               waiting   --back-off over-->  starting
 *   starting, running  --no ready, no beat-->   hung (killed)  --ended-->     waiting
 *   any                --stop-->                stopping (asked, then killed)  --ended-->  stopped */
#ifndef WATCHDOG_SUPERVISOR_H
#define WATCHDOG_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

enum service_state {
    SERVICE_STOPPED,  /* nothing runs and nothing shall */
    SERVICE_STARTING, /* it runs and has not said READY=1 yet */
    SERVICE_RUNNING,
    SERVICE_STOPPING, /* asked to end */
    SERVICE_WAITING,  /* it ended; the back-off goes by */
    SERVICE_HUNG,     /* it missed its beats, or never got ready, and was killed; not gone yet */
};

enum service_event {
    SERVICE_START,  /* it shall run */
    SERVICE_READY,  /* READY=1 */
    SERVICE_BEAT,   /* WATCHDOG=1; from then on a missing one is a hang */
    SERVICE_ENDED,  /* its process is gone, or could not be started */
    SERVICE_STOP,   /* it shall end */
    SERVICE_EXPIRE, /* look whether the deadline has passed */
};

enum service_action {
    SERVICE_DO_NOTHING,
    SERVICE_DO_SPAWN,
    SERVICE_DO_ASK, /* SIGTERM */
    SERVICE_DO_KILL,
};

enum {
    SERVICE_START_TIMEOUT_S = 30,
    SERVICE_BEAT_TIMEOUT_S = 10, /* WATCHDOG_USEC; services beat at half of it, so this is two missed beats */
    SERVICE_STOP_GRACE_S = 10,
    SERVICE_BACKOFF_FIRST_S = 1,
    SERVICE_BACKOFF_MAX_S = 60,
    SERVICE_HEALTHY_S = 60, /* running that long resets the back-off */
    SERVICE_LATE_S = 2,     /* a deadline noticed later than that: it was us who slept (suspend, SIGSTOP) */
};
#define SERVICE_NEVER INT64_MAX

struct service_machine {
    enum service_state state;
    bool beats;               /* it has said WATCHDOG=1 since it was started */
    int64_t deadline_us;      /* monotonic: when SERVICE_EXPIRE is due; SERVICE_NEVER */
    int64_t since_utc_us;     /* of this state */
    int64_t running_since_us; /* monotonic */
    int64_t backoff_us;       /* the next one */
    unsigned restarts;        /* starts after the first */
    bool started_before;
};

void supervisor_init(struct service_machine *machine, const struct clock *clock);

/* Takes one event; returns what to do now. After SERVICE_DO_SPAWN the caller starts the process, and sends
 * SERVICE_ENDED when that fails. An event that means nothing in the state changes nothing. */
enum service_action supervisor_step(struct service_machine *machine, enum service_event event,
                                    const struct clock *clock) __attribute__((warn_unused_result));

/* "running" */
const char *supervisor_state_name(enum service_state state);

#endif
