#include "collector/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/wire/record.h"

enum { INPUTS_MAX = 256 };

enum { WHY_BYTES = 192, WHY_NAME_BYTES = 64 };

/* What an input gave since its last tick's end. */
struct turn {
    size_t taken;
    uint64_t dropped;
    char why[WHY_BYTES]; /* of the last drop */
};

struct source {
    const struct input_kind *kind;
    void *input;
    struct sampler *sampler;
    struct input_status status;
    struct input_stream stream;
    struct turn turn;
    bool started;
    bool settled;      /* nothing that it began is under way */
    bool held;         /* a stream without room: it waits for resume */
    int64_t waited_us; /* on the schedule since its last sample */
    int64_t calm_us;   /* on the schedule since its last drop */
    int64_t backoff_ms;
};

struct sampler {
    struct source *sources;
    size_t count;
    struct channel_table *channels;
    const struct log *log;
    struct batch *out; /* of the tick, or of the feed */
    struct sampler_feed feed;
    bool flush_failed; /* since the last tick: it is not tried again before the next */
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
    source->sampler = sampler;
    source->settled = true;
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

/* ---- what inputs give ---- */

static bool drop(struct source *source, const char *why)
{
    source->turn.dropped++;
    snprintf(source->turn.why, sizeof(source->turn.why), "%s", why);
    return true;
}

/* A channel that there is not and cannot be. */
static bool drop_unknown(struct source *source, const struct sample *sample)
{
    char why[WHY_BYTES];
    char name[WHY_NAME_BYTES];
    uint32_t count = channel_table_count(source->sampler->channels);
    snprintf(name, sizeof(name), "%.*s", VIEW_ARG(sample->channel));
    text_make_printable(name);
    if (!record_channel_name_ok(sample->channel))
        snprintf(why, sizeof(why),
                 "channels without a valid name (1 to %d bytes of UTF-8, no control characters): %s",
                 RECORD_CHANNEL_BYTES - 1, name);
    else
        snprintf(why, sizeof(why),
                 "channels beyond the limit: the machine has %u, and no new one is made: %s", count, name);
    return drop(source, why);
}

static bool take(struct source *source, const struct sample *sample, bool kept)
{
    struct sampler *sampler = source->sampler;
    uint32_t channel = channel_table_find(sampler->channels, sample);
    if (channel == CHANNEL_NONE)
        return drop_unknown(source, sample);
    const struct channel *known = channel_table_at(sampler->channels, channel);
    double value = sample->value * known->scale + known->offset;
    const struct reading reading = {sample->time_us, isfinite(value) ? value : NAN, channel, kept};
    if (!batch_add(sampler->out, &reading))
        return drop(source, "no memory left");
    source->turn.taken++;
    return true;
}

/* The sink of inputs that are asked. */
static bool put(void *context, const struct sample *sample)
{
    struct source *source = context;
    if (source->turn.taken < INPUT_MAX_SAMPLES_A_TICK)
        return take(source, sample, false);
    drop(source, "more samples than are taken in one tick");
    return false;
}

/* The sink of streams: there was room for all of a line. */
static bool put_kept(void *context, const struct sample *sample)
{
    return take(context, sample, true);
}

static void refuse(void *context, const char *why)
{
    drop(context, why);
}

static bool has_room(void *context)
{
    struct source *source = context;
    struct sampler *sampler = source->sampler;
    if (sampler->out->count >= INPUT_FLUSH_READINGS && !sampler->flush_failed)
        sampler->flush_failed = sampler->feed.flush == NULL || !sampler->feed.flush(sampler->feed.context);
    source->held = sampler->out->count >= INPUT_STREAM_READINGS;
    return !source->held;
}

void sampler_attach(struct sampler *sampler, const struct sampler_feed *feed)
{
    sampler->feed = *feed;
    sampler->out = feed->batch;
    for (size_t i = 0; i < sampler->count; i++) {
        struct source *source = &sampler->sources[i];
        source->stream = (struct input_stream){
            .name = source->status.name,
            .loop = feed->loop,
            .has_room = has_room,
            .sink = {put_kept, source},
            .refuse = refuse,
            .context = source,
        };
        if (source->kind->attach != NULL)
            source->kind->attach(source->input, &source->stream);
    }
}

void sampler_resume(struct sampler *sampler)
{
    sampler->flush_failed = false;
    for (size_t i = 0; i < sampler->count; i++) {
        struct source *source = &sampler->sources[i];
        if (!source->held || sampler->out->count > INPUT_RESUME_READINGS)
            continue;
        source->held = false;
        source->kind->resume(source->input);
    }
}

/* ---- a tick ---- */

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

/* Its own counts. True when one of them begins to count: that is news. */
static bool take_counts(struct source *source)
{
    struct input_status *status = &source->status;
    struct input_count before[INPUT_COUNTS_MAX];
    bool news = false;
    if (source->kind->counts == NULL)
        return false;
    memcpy(before, status->counts, sizeof(before));
    status->count_count = source->kind->counts(source->input, status->counts);
    for (size_t i = 0; i < status->count_count; i++)
        news = news || (before[i].value == 0 && status->counts[i].value > 0);
    return news;
}

/* What it gave until now, into its status. Returns how much was dropped. */
static uint64_t end_turn(struct source *source)
{
    uint64_t dropped = source->turn.dropped;
    source->status.readings += source->turn.taken;
    source->status.dropped += dropped;
    source->turn.taken = 0;
    source->turn.dropped = 0;
    return dropped;
}

/* A stream may be refused something seldom and regularly: it is well when nothing was for a while. */
static bool is_calm(struct source *source, uint64_t dropped, int64_t passed_us)
{
    source->calm_us = dropped > 0 ? 0 : source->calm_us + passed_us;
    bool was_flooding = source->status.state == INPUT_FLOODING && source->kind->attach != NULL;
    return dropped == 0 && (!was_flooding || source->calm_us >= INPUT_CALM_MS * US_PER_MS);
}

static bool worked(const struct sampler *sampler, struct source *source, uint64_t dropped, int64_t passed_us,
                   int64_t time_us)
{
    source->backoff_ms = 0;
    if (is_calm(source, dropped, passed_us)) {
        source->status.error = (struct error){0};
        return enter(sampler, source, INPUT_OK, "", time_us);
    }
    error_set(&source->status.error, ERR_LIMIT, "%s", source->turn.why);
    return enter(sampler, source, INPUT_FLOODING, source->turn.why, time_us);
}

static bool take_turn(struct sampler *sampler, struct source *source, int64_t time_us)
{
    struct error err = {0};
    const struct sample_sink sink = {put, source};
    const struct input_tick tick = {time_us, source->waited_us};
    source->waited_us = 0;
    bool ok = start(source, &err) && source->kind->sample(source->input, &tick, &sink, &err);
    uint64_t dropped = end_turn(source);
    bool news = take_counts(source);
    source->settled = source->kind->is_settled == NULL || source->kind->is_settled(source->input);
    if (!ok)
        return failed(sampler, source, &err, time_us);
    bool changed = source->settled && worked(sampler, source, dropped, tick.elapsed_us, time_us);
    return changed || news;
}

bool sampler_tick(struct sampler *sampler, int64_t time_us, int64_t elapsed_us, struct batch *out)
{
    bool changed = false;
    sampler->out = out;
    for (size_t i = 0; i < sampler->count; i++) {
        struct source *source = &sampler->sources[i];
        source->waited_us += elapsed_us;
        if (source->settled && source->waited_us < source->backoff_ms * US_PER_MS)
            continue;
        changed = take_turn(sampler, source, time_us) || changed;
    }
    return changed;
}

bool sampler_is_settled(const struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->count; i++) {
        if (!sampler->sources[i].settled)
            return false;
    }
    return true;
}

size_t sampler_count(const struct sampler *sampler)
{
    return sampler->count;
}

const struct input_status *sampler_status(const struct sampler *sampler, size_t index)
{
    return &sampler->sources[index].status;
}
