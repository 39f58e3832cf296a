#include "watchdog/supervisor.h"

#include <stddef.h>

#include "common/base/attr.h"

struct transition {
    enum service_state from;
    enum service_event event;
    enum service_state to;
    enum service_action action;
};

/* What is not listed changes nothing. SERVICE_EXPIRE counts only when the deadline has passed. */
static const struct transition transitions[] = {
    {SERVICE_STOPPED, SERVICE_START, SERVICE_STARTING, SERVICE_DO_SPAWN},

    {SERVICE_STARTING, SERVICE_READY, SERVICE_RUNNING, SERVICE_DO_NOTHING},
    {SERVICE_STARTING, SERVICE_ENDED, SERVICE_WAITING, SERVICE_DO_NOTHING},
    {SERVICE_STARTING, SERVICE_EXPIRE, SERVICE_HUNG, SERVICE_DO_KILL},
    {SERVICE_STARTING, SERVICE_STOP, SERVICE_STOPPING, SERVICE_DO_ASK},

    {SERVICE_RUNNING, SERVICE_ENDED, SERVICE_WAITING, SERVICE_DO_NOTHING},
    {SERVICE_RUNNING, SERVICE_EXPIRE, SERVICE_HUNG, SERVICE_DO_KILL},
    {SERVICE_RUNNING, SERVICE_STOP, SERVICE_STOPPING, SERVICE_DO_ASK},

    {SERVICE_STOPPING, SERVICE_ENDED, SERVICE_STOPPED, SERVICE_DO_NOTHING},
    {SERVICE_STOPPING, SERVICE_EXPIRE, SERVICE_STOPPING, SERVICE_DO_KILL},

    {SERVICE_WAITING, SERVICE_EXPIRE, SERVICE_STARTING, SERVICE_DO_SPAWN},
    {SERVICE_WAITING, SERVICE_STOP, SERVICE_STOPPED, SERVICE_DO_NOTHING},

    {SERVICE_HUNG, SERVICE_ENDED, SERVICE_WAITING, SERVICE_DO_NOTHING},
    {SERVICE_HUNG, SERVICE_EXPIRE, SERVICE_HUNG, SERVICE_DO_KILL},
    {SERVICE_HUNG, SERVICE_STOP, SERVICE_STOPPING, SERVICE_DO_KILL},
};

static int64_t from_now(int64_t now_us, int64_t seconds)
{
    return now_us + seconds * US_PER_S;
}

void supervisor_init(struct service_machine *machine, const struct clock *clock)
{
    *machine = (struct service_machine){
        .state = SERVICE_STOPPED,
        .deadline_us = SERVICE_NEVER,
        .since_utc_us = clock_utc_us(clock),
        .backoff_us = (int64_t)SERVICE_BACKOFF_FIRST_S * US_PER_S,
    };
}

/* How long it may wait before its next start; the following one waits twice as long. */
static int64_t take_backoff(struct service_machine *machine)
{
    int64_t backoff_us = machine->backoff_us;
    int64_t max_us = (int64_t)SERVICE_BACKOFF_MAX_S * US_PER_S;
    machine->backoff_us = backoff_us * 2 < max_us ? backoff_us * 2 : max_us;
    return backoff_us;
}

static void leave(struct service_machine *machine, int64_t now_us)
{
    bool healthy = machine->state == SERVICE_RUNNING &&
                   now_us - machine->running_since_us >= (int64_t)SERVICE_HEALTHY_S * US_PER_S;
    if (healthy)
        machine->backoff_us = (int64_t)SERVICE_BACKOFF_FIRST_S * US_PER_S;
}

static void enter(struct service_machine *machine, enum service_state state, int64_t now_us)
{
    machine->state = state;
    switch (state) {
    case SERVICE_STOPPED:
        machine->deadline_us = SERVICE_NEVER;
        machine->backoff_us = (int64_t)SERVICE_BACKOFF_FIRST_S * US_PER_S;
        break;
    case SERVICE_STARTING:
        machine->deadline_us = from_now(now_us, SERVICE_START_TIMEOUT_S);
        machine->beats = false;
        machine->restarts += machine->started_before ? 1 : 0;
        machine->started_before = true;
        break;
    case SERVICE_RUNNING:
        machine->running_since_us = now_us;
        machine->deadline_us = machine->beats ? from_now(now_us, SERVICE_BEAT_TIMEOUT_S) : SERVICE_NEVER;
        break;
    case SERVICE_STOPPING:
    case SERVICE_HUNG:
        machine->deadline_us = from_now(now_us, SERVICE_STOP_GRACE_S);
        break;
    case SERVICE_WAITING:
        machine->deadline_us = now_us + take_backoff(machine);
        break;
    }
}

static void take_beat(struct service_machine *machine, int64_t now_us)
{
    if (machine->state != SERVICE_STARTING && machine->state != SERVICE_RUNNING)
        return;
    machine->beats = true;
    if (machine->state == SERVICE_RUNNING)
        machine->deadline_us = from_now(now_us, SERVICE_BEAT_TIMEOUT_S);
}

/* When the whole machine slept, or we were stopped, nobody could beat: they get the same time once more. */
static bool expired(struct service_machine *machine, int64_t now_us)
{
    if (now_us < machine->deadline_us)
        return false;
    bool we_slept = now_us - machine->deadline_us > (int64_t)SERVICE_LATE_S * US_PER_S;
    if (machine->state == SERVICE_RUNNING && we_slept) {
        machine->deadline_us = from_now(now_us, SERVICE_BEAT_TIMEOUT_S);
        return false;
    }
    return true;
}

static const struct transition *find_transition(enum service_state from, enum service_event event)
{
    for (size_t i = 0; i < COUNT_OF(transitions); i++) {
        if (transitions[i].from == from && transitions[i].event == event)
            return &transitions[i];
    }
    return NULL;
}

enum service_action supervisor_step(struct service_machine *machine, enum service_event event,
                                    const struct clock *clock)
{
    int64_t now_us = clock_monotonic_us(clock);
    if (event == SERVICE_BEAT)
        take_beat(machine, now_us);
    const struct transition *transition = find_transition(machine->state, event);
    if (transition == NULL || (event == SERVICE_EXPIRE && !expired(machine, now_us)))
        return SERVICE_DO_NOTHING;
    leave(machine, now_us);
    if (transition->to != machine->state)
        machine->since_utc_us = clock_utc_us(clock);
    enter(machine, transition->to, now_us);
    return transition->action;
}

const char *supervisor_state_name(enum service_state state)
{
    static const char *const names[] = {"stopped", "starting", "running", "stopping", "waiting", "hung"};
    return names[state];
}
