#include "collector/alarm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const side_names[ALARM_SIDES] = {[ALARM_LOW] = "low", [ALARM_HIGH] = "high"};
static const char *const severity_names[ALARM_SEVERITIES] = {
    [ALARM_INFO] = "info", [ALARM_WARNING] = "warning", [ALARM_CRITICAL] = "critical"};

/* ---- names ---- */

const char *alarm_side_name(enum alarm_side side)
{
    return side_names[side];
}

const char *alarm_severity_name(enum alarm_severity severity)
{
    return severity_names[severity];
}

static int find_name(const char *const *names, int count, struct view text)
{
    for (int i = 0; i < count; i++) {
        if (view_is(text, names[i]))
            return i;
    }
    return -1;
}

bool alarm_side_parse(struct view text, enum alarm_side *out)
{
    int found = find_name(side_names, ALARM_SIDES, text);
    if (found >= 0)
        *out = (enum alarm_side)found;
    return found >= 0;
}

bool alarm_severity_parse(struct view text, enum alarm_severity *out)
{
    int found = find_name(severity_names, ALARM_SEVERITIES, text);
    if (found >= 0)
        *out = (enum alarm_severity)found;
    return found >= 0;
}

/* ---- limits ---- */

struct alarm_limits alarm_limits_none(void)
{
    return (struct alarm_limits){.at = {NAN, NAN}, .severity = ALARM_WARNING};
}

bool alarm_limits_any(const struct alarm_limits *limits)
{
    return !isnan(limits->at[ALARM_LOW]) || !isnan(limits->at[ALARM_HIGH]);
}

bool alarm_limits_check(const struct alarm_limits *limits, struct error *err)
{
    double span = limits->at[ALARM_HIGH] - limits->at[ALARM_LOW]; /* NaN: one of them is not set */
    if (limits->hysteresis < 0)
        return error_set(err, ERR_USAGE, "expected 0 or more behind hysteresis=");
    if (span <= 0)
        return error_set(err, ERR_USAGE, "expected alarm_low= below alarm_high=");
    if (limits->hysteresis >= span)
        return error_set(err, ERR_USAGE,
                         "expected less behind hysteresis= than from alarm_low to alarm_high");
    return true;
}

/* ---- for people ---- */

/* Scaling leaves 104.19999999999999 where 104.2 is meant: ten digits are more than a sensor knows. */
const char *alarm_number(char out[ALARM_NUMBER_BYTES], double value)
{
    char rounded[ALARM_NUMBER_BYTES];
    snprintf(rounded, sizeof(rounded), "%.10g", value);
    out[decimal_write(out, strtod(rounded, NULL))] = '\0';
    return out;
}

static const char *relation_of(enum alarm_side side, double value, double limit)
{
    if (value == limit)
        return "at";
    return side == ALARM_HIGH ? "above" : "below";
}

static int write_message(char out[STORE_MESSAGE_BYTES], const char *name, const char *unit,
                         enum alarm_side side, double value, double limit)
{
    char value_text[ALARM_NUMBER_BYTES];
    char limit_text[ALARM_NUMBER_BYTES];
    const char *gap = unit[0] == '\0' ? "" : " ";
    const char *relation = relation_of(side, value, limit);
    alarm_number(limit_text, limit);
    if (isnan(value))
        return snprintf(out, STORE_MESSAGE_BYTES, "%s is %s its limit of %s%s%s", name, relation, limit_text,
                        gap, unit);
    return snprintf(out, STORE_MESSAGE_BYTES, "%s is %s%s%s, %s its limit of %s%s%s", name,
                    alarm_number(value_text, value), gap, unit, relation, limit_text, gap, unit);
}

void alarm_message(char out[STORE_MESSAGE_BYTES], const struct store_channel *channel,
                   const struct alarm_limits *limits, enum alarm_side side, double value)
{
    double limit = limits->at[side];
    int size = write_message(out, channel->name, channel->unit, side, value, limit);
    if (size >= STORE_MESSAGE_BYTES) /* a name and a unit of the greatest length: the name says more */
        write_message(out, channel->name, "", side, value, limit);
}
