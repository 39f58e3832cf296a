/* The one interface that every source of readings stands behind, and the one table of them. Knows nothing of
 * stores, channels' numbers or schedules. Threads: all of an input runs in the collector's only thread: its
 * calls must not wait for anything.
 *
 * An input is asked once a tick (`sample`). One that gives what others send it has besides an `input_stream`:
 * it takes bytes when the event loop says that there are some, gives samples at any time, and reads no more
 * while there is no room, so that who sends has to wait and nothing is lost. */
#ifndef COLLECTOR_INPUT_H
#define COLLECTOR_INPUT_H

#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/view.h"
#include "common/os/loop.h"

enum {
    INPUT_MAX_SAMPLES_A_TICK = 50 * 1000, /* of one input; what is above is dropped and counted */
    INPUT_NAME_BYTES = 32,
    INPUT_COUNTS_MAX = 4,
    INPUT_FLUSH_READINGS = 32 * 1024,   /* so many wait: they are written before the tick */
    INPUT_STREAM_READINGS = 100 * 1000, /* so many wait: streams have no room until some are written */
    INPUT_RESUME_READINGS = 50 * 1000,  /* so few wait: there is room again */
};

/* One measurement. All texts are borrowed for the call. */
struct sample {
    struct view channel;
    double value; /* NaN and infinities: null */
    int64_t time_us;
    const char *unit; /* what the input knows of the channel; CHANNEL lines come first */
    const char *description;
    double phys_min, phys_max; /* NaN: none */
    uint32_t max_channels;     /* a new channel is made while there are fewer; 0: as many as a store takes */
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

/* What an input of a stream is given before its first start. The loop outlives the input. */
struct input_stream {
    const char *name; /* of the input, for the log: "exec#2" */
    struct loop *loop;
    /* Asked before each piece that is taken (a line with all its samples). False: take and read nothing more
     * until `resume` is called. */
    bool (*has_room)(void *context);
    /* Always true: what cannot be taken is counted. */
    struct sample_sink sink;
    /* Counts what was refused before it became a sample. why: borrowed for the call. */
    void (*refuse)(void *context, const char *why);
    void *context; /* of has_room and refuse */
};

struct input_env {
    const struct log *log;   /* borrowed */
    const char *system_root; /* "" but in tests: what stands before /proc and /sys */
    const char *root;        /* ROOT, absolute: what an input's relative paths are relative to */
    const char *program;     /* the collector's own path, for guards; "": not known */
    bool trial;              /* --test: nothing is listened on, a collector may be running */
};

/* For people and for machines: what an input has counted since its start. */
struct input_count {
    const char *name; /* "texts_skipped" */
    uint64_t value;
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

    /* ---- of a stream; NULL for the others ---- */
    /* Once, before the first start. The stream is borrowed for the input's life. */
    void (*attach)(void *input, const struct input_stream *stream);
    /* There is room again. */
    void (*resume)(void *input);
    /* False: what it began is under way and its outcome not known yet: its state stays as it is. May be NULL:
     * always. */
    bool (*is_settled)(const void *input);
    /* May be NULL: nothing is counted. Returns how many. */
    size_t (*counts)(const void *input, struct input_count out[INPUT_COUNTS_MAX]);
};

extern const struct input_kind input_drive;
extern const struct input_kind input_exec;
extern const struct input_kind input_lines;
extern const struct input_kind input_system;

/* The kind whose name the INPUT line begins with; *options: what follows. Errors: ERR_USAGE. */
const struct input_kind *input_kind_of(const char *line, struct view *options, struct error *err);

#endif
