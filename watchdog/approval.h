/* UPDATE_APPROVAL: whether the machine's owner lets an update be applied without the operator, now. Knows the
 * setting and the time of day, nothing of packages. */
#ifndef WATCHDOG_APPROVAL_H
#define WATCHDOG_APPROVAL_H

#include <stdbool.h>
#include <time.h>

/* setting: "operator", "auto", or "window HH:MM-HH:MM" in the machine's own time; a window may go over
 * midnight. Anything else is as "operator". Returns who approves ("auto", "window"), or NULL: nobody does
 * now. */
const char *approval_now(const char *setting, const struct tm *local);
/* Whether it may ever be other than NULL: somebody must look again as time goes by. */
bool approval_waits_for_time(const char *setting);

#endif
