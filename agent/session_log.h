/* The one log line of a session. */
#ifndef AGENT_SESSION_LOG_H
#define AGENT_SESSION_LOG_H

#include "agent/sessions.h"

/* log: const struct log *. For sessions_new. */
void session_log_write(void *log, const struct session_summary *summary);

#endif
