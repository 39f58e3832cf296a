#include "collector/alarm_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64, LOST_AT_ONCE = ALARMS_WAITING_MAX / 8 };

/* One limit of one channel. */
struct watch {
    bool lasts, stored;
    uint32_t place; /* in what waits, + 1; 0: the store knows of it as it is */
    int64_t alarm_id;
    int64_t raised_us;
    double value;
};

struct watched {
    struct alarm_limits limits;
    struct watch sides[ALARM_SIDES];
};

struct alarm_judge {
    struct watched *channels; /* by the channel table's index; those with CHANNEL lines come first there */
    uint32_t channel_count;
    struct alarm *waiting;
    size_t count, capacity;
    size_t open[ALARM_SEVERITIES];
    uint64_t lost;
};

/* ---- made and freed ---- */

static bool fill(struct alarm_judge *judge, struct channel_table *channels, struct error *err)
{
    judge->channel_count = channel_table_count(channels);
    judge->channels = calloc((size_t)judge->channel_count + 1, sizeof(*judge->channels));
    if (judge->channels == NULL)
        return error_set(err, ERR_MEMORY, "no memory for the alarms' limits");
    for (uint32_t i = 0; i < judge->channel_count; i++)
        judge->channels[i].limits = channel_table_at(channels, i)->limits;
    return true;
}

struct alarm_judge *alarm_judge_new(struct channel_table *channels, struct error *err)
{
    struct alarm_judge *judge = calloc(1, sizeof(*judge));
    if (judge == NULL)
        error_set(err, ERR_MEMORY, "no memory for the alarms");
    else if (fill(judge, channels, err))
        return judge;
    alarm_judge_free(judge);
    return NULL;
}

void alarm_judge_free(struct alarm_judge *judge)
{
    if (judge == NULL)
        return;
    free(judge->channels);
    free(judge->waiting);
    free(judge);
}

/* ---- what waits ---- */

static struct watch *watch_of(struct alarm_judge *judge, const struct alarm *alarm)
{
    return &judge->channels[alarm->channel].sides[alarm->side];
}

/* Came and went, and the store never heard of it. */
static bool may_be_lost(const struct alarm *alarm)
{
    return !alarm->stored && alarm->ended_us != INT64_MIN;
}

/* Stands in another place now, which the watch of one that lasts has to know. */
static void move_up(struct alarm_judge *judge, size_t to, const struct alarm *alarm)
{
    judge->waiting[to] = *alarm;
    if (alarm->ended_us == INT64_MIN)
        watch_of(judge, alarm)->place = (uint32_t)to + 1;
}

static void lose_oldest(struct alarm_judge *judge)
{
    size_t kept = 0;
    size_t lost = 0;
    for (size_t i = 0; i < judge->count; i++) {
        if (lost < LOST_AT_ONCE && may_be_lost(&judge->waiting[i]))
            lost++;
        else
            move_up(judge, kept++, &judge->waiting[i]);
    }
    judge->count = kept;
    judge->lost += lost;
}

/* Room for one more. */
static bool make_room(struct alarm_judge *judge)
{
    if (judge->count >= ALARMS_WAITING_MAX)
        lose_oldest(judge);
    if (judge->count < judge->capacity)
        return true;
    size_t capacity = judge->capacity == 0 ? FIRST_CAPACITY : 2 * judge->capacity;
    void *grown = reallocarray(judge->waiting, capacity, sizeof(*judge->waiting));
    if (grown == NULL)
        return false;
    judge->waiting = grown;
    judge->capacity = capacity;
    return true;
}

struct alarm *alarm_judge_waiting(struct alarm_judge *judge, size_t *count)
{
    *count = judge->count;
    return judge->waiting;
}

void alarm_judge_stored(struct alarm_judge *judge)
{
    for (size_t i = 0; i < judge->count; i++) {
        const struct alarm *alarm = &judge->waiting[i];
        if (alarm->ended_us != INT64_MIN)
            continue;
        struct watch *watch = watch_of(judge, alarm);
        watch->alarm_id = alarm->given_id;
        watch->stored = true;
        watch->place = 0;
    }
    judge->count = 0;
}

/* ---- judging ---- */

static struct alarm alarm_of(const struct alarm_judge *judge, uint32_t channel, enum alarm_side side)
{
    const struct watch *watch = &judge->channels[channel].sides[side];
    return (struct alarm){.alarm_id = watch->alarm_id,
                          .stored = watch->stored,
                          .raised_us = watch->raised_us,
                          .ended_us = INT64_MIN,
                          .value = watch->value,
                          .channel = channel,
                          .side = side};
}

static bool raise_alarm(struct alarm_judge *judge, const struct reading *reading, enum alarm_side side,
                        const struct alarm_sink *sink)
{
    struct watched *channel = &judge->channels[reading->channel];
    if (!make_room(judge))
        return false;
    channel->sides[side] = (struct watch){.lasts = true,
                                          .place = (uint32_t)judge->count + 1,
                                          .raised_us = reading->time_us,
                                          .value = reading->value};
    judge->open[channel->limits.severity]++;
    struct alarm alarm = alarm_of(judge, reading->channel, side);
    judge->waiting[judge->count++] = alarm;
    sink->event(sink->context, &alarm, reading->value);
    return true;
}

static bool end_alarm(struct alarm_judge *judge, const struct reading *reading, enum alarm_side side,
                      const struct alarm_sink *sink)
{
    struct watched *channel = &judge->channels[reading->channel];
    struct watch *watch = &channel->sides[side];
    struct alarm alarm = alarm_of(judge, reading->channel, side);
    alarm.ended_us = reading->time_us > alarm.raised_us ? reading->time_us : alarm.raised_us;
    if (watch->place == 0 && !make_room(judge))
        return false;
    size_t place = watch->place > 0 ? watch->place - 1 : judge->count++;
    judge->waiting[place] = alarm;
    *watch = (struct watch){0};
    judge->open[channel->limits.severity]--;
    sink->event(sink->context, &alarm, reading->value);
    return true;
}

/* What ends, ends before something else is raised: one value may do both. */
static bool judge_one(struct alarm_judge *judge, const struct reading *reading, const struct alarm_sink *sink)
{
    const struct watched *channel = &judge->channels[reading->channel];
    bool ok = true;
    for (enum alarm_side side = 0; side < ALARM_SIDES; side++) {
        if (channel->sides[side].lasts && alarm_ends(&channel->limits, side, reading->value))
            ok = end_alarm(judge, reading, side, sink) && ok;
    }
    for (enum alarm_side side = 0; side < ALARM_SIDES; side++) {
        if (!channel->sides[side].lasts && alarm_raises(&channel->limits, side, reading->value))
            ok = raise_alarm(judge, reading, side, sink) && ok;
    }
    return ok;
}

bool alarm_judge_readings(struct alarm_judge *judge, const struct reading *readings, size_t count,
                          const struct alarm_sink *sink)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        if (readings[i].channel < judge->channel_count)
            ok = judge_one(judge, &readings[i], sink) && ok;
    }
    return ok;
}

/* ---- another store, another run ---- */

static bool has_limit(const struct alarm_judge *judge, const struct alarm *alarm)
{
    return alarm->channel < judge->channel_count &&
           !isnan(judge->channels[alarm->channel].limits.at[alarm->side]);
}

/* The end of an alarm without a limit matters to the old store alone. */
static void keep_unstored(struct alarm_judge *judge)
{
    size_t kept = 0;
    for (size_t i = 0; i < judge->count; i++) {
        struct alarm alarm = judge->waiting[i];
        alarm.stored = false;
        if (has_limit(judge, &alarm))
            move_up(judge, kept++, &alarm);
    }
    judge->count = kept;
}

/* Without memory it is quiet, so that the next reading raises it. */
static void wait_again(struct alarm_judge *judge, uint32_t channel, enum alarm_side side)
{
    struct watch *watch = &judge->channels[channel].sides[side];
    watch->stored = false;
    if (!watch->lasts || watch->place > 0)
        return;
    if (make_room(judge)) {
        judge->waiting[judge->count] = alarm_of(judge, channel, side);
        watch->place = (uint32_t)++judge->count;
        return;
    }
    judge->open[judge->channels[channel].limits.severity]--;
    *watch = (struct watch){0};
}

void alarm_judge_new_store(struct alarm_judge *judge)
{
    keep_unstored(judge);
    for (uint32_t i = 0; i < judge->channel_count; i++) {
        wait_again(judge, i, ALARM_LOW);
        wait_again(judge, i, ALARM_HIGH);
    }
}

bool alarm_judge_adopt(struct alarm_judge *judge, const struct alarm *stored)
{
    if (!has_limit(judge, stored))
        return false;
    if (watch_of(judge, stored)->lasts)
        return watch_of(judge, stored)->stored && watch_of(judge, stored)->alarm_id == stored->alarm_id;
    *watch_of(judge, stored) = (struct watch){.lasts = true,
                                              .stored = true,
                                              .alarm_id = stored->alarm_id,
                                              .raised_us = stored->raised_us,
                                              .value = NAN};
    judge->open[judge->channels[stored->channel].limits.severity]++;
    return true;
}

bool alarm_judge_end(struct alarm_judge *judge, const struct alarm *stored, int64_t ended_us,
                     struct error *err)
{
    if (!make_room(judge))
        return error_set(err, ERR_MEMORY, "no memory for the alarms");
    struct alarm alarm = *stored;
    alarm.stored = true;
    alarm.ended_us = ended_us > stored->raised_us ? ended_us : stored->raised_us;
    judge->waiting[judge->count++] = alarm;
    return true;
}

struct alarm_summary alarm_judge_summary(const struct alarm_judge *judge)
{
    struct alarm_summary summary = {.lost = judge->lost};
    for (enum alarm_severity severity = 0; severity < ALARM_SEVERITIES; severity++) {
        summary.open += judge->open[severity];
        if (judge->open[severity] > 0)
            summary.worst = severity;
    }
    return summary;
}
