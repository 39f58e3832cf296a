/* The one interface that every source of readings stands behind, and the one table of them. Knows nothing of
 * stores, channels' numbers or schedules. Threads: all of an input runs in the collector's only thread: its
 * calls must not wait for anything. */
#ifndef COLLECTOR_INPUT_H
#define COLLECTOR_INPUT_H

#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/view.h"

enum {
    INPUT_MAX_SAMPLES_A_TICK = 50000, /* of one input; what is above is dropped and counted */
    INPUT_NAME_BYTES = 32,
};

/* One measurement. All texts are borrowed for the call. */
struct sample {
    struct view channel;
    double value; /* NaN and infinities: null */
    int64_t time_us;
    const char *unit; /* what the input knows of the channel; CHANNEL lines come first */
    const char *description;
    double phys_min, phys_max; /* NaN: none */
};

struct sample_sink {
    /* False: no more is taken in this tick; stop. */
    bool (*put)(void *context, const struct sample *sample);
    void *context;
};

struct input_tick {
    int64_t time_us;    /* the wall clock now */
    int64_t elapsed_us; /* on the sampling schedule since the input's last sample; 0 the first time */
};

struct input_env {
    const struct log *log;   /* borrowed */
    const char *system_root; /* "" but in tests: what stands before /proc and /sys */
};

struct input_kind {
    const char *name;
    const char *options; /* for people: "seed=N rate=N" */
    /* Reads the options alone, so that --check-config can. Errors: ERR_USAGE, ERR_MEMORY. */
    void *(*make)(struct view options, const struct input_env *env, struct error *err);
    /* Opens what it reads; before the first sample and again after a failure. NULL: nothing to open. */
    bool (*start)(void *input, struct error *err);
    /* Gives what there is now. What was given before a failure counts. */
    bool (*sample)(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                   struct error *err);
    void (*free)(void *input);
};

extern const struct input_kind input_drive;
extern const struct input_kind input_system;

/* The kind whose name the INPUT line begins with; *options: what follows. Errors: ERR_USAGE. */
const struct input_kind *input_kind_of(const char *line, struct view *options, struct error *err);

#endif
