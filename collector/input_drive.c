/* The input `drive`: a made-up vehicle for demos and for load. It measures nothing, and says so. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/drive_model.h"
#include "collector/input.h"
#include "collector/input_options.h"

enum {
    RATE_MAX_HZ = 10000,
    CHANNELS_MAX = 20000,           /* above what a store takes, so that a flood can be tried */
    CATCH_UP_MAX_US = 2 * US_PER_S, /* after a suspend it goes on from now */
    NAME_BYTES = 48,
};

struct drive {
    uint64_t seed, rate_hz, channels;
    int64_t due_us; /* on the sampling schedule, not yet given */
    uint64_t steps; /* given so far */
    bool started;
    const struct log *log;
};

static bool read_options(struct drive *drive, struct view options, struct error *err)
{
    const struct input_option table[] = {
        {.key = "seed", .target = &drive->seed, .max = UINT64_MAX},
        {.key = "rate", .target = &drive->rate_hz, .min = 1, .max = RATE_MAX_HZ},
        {.key = "channels", .target = &drive->channels, .min = 1, .max = CHANNELS_MAX},
    };
    return input_options_read(options, table, COUNT_OF(table), input_drive.options, err);
}

static void drive_free(void *input)
{
    free(input);
}

static void *drive_make(struct view options, const struct input_env *env, struct error *err)
{
    struct drive *drive = calloc(1, sizeof(*drive));
    if (drive == NULL) {
        error_set(err, ERR_MEMORY, "no memory for an input");
        return NULL;
    }
    *drive = (struct drive){.seed = 1, .rate_hz = 1, .channels = DRIVE_CHANNELS, .log = env->log};
    if (!read_options(drive, options, err)) {
        drive_free(drive);
        return NULL;
    }
    return drive;
}

static bool drive_start(void *input, struct error *err)
{
    (void)err;
    struct drive *drive = input;
    if (!drive->started)
        log_info(drive->log, "input drive: its data is made up: %llu channels at %llu Hz of no real vehicle",
                 (unsigned long long)drive->channels, (unsigned long long)drive->rate_hz);
    drive->started = true;
    return true;
}

/* engine_rpm of the first vehicle, engine_rpm_2 of the second ... */
static bool put_channel(uint64_t number, const double values[DRIVE_CHANNELS], int64_t time_us,
                        const struct sample_sink *sink)
{
    const struct drive_channel *channel = &drive_channels[number % DRIVE_CHANNELS];
    uint64_t vehicle = number / DRIVE_CHANNELS + 1;
    char name[NAME_BYTES];
    if (vehicle > 1)
        snprintf(name, sizeof(name), "%s_%llu", channel->name, (unsigned long long)vehicle);
    const struct sample sample = {
        .channel = view_of(vehicle > 1 ? name : channel->name),
        .value = values[number % DRIVE_CHANNELS],
        .time_us = time_us,
        .unit = channel->unit,
        .description = channel->description,
        .phys_min = channel->phys_min,
        .phys_max = channel->phys_max,
    };
    return sink->put(sink->context, &sample);
}

static bool put_step(const struct drive *drive, uint64_t step, int64_t time_us,
                     const struct sample_sink *sink)
{
    double t_s = (double)step / (double)drive->rate_hz;
    double values[DRIVE_CHANNELS];
    for (uint64_t i = 0; i < drive->channels; i++) {
        if (i % DRIVE_CHANNELS == 0)
            drive_values(drive->seed + i / DRIVE_CHANNELS, t_s, values);
        if (!put_channel(i, values, time_us, sink))
            return false;
    }
    return true;
}

/* The first tick gives one sample of each channel, later ones what is due on the schedule. */
static bool drive_sample(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                         struct error *err)
{
    (void)err;
    struct drive *drive = input;
    int64_t step_us = US_PER_S / (int64_t)drive->rate_hz;
    drive->due_us += tick->elapsed_us;
    if (drive->due_us > CATCH_UP_MAX_US)
        drive->due_us = CATCH_UP_MAX_US;
    if (drive->steps == 0 && drive->due_us < step_us)
        drive->due_us = step_us;
    while (drive->due_us >= step_us) {
        drive->due_us -= step_us;
        int64_t back_us = drive->due_us / step_us * step_us;
        if (!put_step(drive, drive->steps++, tick->time_us - back_us, sink))
            break;
    }
    return true;
}

const struct input_kind input_drive = {
    .name = "drive",
    .options = "seed=N rate=N channels=N",
    .make = drive_make,
    .start = drive_start,
    .sample = drive_sample,
    .free = drive_free,
};
