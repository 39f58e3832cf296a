/* `watchdog --root DIR probe`: asks agent and portal over their sockets, as somebody from outside would, and
 * says whether both answer. The watchdog runs it while a new version is on probation: a process of its own,
 * so that nothing that hangs there holds up the watchdog. */
#ifndef WATCHDOG_PROBE_H
#define WATCHDOG_PROBE_H

/* Returns the exit code: 0 when both answer and the portal is of `version` (NULL: of any). */
int probe_command(const char *root, const char *version);

#endif
