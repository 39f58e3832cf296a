#include "collector/growth.h"

#define US_A_DAY (86400.0 * 1e6)

void growth_add(struct growth *growth, int64_t monotonic_us, int64_t used_bytes)
{
    growth->monotonic_us[growth->next] = monotonic_us;
    growth->used_bytes[growth->next] = used_bytes;
    growth->next = (growth->next + 1) % GROWTH_SAMPLES;
    if (growth->count < GROWTH_SAMPLES)
        growth->count++;
}

double growth_a_day(const struct growth *growth)
{
    if (growth->count < GROWTH_MIN_SAMPLES)
        return 0;
    size_t newest = (growth->next + GROWTH_SAMPLES - 1) % GROWTH_SAMPLES;
    size_t oldest = (growth->next + GROWTH_SAMPLES - growth->count) % GROWTH_SAMPLES;
    int64_t passed_us = growth->monotonic_us[newest] - growth->monotonic_us[oldest];
    int64_t grown = growth->used_bytes[newest] - growth->used_bytes[oldest];
    return grown <= 0 || passed_us <= 0 ? 0 : (double)grown / (double)passed_us * US_A_DAY;
}

bool growth_days_until_full(const struct growth *growth, const struct growth_limits *limits, double *days)
{
    double a_day = growth_a_day(growth);
    if (a_day <= 0)
        return false;
    double room = (double)limits->room_bytes;
    if (limits->max_bytes > 0 && (double)(limits->max_bytes - limits->used_bytes) < room)
        return false;
    double until_full = room / a_day;
    if (limits->days_until_retention >= 0 && limits->days_until_retention < until_full)
        return false;
    *days = until_full;
    return true;
}
