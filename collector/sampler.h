/* Asks every input for its samples, tick by tick. An input that fails is tried again with back-off, one that
 * floods is cut; neither stops the others. Knows nothing of stores. Threads: one at a time. */
#ifndef COLLECTOR_SAMPLER_H
#define COLLECTOR_SAMPLER_H

#include "collector/batch.h"
#include "collector/channel_table.h"
#include "collector/input.h"

enum {
    INPUT_BACKOFF_MIN_MS = 1000,
    INPUT_BACKOFF_MAX_MS = 60 * 1000,
    INPUT_CALM_MS = 60 * 1000, /* a stream of which nothing was refused for so long is well again */
};

enum input_state {
    INPUT_OK,
    INPUT_FAILING,  /* its last sample failed; it is tried again with back-off */
    INPUT_FLOODING, /* it gave more than is taken, or what cannot be taken; the rest was dropped */
};

struct input_status {
    char name[INPUT_NAME_BYTES]; /* "drive"; a second one of a kind is "drive#2" */
    enum input_state state;
    struct error error;                          /* of the last failure */
    uint64_t readings, dropped;                  /* since the start */
    int64_t since_us;                            /* wall clock: in this state since */
    struct input_count counts[INPUT_COUNTS_MAX]; /* its own, as of the last tick */
    size_t count_count;
};

struct sampler;

/* kind_of: input_kind_of, but in tests. lines: the INPUT lines. Errors: ERR_USAGE with the line. */
struct sampler_spec {
    const struct input_kind *(*kind_of)(const char *line, struct view *options, struct error *err);
    const struct config_lines *lines;
    const struct input_env *env;
    struct channel_table *channels; /* borrowed */
    const struct log *log;          /* borrowed */
};
struct sampler *sampler_new(const struct sampler_spec *spec, struct error *err) MUST_USE;
void sampler_free(struct sampler *sampler); /* NULL is fine */

/* Where inputs of a stream put what arrives between ticks. loop and batch outlive the sampler's last call. */
struct sampler_feed {
    struct loop *loop;
    struct batch *batch;          /* the same as sampler_tick's */
    bool (*flush)(void *context); /* writes the batch now: true when it is empty. NULL: never */
    void *context;
};
/* Once, before the first tick; an input of a stream that is asked without it gives nothing. */
void sampler_attach(struct sampler *sampler, const struct sampler_feed *feed);
/* After each tick's transaction: streams that had no room go on when there is some. */
void sampler_resume(struct sampler *sampler);
/* False: an input has begun something whose outcome is not known yet. */
bool sampler_is_settled(const struct sampler *sampler);

/* elapsed_us: on the sampling schedule since the last call. Appends to *out. True when the state of an input
 * has changed, or one of its own counts begins to count. */
bool sampler_tick(struct sampler *sampler, int64_t time_us, int64_t elapsed_us, struct batch *out);

size_t sampler_count(const struct sampler *sampler);
const struct input_status *sampler_status(const struct sampler *sampler, size_t index);
const char *input_state_name(enum input_state state);

#endif
