#include "agent/session_log.h"

#include <inttypes.h>

#include "common/base/log.h"
#include "common/base/rfc3339.h"

void session_log_write(void *log, const struct session_summary *summary)
{
    char began[RFC3339_S_BYTES];
    rfc3339_format_s(began, summary->began_utc_us);
    log_info((const struct log *)log,
             "session: began %s, address %s, records %" PRId64 ", bytes %" PRId64 ", update %s, outcome %s",
             began, summary->address, summary->records, summary->bytes,
             summary->update_version[0] == '\0' ? "none" : summary->update_version,
             session_outcome_text(summary->outcome));
}
