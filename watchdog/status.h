/* run/status.json: what the watchdog says of its services, for `watchdog status` and the portal. Written
 * whole and renamed into place, but not fsynced: it describes processes, which do not outlive a power cut
 * either. */
#ifndef WATCHDOG_STATUS_H
#define WATCHDOG_STATUS_H

#include "watchdog/service.h"

enum { STATUS_MAX_BYTES = 256 * 1024 };

/* {"time","pid","version","services":[{"name","state","pid","since","restarts","last_exit","status",
 * "cpu_percent","rss_bytes"}]}: pid, last_exit and status may be null; since is when the state began. */
bool status_write(const char *root, const char *version, const struct service_list *services,
                  const struct clock *clock, struct error *err) MUST_USE;

/* `watchdog status`: prints it as a table, or with json as one object that begins with "running". Returns the
 * exit code: 0 when the watchdog and all its services run, else 1. */
int status_command(const char *root, bool json);

#endif
