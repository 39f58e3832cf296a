/* The stretches of time that roll-ups are made of, for the one who writes them and those who read them. */
#ifndef COLLECTOR_ROLLUP_STRETCH_H
#define COLLECTOR_ROLLUP_STRETCH_H

#include <stdint.h>

#include "common/base/clock.h"

enum { ROLLUP_S = 30 };
#define ROLLUP_US (INT64_C(1) * ROLLUP_S * US_PER_S)

/* The beginning of the stretch that a time lies in. */
static inline int64_t rollup_start_us(int64_t time_us)
{
    int64_t inside = time_us % ROLLUP_US;
    return time_us - (inside < 0 ? inside + ROLLUP_US : inside);
}

#endif
