/* The states of a vehicle in a rollout, and the rule by which a rollout goes on. Knows nothing of SQL, of
 * HTTP or of time. docs/operations/rollouts.md. Threads: safe. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_STATE_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_STATE_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

/*                 wave begins         mark is kept         200                  by operator, window
 *        waiting -------------> due -------------> offered -------> queued -----------------------> approved
 *           |                    |                    |               |                               |
 *           | abort              | abort              | abort         | abort                         v
 *           v                    v                    v               v                            applying
 *        withdrawn <---------- (never offered)     withdrawing <------+                               |
 *           ^                                         |                                               v
 *           +-----------------------------------------+           healthy | failed | rolled_back | rejected
 * Whatever the machine says wins: it may be anywhere to the right of where we think it is. `refused`: it did
 * not take the package. */
enum rollout_state {
    ROLLOUT_UNSUPPORTED, /* its transport takes no updates */
    ROLLOUT_WAITING,     /* its wave has not begun */
    ROLLOUT_DUE,         /* it has */
    ROLLOUT_OFFERED,     /* the package may be on its way, or there */
    ROLLOUT_QUEUED,      /* it is there and waits for approval */
    ROLLOUT_APPROVED,
    ROLLOUT_APPLYING, /* or on probation */
    ROLLOUT_WITHDRAWING,
    ROLLOUT_HEALTHY, /* an end, as all that follow */
    ROLLOUT_FAILED,
    ROLLOUT_ROLLED_BACK,
    ROLLOUT_REJECTED,
    ROLLOUT_REFUSED,
    ROLLOUT_WITHDRAWN,
    ROLLOUT_STATES,
};
const char *rollout_state_word(enum rollout_state state);
/* Errors: ERR_INTERNAL: it is none. */
bool rollout_state_of(struct view word, enum rollout_state *out, struct error *err) MUST_USE;

/* How a rollout stands. */
struct rollout_counts {
    int64_t wave, wave_count;
    int64_t healthy_percent;
    /* Failed, rolled_back, rejected, refused, and not accepted by `resume` since, as in all that follow. */
    int64_t failures, failures_allowed;
    /* In the waves so far: */
    int64_t judged;   /* but for those that are seen to wait for an operator */
    int64_t healthy;  /* of those */
    int64_t hopeful;  /* healthy, or not at an end */
    int64_t hopeless; /* failed */
    int64_t gone;     /* left the fleet */
    /* In any wave: */
    int64_t open; /* have not come to an end */
};

enum rollout_step {
    ROLLOUT_STAY,
    ROLLOUT_PAUSE,     /* too many failures */
    ROLLOUT_HOPELESS,  /* whatever comes, too few of the waves so far can become healthy */
    ROLLOUT_NEXT_WAVE, /* enough of the waves so far are healthy, or nobody is left in them to judge by */
    ROLLOUT_FINISH,    /* no vehicle is left */
};
/* Of one that runs. */
enum rollout_step rollout_next(const struct rollout_counts *counts);

/* ---- waves ---- */
enum { ROLLOUT_WAVES_MAX = 100 };

struct rollout_waves {
    int64_t up_to[ROLLOUT_WAVES_MAX]; /* how many vehicles are in the waves up to this one; strictly rising */
    size_t count;
};
/* "1,10%,100%": how many of `vehicles` (at least one), or which part of them, rounded up; each at least as
 * many as the one before, a wave that would have no vehicle of its own is left out. Errors: ERR_USAGE. */
bool rollout_waves_parse(const char *text, int64_t vehicles, struct rollout_waves *out,
                         struct error *err) MUST_USE;

#endif
