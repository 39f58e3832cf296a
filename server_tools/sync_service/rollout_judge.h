/* What a machine's GET /update/status says of our package. Its answer is hostile bytes. Knows nothing of who
 * asked or what is done about it. docs/protocol.md, "GET /update/status". Threads: safe. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_JUDGE_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_JUDGE_H

#include "server_tools/sync_service/rollout_state.h"

enum {
    ROLLOUT_WORD_BYTES = 64,
    ROLLOUT_DETAIL_BYTES = 320,
    ROLLOUT_MARK_BYTES = 192,
    ROLLOUT_STATUS_MAX_BYTES = 1024 * 1024,
};

struct rollout_seen {
    bool other;       /* another package waits or is applied there */
    bool there;       /* the next are of our package; else it knows nothing of it */
    bool contradicts; /* not `there`: it says that ours is committed, and that another runs */
    enum rollout_state
        state; /* queued, approved, applying, healthy, failed, rolled_back, rejected, withdrawn */
    char waiting_for[ROLLOUT_WORD_BYTES];     /* of a queued one: operator, window HH:MM-HH:MM, machine */
    char reason[ROLLOUT_WORD_BYTES];          /* of an end */
    char detail[ROLLOUT_DETAIL_BYTES];        /* the same for people */
    char current_version[ROLLOUT_WORD_BYTES]; /* that runs */
    char mark[ROLLOUT_MARK_BYTES];            /* names its newest event of updates; "": there was none */
};

/* version, manifest_sha256: of our package. mark: that of an earlier answer, before the package was offered:
 * ends that are older than it are of earlier attempts; NULL: no end counts. Errors: ERR_PROTOCOL. */
bool rollout_judge(struct view answer, const char *version, const char *manifest_sha256, const char *mark,
                   struct rollout_seen *out, struct error *err) MUST_USE;

#endif
