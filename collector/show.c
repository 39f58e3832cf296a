#include "collector/show.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "common/net/json_writer.h"

enum { SHOW_PAUSE_MS = 250, SHOW_MAX_BYTES = 16 * 1024 * 1024 };

static void pause_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = SHOW_PAUSE_MS * 1000L * 1000L};
    nanosleep(&moment, NULL);
}

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

static void print_lines(const struct batch *batch, struct channel_table *channels)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct reading *reading = &batch->items[i];
        const struct store_channel *known = &channel_table_at(channels, reading->channel)->known;
        if (isnan(reading->value))
            printf("%s null", known->name);
        else
            printf("%s %.15g", known->name, reading->value);
        printf("%s%s\n", known->unit[0] == '\0' ? "" : " ", known->unit);
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
        const struct store_channel *known = &channel_table_at(channels, reading->channel)->known;
        json_object(&json, NULL);
        json_string(&json, "channel", known->name);
        json_double(&json, "value", reading->value);
        json_string(&json, "unit", known->unit);
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

bool show_samples(struct sampler *sampler, struct channel_table *channels, const struct clock *clock,
                  bool json, struct error *err)
{
    struct batch batch = {0};
    sampler_tick(sampler, clock_utc_us(clock), 0, &batch);
    pause_a_moment();
    batch.count = 0;
    sampler_tick(sampler, clock_utc_us(clock), US_PER_S, &batch);
    keep_first_of_each(&batch);
    bool ok = true;
    if (json)
        ok = print_json(sampler, &batch, channels, err);
    else
        print_lines(&batch, channels);
    batch_clear(&batch);
    return ok && all_work(sampler, err);
}
