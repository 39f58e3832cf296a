/* What the collector says of itself in ROOT/run/collector.json (agent and portal show it): written whole,
 * when something has changed and once a minute. Knows nothing of why. Threads: one at a time. */
#ifndef COLLECTOR_HEALTH_H
#define COLLECTOR_HEALTH_H

#include "collector/recorder.h"
#include "collector/sampler.h"

enum { HEALTH_MAX_BYTES = 256 * 1024, HEALTH_PERIOD_S = 60 };

/* The JSON as it stands in the file. */
bool health_text(const struct recorder *recorder, const struct sampler *sampler, const struct clock *clock,
                 struct buf *out, struct error *err) MUST_USE;

bool health_write(const char *path, const struct recorder *recorder, const struct sampler *sampler,
                  const struct clock *clock, struct error *err) MUST_USE;

#endif
