/* What has to be looked at now and then so that people are told: vehicles that fell silent or are back, and
 * old notices. For the keeper's table of chores. Threads: the keeper's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_NOTICE_CHORES_H
#define SERVER_TOOLS_SYNC_SERVICE_NOTICE_CHORES_H

#include "common/base/clock.h"
#include "common/store/pg.h"

enum { NOTICE_SILENT_PERIOD_MS = 10 * 1000, NOTICE_FORGET_PERIOD_MS = 3600 * 1000 };

struct notice_watch {
    int64_t silent_after_s;    /* of vehicles without a limit of their own */
    const struct clock *clock; /* borrowed */
    int64_t since_us;          /* we have looked without a break since then (monotonic); 0: never yet */
    int64_t last_us;
};

/* context: struct notice_watch. A vehicle is silent when nobody has heard of it for its limit, though we have
 * looked all that time: after our own absence, or PostgreSQL's, every vehicle gets its limit anew. */
bool notice_tell_silent(void *context, struct pg *pg, struct error *err) MUST_USE;
/* context: unused. */
bool notice_forget_old(void *context, struct pg *pg, struct error *err) MUST_USE;

#endif
