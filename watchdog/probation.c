#include "watchdog/probation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/attr.h"
#include "common/base/clock.h"

void probation_begin(struct probation *probation, int64_t probation_s, int64_t now_us)
{
    *probation = (struct probation){
        .on = true,
        .need_us = probation_s * US_PER_S,
        .deadline_us = now_us + (2 * probation_s + PROBATION_GRACE_S) * US_PER_S,
        .healthy_since_us = INT64_MAX,
        .verdict = PROBATION_GOES_ON,
    };
}

static void PRINTF_LIKE(3, 4) fail(struct probation *probation, const char *reason, const char *format, ...)
{
    if (probation->verdict != PROBATION_GOES_ON)
        return;
    probation->verdict = PROBATION_FAILED;
    snprintf(probation->reason, sizeof(probation->reason), "%s", reason);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(probation->text, sizeof(probation->text), format, arguments);
    va_end(arguments);
}

void probation_fall(struct probation *probation, const char *service, const char *how)
{
    if (!probation->on)
        return;
    probation->falls++;
    probation->healthy_since_us = INT64_MAX;
    if (probation->falls >= PROBATION_FALLS_MAX)
        fail(probation, "service_ended", "%s: %s (%u times something ended or hung)", service, how,
             probation->falls);
}

void probation_wrong_version(struct probation *probation, const char *service, const char *version,
                             const char *expected)
{
    if (probation->on)
        fail(probation, "wrong_version", "%s says that it is version %s, not %s", service, version, expected);
}

enum probation_verdict probation_look(struct probation *probation, const struct probation_sight *sight,
                                      int64_t now_us)
{
    if (!probation->on || probation->verdict != PROBATION_GOES_ON)
        return probation->verdict;
    bool healthy = sight->running && sight->answering;
    if (!healthy)
        probation->healthy_since_us = INT64_MAX;
    else if (probation->healthy_since_us == INT64_MAX)
        probation->healthy_since_us = now_us;
    if (healthy && now_us - probation->healthy_since_us >= probation->need_us)
        probation->verdict = PROBATION_PASSED;
    else if (now_us >= probation->deadline_us)
        fail(probation, "not_healthy", "it was never well for %" PRId64 " s in one piece: %s",
             probation->need_us / US_PER_S, healthy ? "the time is over" : sight->what_is_wrong);
    return probation->verdict;
}
