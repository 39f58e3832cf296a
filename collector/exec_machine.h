/* When a command is started and ended, and whether its run was a good one. Knows nothing of processes and
 * pipes. Threads: one at a time.
 *
 *            due                          timed out
 *   WAITING ─────> RUNNING ──────────────────────────> ENDING
 *      ^              │ ended: good, or failed            │ ended: failed
 *      └──────────────┴───────────────────────────────────┘
 *
 * mode=once: a run ends by itself and is good with exit 0; the next is due interval_us after its start.
 * mode=stream: a run has no end; it is good from its first line on, and its end is a failure. */
#ifndef COLLECTOR_EXEC_MACHINE_H
#define COLLECTOR_EXEC_MACHINE_H

#include <stdint.h>

#include "common/base/error.h"

enum exec_mode { EXEC_ONCE, EXEC_STREAM };
#define EXEC_MODES "once|stream"

enum exec_state {
    EXEC_WAITING, /* nothing runs */
    EXEC_RUNNING,
    EXEC_ENDING, /* it was too slow and is being ended */
};

enum exec_action { EXEC_DO_NOTHING, EXEC_DO_START, EXEC_DO_END };

struct exec_machine {
    enum exec_mode mode;
    int64_t interval_us;
    int64_t timeout_us; /* once: of a whole run; stream: without a word; 0: never */
    enum exec_state state;
    bool proven;        /* its last run, or this one, is known to be good */
    bool was_begun;     /* ever */
    int64_t waited_us;  /* on the sampling schedule since the last start */
    int64_t patient_us; /* monotonic: its time is counted from then */
};

/* Once a tick. elapsed_us: on the sampling schedule since the last tick. retry: the last run failed, and now
 * is the time to try again, due or not. */
enum exec_action exec_machine_tick(struct exec_machine *machine, int64_t now_us, int64_t elapsed_us,
                                   bool retry);
/* What was asked for with EXEC_DO_START has begun. */
void exec_machine_begun(struct exec_machine *machine, int64_t now_us);
/* It could not be started. */
void exec_machine_not_begun(struct exec_machine *machine);
/* It has written something. */
void exec_machine_heard(struct exec_machine *machine, int64_t now_us);
/* Nothing is read of it for a reason of ours: its time stands still. */
void exec_machine_held(struct exec_machine *machine, int64_t now_us);
/* It has ended. False: it failed, and err says how. last_words: of stderr; "": none. */
bool exec_machine_ended(struct exec_machine *machine, int wait_status, const char *last_words,
                        struct error *err) MUST_USE;
/* False: what is under way has not shown yet whether it works. */
bool exec_machine_is_settled(const struct exec_machine *machine);

#endif
