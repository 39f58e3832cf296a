/* What a support bundle is made of: the machine as the agent has it. Borrowed by all parts of a bundle. */
#ifndef AGENT_SUPPORT_SCENE_H
#define AGENT_SUPPORT_SCENE_H

#include "common/app/appliance.h"
#include "common/base/clock.h"

struct support_scene {
    const struct appliance *appliance; /* borrowed, as all here */
    const struct clock *clock;
    const char *agent_id;
    const char *telemetry_folder; /* absolute */
    int64_t agent_started_us;     /* monotonic */
};

#endif
