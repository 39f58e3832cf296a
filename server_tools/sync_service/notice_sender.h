/* Sends the notices that wait in PostgreSQL: threads for each way that is set up, with connections of their
 * own, so that a slow mail server, or somebody's webhook, holds up nobody. Several services on one database
 * share the work: each notice is claimed by one. What happens when a service dies is in
 * docs/operations/notices.md. Threads: all functions from one thread; http_client_global_init comes first. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_NOTICE_SENDER_H
#define SERVER_TOOLS_SYNC_SERVICE_NOTICE_SENDER_H

#include "common/base/log.h"
#include "server_tools/sync_service/metrics.h"
#include "server_tools/sync_service/settings.h"

enum {
    NOTICE_POLL_MS = 2 * 1000,      /* how often it looks for new ones */
    NOTICE_AWAY_MIN_MS = 10 * 1000, /* a mail server, Telegram, PostgreSQL away: so long, doubled up to */
    NOTICE_AWAY_MAX_MS = 120 * 1000,
};

struct notice_sender;

/* Everything is borrowed until stopped; metrics may be NULL. PostgreSQL need not be there. Errors: ERR_USAGE
 * (a way is set up wrongly), ERR_MEMORY. */
struct notice_sender *notice_sender_start(const struct sync_settings *settings, const struct clock *clock,
                                          const struct log *log, struct metrics *metrics,
                                          struct error *err) MUST_USE;
/* Ends the attempts under way, within half a minute; what was claimed is given back. NULL is fine. */
void notice_sender_stop(struct notice_sender *sender);

#endif
