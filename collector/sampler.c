#include "collector/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS_MAX = 256 };

struct source {
    const struct input_kind *kind;
    void *input;
    struct input_status status;
    bool started;
    int64_t waited_us; /* on the schedule since its last sample */
    int64_t backoff_ms;
};

struct sampler {
    struct source *sources;
    size_t count;
    struct channel_table *channels;
    const struct log *log;
};

/* One input's turn. */
struct turn {
    struct sampler *sampler;
    struct batch *out;
    size_t taken;
    uint64_t dropped;
    const char *why; /* of the drops */
};

const char *input_state_name(enum input_state state)
{
    static const char *const names[] = {
        [INPUT_OK] = "ok", [INPUT_FAILING] = "failing", [INPUT_FLOODING] = "flooding"};
    return names[state];
}

/* ---- made and freed ---- */

static void name_source(struct sampler *sampler, struct source *source)
{
    size_t same = 1;
    for (const struct source *other = sampler->sources; other < source; other++)
        same += other->kind == source->kind;
    char *name = source->status.name;
    if (same == 1)
        snprintf(name, INPUT_NAME_BYTES, "%s", source->kind->name);
    else
        snprintf(name, INPUT_NAME_BYTES, "%s#%zu", source->kind->name, same);
}

static bool add_source(struct sampler *sampler, const struct sampler_spec *spec, const char *line,
                       struct error *err)
{
    struct view options;
    struct source *source = &sampler->sources[sampler->count];
    source->kind = spec->kind_of(line, &options, err);
    if (source->kind == NULL)
        return false;
    source->input = source->kind->make(options, spec->env, err);
    if (source->input == NULL)
        return error_wrap(err, "%s", source->kind->name);
    name_source(sampler, source);
    source->status.since_us = clock_utc_us(spec->log->clock);
    sampler->count++;
    return true;
}

struct sampler *sampler_new(const struct sampler_spec *spec, struct error *err)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    if (sampler != NULL)
        sampler->sources = calloc(INPUTS_MAX, sizeof(*sampler->sources));
    if (sampler == NULL || sampler->sources == NULL) {
        error_set(err, ERR_MEMORY, "no memory for the inputs");
        free(sampler);
        return NULL;
    }
    sampler->channels = spec->channels;
    sampler->log = spec->log;
    bool ok =
        spec->lines->count <= INPUTS_MAX || error_set(err, ERR_LIMIT, "more than %d INPUT lines", INPUTS_MAX);
    for (size_t i = 0; ok && i < spec->lines->count; i++) {
        ok = add_source(sampler, spec, spec->lines->lines[i], err) ||
             error_wrap(err, "config.txt:%u: INPUT", spec->lines->line_numbers[i]);
    }
    if (ok)
        return sampler;
    sampler_free(sampler);
    return NULL;
}

void sampler_free(struct sampler *sampler)
{
    if (sampler == NULL)
        return;
    for (size_t i = sampler->count; i-- > 0;)
        sampler->sources[i].kind->free(sampler->sources[i].input);
    free(sampler->sources);
    free(sampler);
}

/* ---- a tick ---- */

static bool drop(struct turn *turn, const char *why)
{
    turn->dropped++;
    turn->why = why;
    return true;
}

/* The sink of every input. */
static bool put(void *context, const struct sample *sample)
{
    struct turn *turn = context;
    if (turn->taken == INPUT_MAX_SAMPLES_A_TICK) {
        drop(turn, "more samples than are taken in one tick");
        return false;
    }
    uint32_t channel = channel_table_find(turn->sampler->channels, sample);
    if (channel == CHANNEL_NONE)
        return drop(turn, "channels beyond the limit, or names that are none");
    const struct channel *known = channel_table_at(turn->sampler->channels, channel);
    double value = sample->value * known->scale + known->offset;
    const struct reading reading = {sample->time_us, isfinite(value) ? value : NAN, channel};
    if (!batch_add(turn->out, &reading))
        return drop(turn, "no memory left");
    turn->taken++;
    return true;
}

/* Said once, when it changes. */
static bool enter(const struct sampler *sampler, struct source *source, enum input_state state,
                  const char *why, int64_t now_us)
{
    struct input_status *status = &source->status;
    if (status->state == state)
        return false;
    status->state = state;
    status->since_us = now_us;
    if (state == INPUT_OK)
        log_info(sampler->log, "input %s works again", status->name);
    else
        log_warn(sampler->log, "input %s is %s: %s", status->name, input_state_name(state), why);
    return true;
}

static bool failed(const struct sampler *sampler, struct source *source, const struct error *err,
                   int64_t now_us)
{
    source->status.error = *err;
    source->started = false;
    source->backoff_ms = source->backoff_ms == 0 ? INPUT_BACKOFF_MIN_MS : 2 * source->backoff_ms;
    if (source->backoff_ms > INPUT_BACKOFF_MAX_MS)
        source->backoff_ms = INPUT_BACKOFF_MAX_MS;
    return enter(sampler, source, INPUT_FAILING, err->text, now_us);
}

static bool start(struct source *source, struct error *err)
{
    if (!source->started && source->kind->start != NULL && !source->kind->start(source->input, err))
        return false;
    source->started = true;
    return true;
}

static bool take_turn(struct sampler *sampler, struct source *source, int64_t time_us, struct batch *out)
{
    struct error err = {0};
    struct turn turn = {.sampler = sampler, .out = out};
    const struct sample_sink sink = {put, &turn};
    const struct input_tick tick = {time_us, source->waited_us};
    source->waited_us = 0;
    bool ok = start(source, &err) && source->kind->sample(source->input, &tick, &sink, &err);
    source->status.readings += turn.taken;
    source->status.dropped += turn.dropped;
    if (!ok)
        return failed(sampler, source, &err, time_us);
    source->backoff_ms = 0;
    source->status.error = (struct error){0};
    if (turn.dropped > 0) {
        error_set(&source->status.error, ERR_LIMIT, "%s", turn.why);
        return enter(sampler, source, INPUT_FLOODING, turn.why, time_us);
    }
    return enter(sampler, source, INPUT_OK, "", time_us);
}

bool sampler_tick(struct sampler *sampler, int64_t time_us, int64_t elapsed_us, struct batch *out)
{
    bool changed = false;
    for (size_t i = 0; i < sampler->count; i++) {
        struct source *source = &sampler->sources[i];
        source->waited_us += elapsed_us;
        if (source->waited_us < source->backoff_ms * US_PER_MS)
            continue;
        changed = take_turn(sampler, source, time_us, out) || changed;
    }
    return changed;
}

size_t sampler_count(const struct sampler *sampler)
{
    return sampler->count;
}

const struct input_status *sampler_status(const struct sampler *sampler, size_t index)
{
    return &sampler->sources[index].status;
}
