/* Whether a new version has proved itself: it must be healthy for PROBATION_S without a break. Knows what
 * healthy means and for how long; nothing of processes, files or the loop: what is seen comes in, the verdict
 * goes out, the time is passed in. docs/updates.md has the diagram.
 *
 *   healthy: every service runs, the built-in ones beat and report this version, agent and portal answer
 *   passed:  healthy for PROBATION_S in one piece
 *   failed:  a service reports another version; PROBATION_FALLS_MAX times one ended or hung; or it is not
 * healthy for long enough within twice PROBATION_S and the time that a start may take */
#ifndef WATCHDOG_PROBATION_H
#define WATCHDOG_PROBATION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROBATION_FALLS_MAX = 3,
    PROBATION_GRACE_S = 30, /* SERVICE_START_TIMEOUT_S */
    PROBATION_REASON_BYTES = 64,
    PROBATION_TEXT_BYTES = 400,
};

enum probation_verdict { PROBATION_GOES_ON, PROBATION_PASSED, PROBATION_FAILED };

struct probation_sight {
    bool running;              /* every service runs, and the built-in ones have beaten */
    bool answering;            /* agent and portal have answered since the last sight */
    const char *what_is_wrong; /* for people, when one of the two is false */
};

struct probation {
    bool on;
    int64_t need_us;
    int64_t deadline_us;      /* monotonic */
    int64_t healthy_since_us; /* monotonic; INT64_MAX: not now */
    unsigned falls;
    enum probation_verdict verdict;
    char reason[PROBATION_REASON_BYTES]; /* stable word: service_ended, wrong_version, not_healthy */
    char text[PROBATION_TEXT_BYTES];
};

void probation_begin(struct probation *probation, int64_t probation_s, int64_t now_us);
/* A service ended, hung, or was never ready. how: for people. */
void probation_fall(struct probation *probation, const char *service, const char *how);
/* A service says that it is of another version. */
void probation_wrong_version(struct probation *probation, const char *service, const char *version,
                             const char *expected);
/* To be called when something changed, and every second. The verdict stays once it is given. */
enum probation_verdict probation_look(struct probation *probation, const struct probation_sight *sight,
                                      int64_t now_us) __attribute__((warn_unused_result));

#endif
