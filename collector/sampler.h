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
};

enum input_state {
    INPUT_OK,
    INPUT_FAILING,  /* its last sample failed; it is tried again with back-off */
    INPUT_FLOODING, /* it gave more than is taken; the rest was dropped */
};

struct input_status {
    char name[INPUT_NAME_BYTES]; /* "drive"; a second one of a kind is "drive#2" */
    enum input_state state;
    struct error error;         /* of the last failure */
    uint64_t readings, dropped; /* since the start */
    int64_t since_us;           /* wall clock: in this state since */
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

/* elapsed_us: on the sampling schedule since the last call. Appends to *out. True when the state of an input
 * has changed. */
bool sampler_tick(struct sampler *sampler, int64_t time_us, int64_t elapsed_us, struct batch *out);

size_t sampler_count(const struct sampler *sampler);
const struct input_status *sampler_status(const struct sampler *sampler, size_t index);
const char *input_state_name(enum input_state state);

#endif
