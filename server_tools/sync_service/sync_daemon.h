/* The service from its start to SIGTERM, with the settings anew at each SIGHUP. New settings get parts of
 * their own, made beside those that run; only when all of them stand the old ones go, so that whatever is
 * wrong with new settings costs nothing: the old ones have not ended. Counters outlive both. Threads: the
 * main one. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SYNC_DAEMON_H
#define SERVER_TOOLS_SYNC_SERVICE_SYNC_DAEMON_H

#include "server_tools/sync_service/commands.h"

/* line: its config is what SIGHUP reads. settings: the first ones. False: it could not start, or its loop
 * failed. Errors: as service_open and service_begin. */
bool sync_daemon_run(const struct command_line *line, const struct sync_settings *settings,
                     const struct log *log, struct error *err) MUST_USE;

#endif
