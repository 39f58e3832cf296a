/* The rollouts' tables: what is to be done next, what came of it, and how each rollout goes on. Every
 * function is one transaction, and changes nothing that somebody else has changed meanwhile. Knows nothing of
 * HTTP. Threads: the connection's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_DB_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_DB_H

#include "common/base/log.h"
#include "common/store/pg.h"
#include "server_tools/sync_service/rollout_judge.h"
#include "server_tools/sync_service/rollout_package.h"
#include "server_tools/sync_service/vehicle.h"

enum { ROLLOUT_CLAIM_S = 20, ROLLOUT_BACKOFF_MAX_S = 300 };

/* One vehicle to be talked to about its package. */
struct rollout_order {
    int64_t deployment_id;
    struct vehicle vehicle; /* what a session needs of it */
    enum rollout_state state;
    bool may_offer; /* the rollout runs: the package may be sent */
    char version[RELEASE_VERSION_BYTES];
    char manifest_sha256[MANIFEST_SHA256_BYTES];
    char package_sha256[SHA256_HEX_BYTES];
    char signature[ROLLOUT_SIGNATURE_BYTES];
    char mark[ROLLOUT_MARK_BYTES];
    int64_t package_bytes;
};

/* What came of it. */
struct rollout_result {
    enum rollout_state state; /* by now; that of the order: nothing is new */
    char waiting_for[ROLLOUT_WORD_BYTES], reason[ROLLOUT_WORD_BYTES], detail[ROLLOUT_DETAIL_BYTES];
    char mark[ROLLOUT_MARK_BYTES];             /* with ROLLOUT_OFFERED, as the next */
    char previous_version[ROLLOUT_WORD_BYTES]; /* that ran then */
    char problem[ERROR_TEXT_BYTES];            /* why it came to nothing; "": it did not */
};

/* How many rollouts are not over, and how many of those are paused. */
bool rollout_db_count(struct pg *pg, int64_t *open, int64_t *paused, struct error *err) MUST_USE;

/* Moves every rollout that goes on: the next wave, too many failures, its end. Says in the log what it did.
 */
bool rollout_db_advance(struct pg *pg, const struct log *log, struct error *err) MUST_USE;

/* Up to max orders of the vehicles whose lease this process has and whose time has come; nobody gets them
 * again for ROLLOUT_CLAIM_S, unless a result is written before. */
bool rollout_db_claim(struct pg *pg, struct rollout_order *orders, size_t max, size_t *count,
                      struct error *err) MUST_USE;

/* Writes a result, if the vehicle is still in the state of the order. poll_s: when it is asked again. */
bool rollout_db_record(struct pg *pg, const struct rollout_order *order, const struct rollout_result *result,
                       int64_t poll_s, const struct log *log, struct error *err) MUST_USE;

/* BEGIN as every writer of the fleet does it. */
bool rollout_db_begin(struct pg *pg, struct error *err) MUST_USE;

#endif
