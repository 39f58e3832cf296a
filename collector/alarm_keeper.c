#include "collector/alarm_keeper.h"

#include <stdio.h>
#include <string.h>

bool alarm_keeper_init(struct alarm_keeper *keeper, struct channel_table *channels, const struct log *log,
                       struct error *err)
{
    struct alarm_judge *judge = alarm_judge_new(channels, err);
    if (judge == NULL)
        return false;
    *keeper = (struct alarm_keeper){
        .judge = judge, .channels = channels, .log = log, .log_period_us = clock_monotonic_us(log->clock)};
    return true;
}

void alarm_keeper_clear(struct alarm_keeper *keeper)
{
    alarm_judge_free(keeper->judge);
    *keeper = (struct alarm_keeper){0};
}

/* ---- the log ---- */

static bool may_say(struct alarm_keeper *keeper)
{
    int64_t now_us = clock_monotonic_us(keeper->log->clock);
    if (now_us - keeper->log_period_us >= (int64_t)ALARM_LOG_PERIOD_S * US_PER_S) {
        if (keeper->log_lines > ALARM_LOG_LINES)
            log_warn(keeper->log, "alarms come and go too often to be told: %zu more were raised or ended",
                     keeper->log_lines - ALARM_LOG_LINES);
        keeper->log_period_us = now_us;
        keeper->log_lines = 0;
    }
    return keeper->log_lines++ < ALARM_LOG_LINES;
}

static void say_raised(const struct alarm_keeper *keeper, const struct alarm *alarm)
{
    static const enum log_level levels[ALARM_SEVERITIES] = {
        [ALARM_INFO] = LOG_INFO, [ALARM_WARNING] = LOG_WARN, [ALARM_CRITICAL] = LOG_ERROR};
    const struct channel *channel = channel_table_at(keeper->channels, alarm->channel);
    enum alarm_severity severity = channel->limits.severity;
    char message[STORE_MESSAGE_BYTES];
    alarm_message(message, &channel->known, &channel->limits, alarm->side, alarm->value);
    log_write(keeper->log, levels[severity], "alarm (%s): %s", alarm_severity_name(severity), message);
}

static void say_ended(const struct alarm_keeper *keeper, const struct alarm *alarm, double value)
{
    const struct store_channel *known = &channel_table_at(keeper->channels, alarm->channel)->known;
    char number[ALARM_NUMBER_BYTES];
    log_info(keeper->log, "alarm over: %s is %s%s%s again, after %.1f s", known->name,
             alarm_number(number, value), known->unit[0] == '\0' ? "" : " ", known->unit,
             (double)(alarm->ended_us - alarm->raised_us) / US_PER_S);
}

static void event(void *context, const struct alarm *alarm, double value)
{
    struct alarm_keeper *keeper = context;
    if (!may_say(keeper))
        return;
    if (alarm->ended_us == INT64_MIN)
        say_raised(keeper, alarm);
    else
        say_ended(keeper, alarm, value);
}

/* ---- in step with the store ---- */

static bool load(struct alarm_keeper *keeper, struct store_writer *writer, struct error *err)
{
    size_t ended;
    if (!store_writer_load_alarms(writer, keeper->channels, &ended, err))
        return false;
    size_t open = alarm_judge_summary(keeper->judge).open;
    if (open > 0)
        log_info(keeper->log, "alarms that last from the last run: %zu", open);
    if (ended > 0)
        log_info(keeper->log, "alarms of the last run that end now, having no limit in config.txt: %zu",
                 ended);
    return true;
}

bool alarm_keeper_take_over(struct alarm_keeper *keeper, struct store_writer *writer, struct error *err)
{
    const char *id = store_writer_id(writer);
    if (strcmp(keeper->store_id, id) == 0)
        return true;
    if (keeper->store_id[0] != '\0')
        alarm_judge_new_store(keeper->judge);
    else if (!load(keeper, writer, err))
        return false;
    snprintf(keeper->store_id, sizeof(keeper->store_id), "%s", id);
    return true;
}

void alarm_keeper_judge(struct alarm_keeper *keeper, struct batch *pending, bool now)
{
    const struct alarm_sink sink = {event, keeper};
    if (keeper->judged == pending->count || (keeper->store_id[0] == '\0' && !now))
        return;
    batch_sort(pending, keeper->judged);
    bool ok = alarm_judge_readings(keeper->judge, pending->items + keeper->judged,
                                   pending->count - keeper->judged, &sink);
    if (!ok && !keeper->memory_said)
        log_error(keeper->log,
                  "no memory is left for alarms: they are raised when there is some (said once)");
    keeper->memory_said = keeper->memory_said || !ok;
    keeper->judged = pending->count;
}
