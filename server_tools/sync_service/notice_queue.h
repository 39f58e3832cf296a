/* The queue of notices in PostgreSQL (0005_notices.sql) as its senders see it: claim, begin, end. Claims run
 * out by themselves, so a sender that dies is forgotten. Knows nothing of mail servers.
 * Threads: as the connection. Errors of all: as pg_query. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_NOTICE_QUEUE_H
#define SERVER_TOOLS_SYNC_SERVICE_NOTICE_QUEUE_H

#include "common/crypto/random.h"
#include "common/store/pg.h"
#include "server_tools/sync_service/notice.h"

enum {
    NOTICE_BATCH = 16,    /* claimed at a time */
    NOTICE_LEASE_S = 120, /* longer than any attempt takes */
};

struct notice_batch {
    struct notice notices[NOTICE_BATCH]; /* their texts are the result's */
    size_t count;
    struct pg_result *result;
};
void notice_batch_clear(struct notice_batch *batch);

/* A connection for this queue and its rules alone: all rows in sight, and no statement takes for ever. */
struct pg *notice_db_open(const char *db_url, struct error *err) MUST_USE;

/* Those of the channel that may be sent now, the oldest first; none: count 0. batch: empty. */
bool notice_queue_claim(struct pg *pg, const char *worker, const char *channel, struct notice_batch *batch,
                        struct error *err) MUST_USE;
/* Just before its first byte leaves. *ours false: it must not be sent (any more). */
bool notice_queue_begin(struct pg *pg, const char *worker, int64_t notice_id, bool *ours,
                        struct error *err) MUST_USE;
/* problem NULL: it was sent. for_good: it is not tried again. *given_up: it failed for good now. */
bool notice_queue_end(struct pg *pg, const char *worker, int64_t notice_id, const char *problem,
                      bool for_good, bool *given_up, struct error *err) MUST_USE;
/* What was claimed and not begun is anybody's again. */
bool notice_queue_release(struct pg *pg, const char *worker, struct error *err) MUST_USE;

/* Of all channels: how many wait, and how long the oldest waits that might have been sent. */
bool notice_queue_waiting(struct pg *pg, int64_t *waiting, int64_t *oldest_s, struct error *err) MUST_USE;

#endif
