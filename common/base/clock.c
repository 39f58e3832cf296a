#include "common/base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static int64_t system_utc_us(void *context)
{
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(void *context)
{
    (void)context;
    return read_clock(CLOCK_BOOTTIME);
}

static const struct clock the_system = {system_utc_us, system_monotonic_us, NULL};

const struct clock *clock_system(void)
{
    return &the_system;
}

int64_t clock_utc_us(const struct clock *clock)
{
    return clock->utc_us(clock->context);
}

int64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us(clock->context);
}

static int64_t fake_utc_us(void *context)
{
    struct clock_fake *fake = context;
    return atomic_load(&fake->utc_us);
}

static int64_t fake_monotonic_us(void *context)
{
    struct clock_fake *fake = context;
    return atomic_load(&fake->monotonic_us);
}

void clock_fake_init(struct clock_fake *fake, int64_t utc_us, int64_t monotonic_us)
{
    fake->clock = (struct clock){fake_utc_us, fake_monotonic_us, fake};
    atomic_init(&fake->utc_us, utc_us);
    atomic_init(&fake->monotonic_us, monotonic_us);
}

void clock_fake_advance(struct clock_fake *fake, int64_t us)
{
    atomic_fetch_add(&fake->utc_us, us);
    atomic_fetch_add(&fake->monotonic_us, us);
}
