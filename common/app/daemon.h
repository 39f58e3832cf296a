/* What every daemon does at its start and stop: --root, --check-config, config, log, event loop, SIGTERM,
 * SIGINT, readiness and beats to the supervisor. A daemon's main reads: daemon_open, its own start,
 * daemon_run, its own stop, daemon_close. */
#ifndef COMMON_APP_DAEMON_H
#define COMMON_APP_DAEMON_H

#include "common/app/appliance.h"
#include "common/app/options.h"
#include "common/os/loop.h"

struct daemon {
    const char *name;
    struct appliance appliance;
    struct log log;
    const struct clock *clock;
    struct loop *loop;
    bool check_config; /* --check-config was given: everything is parsed, nothing is started */
};

/* extra: options of the program's own beside --root and --check-config (may be NULL). words: what is left of
 * the command line (may be NULL: any word is wrong usage). Returns -1 to go on, else the exit code; messages
 * were written. With --check-config it prints "ok" and returns 0 after the config was read strictly and
 * check (may be NULL) was true. */
struct daemon_spec {
    const char *name;
    const char *summary;
    const char *usage;
    const struct option *extra;
    size_t extra_count;
    bool (*check)(struct daemon *daemon, struct error *err);
    struct option_list *words;
};
int daemon_open(struct daemon *daemon, const struct daemon_spec *spec, int argc, char **argv);
/* READY=1, beats, runs the loop until SIGTERM or SIGINT; STOPPING=1. status: STATUS= for the supervisor. */
bool daemon_run(struct daemon *daemon, const char *status, struct error *err) MUST_USE;
void daemon_close(struct daemon *daemon);

/* Logs err and returns the program's exit code for it. */
int daemon_fail(const struct daemon *daemon, const struct error *err);

#endif
