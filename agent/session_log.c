#include "agent/session_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/rfc3339.h"

enum { ALARMS_TEXT_BYTES = 40 };

void session_log_write(const struct log *log, const struct session_summary *summary)
{
    char began[RFC3339_S_BYTES];
    rfc3339_format_s(began, summary->began_utc_us);
    char alarms[ALARMS_TEXT_BYTES] = "";
    if (summary->alarms > 0)
        snprintf(alarms, sizeof(alarms), "alarms %" PRId64 ", ", summary->alarms);
    log_info(log,
             "session: began %s, address %s, records %" PRId64 ", %sbytes %" PRId64 ", update %s, outcome %s",
             began, summary->address, summary->records, alarms, summary->bytes,
             summary->update_version[0] == '\0' ? "none" : summary->update_version,
             session_outcome_text(summary->outcome));
}
