/* The one log line of a session. */
#ifndef AGENT_SESSION_LOG_H
#define AGENT_SESSION_LOG_H

#include "agent/sessions.h"
#include "common/base/log.h"

void session_log_write(const struct log *log, const struct session_summary *summary);

#endif
