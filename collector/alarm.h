/* What an alarm of a channel is: its limits, when it is raised and when it ends, and how it is told to
 * people. Knows no readings, no stores, no state: that is alarm_judge.h. Source: docs/appliance.md, "Alarms".
 * Threads: safe.
 *
 * A value at or above `alarm_high` raises, and the alarm ends with the first value below alarm_high -
 * hysteresis; `alarm_low` is the mirror image. The two limits of a channel are two alarms. A null raises
 * nothing and ends nothing. */
#ifndef COLLECTOR_ALARM_H
#define COLLECTOR_ALARM_H

#include "collector/telemetry_store.h"
#include "common/base/decimal.h"
#include "common/base/error.h"
#include "common/base/view.h"

enum alarm_side { ALARM_LOW, ALARM_HIGH, ALARM_SIDES };
enum alarm_severity { ALARM_INFO, ALARM_WARNING, ALARM_CRITICAL, ALARM_SEVERITIES };

struct alarm_limits {
    double at[ALARM_SIDES]; /* NaN: none */
    double hysteresis;      /* 0 or more */
    enum alarm_severity severity;
};

/* Of a channel without any. */
struct alarm_limits alarm_limits_none(void);
bool alarm_limits_any(const struct alarm_limits *limits);
/* Errors: ERR_USAGE with what was expected. */
bool alarm_limits_check(const struct alarm_limits *limits, struct error *err) MUST_USE;

/* Whether the value raises the alarm of that side, and whether it ends one that lasts. */
static inline bool alarm_raises(const struct alarm_limits *limits, enum alarm_side side, double value)
{
    return side == ALARM_HIGH ? value >= limits->at[side] : value <= limits->at[side];
}
static inline bool alarm_ends(const struct alarm_limits *limits, enum alarm_side side, double value)
{
    double at = limits->at[side];
    return side == ALARM_HIGH ? value < at - limits->hysteresis : value > at + limits->hysteresis;
}

const char *alarm_side_name(enum alarm_side side); /* low, high */
bool alarm_side_parse(struct view text, enum alarm_side *out) MUST_USE;
const char *alarm_severity_name(enum alarm_severity severity); /* info, warning, critical */
bool alarm_severity_parse(struct view text, enum alarm_severity *out) MUST_USE;

/* `engine_temp is 104.2 °C, above its limit of 100 °C`. value: NaN when it is not known. */
void alarm_message(char out[STORE_MESSAGE_BYTES], const struct store_channel *channel,
                   const struct alarm_limits *limits, enum alarm_side side, double value);

/* A number for people: at most ten digits that count, no exponent where none is needed. Returns out. */
enum { ALARM_NUMBER_BYTES = DECIMAL_MAX_BYTES + 1 };
const char *alarm_number(char out[ALARM_NUMBER_BYTES], double value);

#endif
