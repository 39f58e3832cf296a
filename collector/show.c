#include "collector/show.h"

#include <math.h>
#include <stdio.h>

#include "common/net/json_writer.h"

enum {
    SHOW_PAUSE_MS = 250,
    SHOW_MAX_LOOKS = 60 * 1000 / SHOW_PAUSE_MS, /* a minute is enough for any command */
    SHOW_MAX_BYTES = 16 * 1024 * 1024,
};

/* One sample a channel: an input may have given several. */
static void keep_first_of_each(struct batch *batch)
{
    bool seen[STORE_CHANNELS_MAX] = {false};
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (!seen[batch->items[i].channel])
            batch->items[kept++] = batch->items[i];
        seen[batch->items[i].channel] = true;
    }
    batch->count = kept;
}

/* The limit that the value would raise an alarm at; NULL: none. */
static const char *side_raised(const struct alarm_limits *limits, double value)
{
    for (enum alarm_side side = ALARM_LOW; side < ALARM_SIDES; side++) {
        if (alarm_raises(limits, side, value))
            return alarm_side_name(side);
    }
    return NULL;
}

/* ` (alarm_high=100 hysteresis=2 critical: raises its high alarm)` */
static void print_limits(const struct alarm_limits *limits, double value)
{
    const char *raised = side_raised(limits, value);
    char number[ALARM_NUMBER_BYTES];
    const char *gap = " (";
    for (enum alarm_side side = ALARM_LOW; side < ALARM_SIDES; side++) {
        if (isnan(limits->at[side]))
            continue;
        printf("%salarm_%s=%s", gap, alarm_side_name(side), alarm_number(number, limits->at[side]));
        gap = " ";
    }
    printf(" hysteresis=%s %s", alarm_number(number, limits->hysteresis),
           alarm_severity_name(limits->severity));
    if (raised != NULL)
        printf(": raises its %s alarm", raised);
    printf(")");
}

static void print_lines(const struct batch *batch, struct channel_table *channels)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct reading *reading = &batch->items[i];
        const struct channel *channel = channel_table_at(channels, reading->channel);
        const struct store_channel *known = &channel->known;
        if (isnan(reading->value))
            printf("%s null", known->name);
        else
            printf("%s %.15g", known->name, reading->value);
        printf("%s%s", known->unit[0] == '\0' ? "" : " ", known->unit);
        if (alarm_limits_any(&channel->limits))
            print_limits(&channel->limits, reading->value);
        printf("\n");
    }
}

static void write_inputs(struct json_writer *json, const struct sampler *sampler)
{
    json_array(json, "inputs");
    for (size_t i = 0; i < sampler_count(sampler); i++) {
        const struct input_status *status = sampler_status(sampler, i);
        json_object(json, NULL);
        json_string(json, "name", status->name);
        json_string(json, "state", input_state_name(status->state));
        if (status->error.code != ERR_NONE)
            json_string(json, "error", status->error.text);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_limits(struct json_writer *json, const struct alarm_limits *limits, double value)
{
    const char *raised = side_raised(limits, value);
    json_object(json, "alarm");
    json_double(json, "low", limits->at[ALARM_LOW]);
    json_double(json, "high", limits->at[ALARM_HIGH]);
    json_double(json, "hysteresis", limits->hysteresis);
    json_string(json, "severity", alarm_severity_name(limits->severity));
    if (raised == NULL)
        json_null(json, "raises");
    else
        json_string(json, "raises", raised);
    json_end_object(json);
}

static bool print_json(const struct sampler *sampler, const struct batch *batch,
                       struct channel_table *channels, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SHOW_MAX_BYTES);
    struct json_writer json;
    json_writer_init(&json, &text);
    json_object(&json, NULL);
    write_inputs(&json, sampler);
    json_array(&json, "samples");
    for (size_t i = 0; i < batch->count; i++) {
        const struct reading *reading = &batch->items[i];
        const struct channel *channel = channel_table_at(channels, reading->channel);
        json_object(&json, NULL);
        json_string(&json, "channel", channel->known.name);
        json_double(&json, "value", reading->value);
        json_string(&json, "unit", channel->known.unit);
        if (alarm_limits_any(&channel->limits))
            write_limits(&json, &channel->limits, reading->value);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    if (!buf_check(&text, "the samples", err))
        return false;
    printf("%s\n", buf_text(&text));
    return true;
}

static bool all_work(const struct sampler *sampler, struct error *err)
{
    for (size_t i = 0; i < sampler_count(sampler); i++) {
        const struct input_status *status = sampler_status(sampler, i);
        if (status->state == INPUT_FAILING)
            return error_set(err, ERR_INPUT, "input %s fails: %s", status->name, status->error.text);
    }
    return true;
}

/* ---- the looks ---- */

struct show {
    struct sampler *sampler;
    struct loop *loop;
    const struct clock *clock;
    struct batch batch;
    int looks;
};

/* The second look is the one that counts; after it only what an input has begun is waited for. */
static void look(void *context, uint64_t times)
{
    (void)times;
    struct show *show = context;
    bool second = show->looks++ == 0;
    sampler_tick(show->sampler, clock_utc_us(show->clock), second ? US_PER_S : 0, &show->batch);
    sampler_resume(show->sampler);
    if (sampler_is_settled(show->sampler) || show->looks >= SHOW_MAX_LOOKS)
        loop_stop(show->loop);
}

static bool look_twice(struct show *show, struct error *err)
{
    const struct sampler_feed feed = {.loop = show->loop, .batch = &show->batch};
    sampler_attach(show->sampler, &feed);
    sampler_tick(show->sampler, clock_utc_us(show->clock), 0, &show->batch);
    show->batch.count = 0;
    struct loop_watch *timer = loop_timer(show->loop, SHOW_PAUSE_MS, SHOW_PAUSE_MS, look, show, err);
    bool ok = timer != NULL && loop_run(show->loop, err);
    loop_remove(timer);
    return ok;
}

bool show_samples(struct sampler *sampler, struct channel_table *channels, const struct daemon *daemon,
                  bool json, struct error *err)
{
    struct show show = {.sampler = sampler, .loop = daemon->loop, .clock = daemon->clock};
    bool ok = look_twice(&show, err);
    keep_first_of_each(&show.batch);
    if (ok && json)
        ok = print_json(sampler, &show.batch, channels, err);
    else if (ok)
        print_lines(&show.batch, channels);
    batch_clear(&show.batch);
    return ok && all_work(sampler, err);
}
